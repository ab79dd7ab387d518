"""Subscribing to a topic: once at first, and again whenever its stream is lost."""

from urllib.parse import quote, urlencode

from miniqueue_py.client import heartbeats
from miniqueue_py.client.backoff import Backoff
from miniqueue_py.client.errors import RightMissing
from miniqueue_py.client.http2.requests import Requests
from miniqueue_py.client.session import Session
from miniqueue_py.client.threads import Owner
from miniqueue_py.errors import TopicNotFound, Unavailable
from miniqueue_py.protocol.topics import Topic


class Sessions:
    """Opens the streams of one subscription, one after another."""

    def __init__(
        self, requests: Requests, owner: Owner, topic: str, *, credit: int, lease: float | None
    ) -> None:
        self.backoff = Backoff()
        self.last_problem: Unavailable | None = None
        """Why it was not yet possible, if it was not."""
        self._requests = requests
        self._owner = owner
        self._topic = topic
        self._credit = credit
        terms = {"heartbeat": f"{heartbeats.HEARTBEAT_SECONDS:g}s"}
        if lease is not None:
            terms["lease"] = f"{lease:.3f}s"
        self._path = f"/subscribe/{quote(topic, safe='')}?{urlencode(terms)}"

    async def lease_of_policy(self) -> float | None:
        """Return the lease that the topic gives who asks for none."""
        path = f"/topics/{quote(self._topic, safe='')}"
        try:
            answer = await self._requests.ask("GET", path, topic=self._topic)
        except (TopicNotFound, RightMissing):  # what is missing the subscription is told itself
            return None
        lease: float | None = answer.read(lambda told: Topic.of(told).policy["lease"])
        return lease

    async def open(self, *, has_leases: bool) -> Session:
        """Subscribe, and try again for as long as that may help."""
        while True:
            try:
                return await self._open_once(has_leases=has_leases)
            except Unavailable as error:
                self.last_problem = error
                await self._requests.wait_to_repeat(error, self.backoff)

    async def _open_once(self, *, has_leases: bool) -> Session:
        stream = await self._requests.connections.open_stream("POST", self._path)
        try:
            session = Session(stream, self._topic, self._credit, self._owner, has_leases=has_leases)
            await self._requests.wait_accepted(stream)
        except BaseException:
            stream.close()
            raise
        self.backoff.reset()
        return session
