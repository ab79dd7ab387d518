"""The client for programs that do not await: scripts, notebooks, views.

with SyncClient("https://localhost:8080", ca="certs/ca.pem") as queue:
    queue.publish("emails", b"hello", delay=30, priority=5, key="order-17")
    with queue.subscribe("emails", credit=100) as deliveries:
        for delivery in deliveries:
            delivery.ack()
"""

import atexit
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Lock
from types import TracebackType
from typing import Any, Self

from miniqueue_py.client.client import SILENCE_SECONDS, Client, Receipt
from miniqueue_py.client.delivery import Message
from miniqueue_py.client.errors import ClientClosed, Misuse
from miniqueue_py.client.sync.portal import Portal
from miniqueue_py.client.sync.publisher import SyncPublisher
from miniqueue_py.client.sync.subscription import SyncSubscription
from miniqueue_py.client.token import TokenLike
from miniqueue_py.protocol.topics import Topic

_TOPICS_AT_ONCE = 1000


class SyncClient:
    """`Client`, without await: it runs in a thread of its own, and every verb waits for it.

    `ca` is a file of authorities to trust, without it those of the system. `pin`
    is the broker's own certificate, to trust that alone. `certificate` and `key`
    are ours, for a broker that wants one. `token` goes along as `Authorization:
    Bearer`: a text, or a function that gets one, which is asked again when the
    broker refuses one that it took before. What has no answer after
    `timeout_seconds` raises NoAnswer. With `wait_when_full` off a topic that is
    full raises TopicFull at once.

    Use it in a `with` block, or between `open` and `close`. Any thread may use
    it, its publishers and its subscriptions, and many at a time; a delivery is
    for one thread at a time, and so are `open`, `close`, and entering and
    leaving a block. A process that was forked opens its own. Raises BadParameter
    for files that cannot be read; opening raises CannotConnect, by its kinds.

    Ctrl-C in the middle of a wait ends that wait, in the loop too. What was in
    flight goes back when the block is left.
    """

    def __init__(  # noqa: PLR0913  each has a default, and is named by the caller
        self,
        url: str = "https://localhost:8080",
        *,
        ca: str | Path | None = None,
        certificate: str | Path | None = None,
        key: str | Path | None = None,
        pin: str | Path | None = None,
        token: TokenLike | None = None,
        timeout_seconds: float = 30.0,
        wait_when_full: bool = True,
        silence_seconds: float = SILENCE_SECONDS,
    ) -> None:
        self.url = url
        self._client = Client(
            url,
            ca=ca,
            certificate=certificate,
            key=key,
            pin=pin,
            token=token,
            timeout_seconds=timeout_seconds,
            wait_when_full=wait_when_full,
            silence_seconds=silence_seconds,
        )
        self._portal: Portal | None = None
        self._opening = Lock()

    def __repr__(self) -> str:
        return f"<SyncClient of {self.url}, {'closed' if self._portal is None else 'open'}>"

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def open(self) -> Self:
        """Connect, and return the client. The end of the program closes it, if you do not."""
        with self._opening:
            if self._portal is not None:
                raise Misuse("this client is open already: open it once, and share it")
            self._portal = Portal(self._client)
        atexit.register(self.close)
        return self

    def close(self) -> None:
        """Leave the blocks that are open still, and disconnect. Closing it again does nothing."""
        atexit.unregister(self.close)
        portal, self._portal = self._portal, None
        if portal is not None:
            portal.close()

    def publish(  # noqa: PLR0913  terms of a message, named by the caller
        self,
        topic: str,
        body: bytes | str,
        *,
        delay: float | None = None,
        ttl: float | None = None,
        priority: int | None = None,
        key: str | None = None,
    ) -> Receipt:
        """Publish a message, and return when it is stored.

        Each has a key, its own if you give none, so that it can be repeated when
        a connection is lost. `delay` and `ttl` are seconds. Raises BadRequest
        (MessageTooLong before it is sent), Contradiction, TopicFull, and
        NoAnswer. Of many messages each waits for its answer: see `publisher`.
        """
        return self._open().call(
            self._client.publish(topic, body, delay=delay, ttl=ttl, priority=priority, key=key)
        )

    def publisher(
        self,
        topic: str,
        *,
        delay: float | None = None,
        ttl: float | None = None,
        priority: int | None = None,
    ) -> SyncPublisher:
        """Return a stream of messages to a topic, with these terms for all that say no others."""

        async def publisher() -> SyncPublisher:
            opened = self._client.publisher(topic, delay=delay, ttl=ttl, priority=priority)
            return SyncPublisher(portal, opened)

        portal = self._open()
        return portal.call(publisher())

    def subscribe(
        self, topic: str, *, credit: int = 100, lease: float | None = None
    ) -> SyncSubscription:
        """Return the topic's messages, to be taken inside a `with` block.

        `credit` is how many are in flight at the same time: on their way, waiting
        here, and with you. `lease` is how many seconds you may hold each, from
        when the broker hands it out; without it as long as the connection lasts,
        or as the topic's policy says. Raises BadParameter.
        """

        async def subscription() -> SyncSubscription:
            opened = self._client.subscribe(topic, credit=credit, lease=lease)
            return SyncSubscription(portal, opened, credit)

        portal = self._open()
        return portal.call(subscription())

    def topics(self) -> Iterator[Topic]:
        """Iterate over all topics, by name."""
        topics = self._client.topics()
        while some := self._open().call(_take(topics, _TOPICS_AT_ONCE)):
            yield from some

    def topic(self, name: str) -> Topic:
        """Return what is in a topic, and its policy. Raises TopicNotFound."""
        return self._open().call(self._client.topic(name))

    def set_policy(self, name: str, policy: Mapping[str, Any]) -> Topic:
        """Replace a topic's policy, and make the topic if need be. Raises BadRequest."""
        return self._open().call(self._client.set_policy(name, policy))

    def purge(self, name: str) -> Topic:
        """Remove all messages of a topic, and keep its policy. Raises TopicNotFound."""
        return self._open().call(self._client.purge(name))

    def delete(self, name: str) -> None:
        """Delete a topic: its messages, its policy, and the keys it remembers."""
        self._open().call(self._client.delete(name))

    def pause(self, name: str) -> Topic:
        """Hand nothing out, until `resume`. Raises TopicNotFound."""
        return self._open().call(self._client.pause(name))

    def resume(self, name: str) -> Topic:
        """Hand out again. Raises TopicNotFound."""
        return self._open().call(self._client.resume(name))

    def redrive(  # noqa: PLR0913  each is a filter of its own
        self,
        name: str,
        most: int | None = None,
        *,
        ids: Sequence[str] | None = None,
        reason: str | None = None,
        older_than: float | None = None,
        to: str | None = None,
    ) -> int:
        """Send dead letters back to where they came from, and return how many went.

        All of them, or those to which all applies that is said. Raises
        TopicNotFound, and ConnectionLost when it is not known if they went.
        """
        return self._open().call(
            self._client.redrive(name, most, ids=ids, reason=reason, older_than=older_than, to=to)
        )

    def peek(self, name: str, most: int = 10, *, state: str = "ready") -> list[Message]:
        """Return what would be handed out next, and hand out nothing. Raises TopicNotFound.

        Or what is `inFlight` or `delayed`.
        """
        return self._open().call(self._client.peek(name, most, state=state))

    def _open(self) -> Portal:
        """Return the way to the client. Raises ClientClosed."""
        portal = self._portal
        if portal is None:
            raise ClientClosed("client")
        return portal


async def _take(topics: AsyncIterator[Topic], most: int) -> list[Topic]:
    taken = []
    async for topic in topics:
        taken.append(topic)
        if len(taken) == most:
            break
    return taken
