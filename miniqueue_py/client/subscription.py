"""A topic's messages, one after another, over as many streams as it takes.

Nothing runs in the background. Whoever receives reads the stream, and opens
another when that one is lost; who does not receive holds no more than the
credit. Several tasks may receive at the same time.
"""

import logging
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from types import TracebackType
from typing import Self

import anyio
from anyio.lowlevel import checkpoint

from miniqueue_py.client import heartbeats
from miniqueue_py.client.delivery import Delivery
from miniqueue_py.client.errors import ClientClosed, Misuse, NoAnswer
from miniqueue_py.client.http2.requests import Requests
from miniqueue_py.client.session import Session
from miniqueue_py.client.sessions import Sessions
from miniqueue_py.client.threads import Owner
from miniqueue_py.errors import (
    BadParameter,
    ConnectionLost,
    MiniqueueError,
)

log = logging.getLogger("miniqueue.client")

TOUCHES_A_LEASE = 3
"""So one may be late, and the next is still in time."""

FAREWELL_SECONDS = 5.0
"""For the broker to hear the last settlements, when the block ends well."""


class Subscription:
    """An async iterator of deliveries, inside its `async with` block.

    It never ends by itself: when the broker or the connection goes away it comes
    back, with longer and longer waits in between.
    """

    def __init__(
        self, requests: Requests, owner: Owner, topic: str, *, credit: int, lease: float | None
    ) -> None:
        self.lease: float | None = None
        """Seconds that each delivery may be held without `touch`: ours, or the topic's policy's."""
        self.elsewhere: Callable[[], Iterable[Delivery]] = tuple
        """What was received, and waits still to be seen."""
        self._requests = requests
        self._owner = owner
        self._topic = topic
        self._lease = lease
        self._sessions = Sessions(requests, owner, topic, credit=credit, lease=lease)
        self._session: Session | None = None
        self._ready: deque[Delivery] = deque()
        self._receiving: anyio.Lock | None = None
        self._keeping = anyio.CancelScope()
        self._was_entered = False
        self._is_paused = False

    def __repr__(self) -> str:
        state = "closed" if self._receiving is None else "open" if self._session else "away"
        return f"<Subscription to {self._topic!r}, {state}, {len(self._ready)} ready>"

    async def __aenter__(self) -> Self:
        self._owner.check_loop()
        if self._was_entered:
            raise Misuse("a subscription is entered once: ask the client for another")
        self._was_entered = True
        seconds = self._requests.timeout_seconds
        try:
            with anyio.fail_after(seconds):
                self.lease = self._lease or await self._sessions.lease_of_policy()
                self._session = await self._sessions.open(has_leases=self.lease is not None)
        except TimeoutError as error:
            raise NoAnswer(seconds, self._sessions.last_problem) from error
        self._receiving = anyio.Lock()
        self._requests.connections.start_soon(self._keep, self.lease)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._owner.check_loop()
        self._receiving = None
        self._keeping.cancel()
        session, self._session = self._session, None
        if session is None:
            return
        # What was settled is said in any case, by the connection's writer. Only who left
        # the block in peace waits until the broker has heard it, and for what is on its way.
        try:
            session.give_back(self._ready)
            self._ready.clear()
            if error is None:
                with anyio.move_on_after(FAREWELL_SECONDS), suppress(MiniqueueError):
                    await session.wait_given_back()
        finally:
            session.end()
        if error is None:
            with anyio.move_on_after(FAREWELL_SECONDS):
                await session.wait_ended()
                return
            session.drop()

    async def _keep(self, lease: float | None) -> None:
        """Look after the stream until the block ends."""
        with self._keeping:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(heartbeats.watch, lambda: self._session)
                if lease is not None:
                    tasks.start_soon(self._keep_unseen, lease)

    async def _keep_unseen(self, lease: float) -> None:
        """Renew what waits here to be handed on: that this comes late is no failed attempt."""
        while True:
            await anyio.sleep(lease / TOUCHES_A_LEASE)
            if self._session is not None and not self._session.is_over:
                self._session.renew((*self._ready, *self.elsewhere()))

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Delivery:
        session = self._session
        if self._ready and session is not None and not (session.needs_care or session.has_leases):
            return self._ready.popleft()
        return await self.receive()

    async def receive(self) -> Delivery:
        """Wait for the next delivery. Raises what subscribing again can raise."""
        await self._wait_ready()
        return self._ready.popleft()

    async def receive_many(self, most: int) -> list[Delivery]:
        """Wait for a delivery, and return it with those that are here too, `most` in all.

        Raises BadParameter if `most` is less than 1.
        """
        if most < 1:
            raise BadParameter("most", f"is {most}, and has to be 1 or more")
        await self._wait_ready()
        if len(self._ready) < most:
            self._look()
        return [self._ready.popleft() for _ in range(min(most, len(self._ready)))]

    def receive_nowait(self) -> Delivery | None:
        """Return a delivery that is here already, or None."""
        if not self._ready:
            self._look()
        self._drop_lost()
        return self._ready.popleft() if self._ready else None

    async def ack_many(self, deliveries: "list[Delivery]") -> None:
        """Acknowledge each. Raises as Delivery.ack does, when all were tried."""
        problem: Exception | None = None
        for delivery in deliveries:
            try:
                await delivery.ack()
            except Exception as error:  # noqa: BLE001  kept, and raised below
                problem = problem or error
        if problem is not None:
            raise problem

    def pause(self) -> None:
        """Take nothing new from the broker, for the rest of the block.

        What is on its way still comes, and can be settled as ever. A subscription
        that is lost after this does not come back.
        """
        self._owner.check()
        self._is_paused = True
        if self._session is not None and not self._session.is_over:
            self._session.pause()

    @property
    def has_leases(self) -> bool:
        """Tell if what comes on the stream of now may expire, as far as that is known."""
        return self._session is not None and self._session.has_leases

    async def keep_looking(self) -> None:
        """Take note of what comes while nobody receives, until this stream is over.

        What is known of a lease is known at once then.
        """
        if self._session is not None:
            await self._session.keep_looking()

    def has_lost(self, unseen: Delivery) -> bool:
        """Tell if a delivery that was received, and that nobody has seen, is to be dropped."""
        if unseen.is_lost:
            return True
        is_expired = unseen.is_expired
        if is_expired and self._session is not None:
            self._session.forget_expired(unseen)
        return is_expired

    def _look(self) -> None:
        """Take what has come, without waiting."""
        self._owner.check()
        self._open_lock()
        if self._session is not None and not self._session.is_over:
            self._ready.extend(self._session.receive_nowait())

    async def _wait_ready(self) -> None:
        """Wait for a delivery that can be settled."""
        session = self._session
        if session is not None and session.needs_care and not session.is_over:
            await checkpoint()  # and what is to be said is being sent
        self._drop_lost()
        while not self._ready:
            await self._fill()
            self._drop_lost()

    def _drop_lost(self) -> None:
        """Drop what waits here and is ours no more."""
        session = self._session
        if session is not None and session.is_over:
            self._ready.clear()
        elif session is not None and session.has_leases and self._ready:
            self._ready.extend(session.receive_nowait())  # and what it says of expiry
            while self._ready and self._ready[0].is_expired:
                session.forget_expired(self._ready.popleft())

    async def _fill(self) -> None:
        """Wait until something has come, and be subscribed again if need be."""
        self._owner.check()
        async with self._open_lock():
            self._open_lock()  # or it was left while we stood in line
            if self._ready:
                return  # it came to another task, that waited in front of us
            session = self._session or await self._come_back()
            try:
                self._ready.extend(await session.receive())
            except ConnectionLost as error:
                self._open_lock()
                cause = session.farewell or f"the connection was lost ({error.cause})"
                log.warning("subscription to %r is away: %s", self._topic, cause)
                self._session = None
                session.drop()
                if not session.has_received:
                    await anyio.sleep(self._sessions.backoff.next_seconds())
            else:
                if session.has_received:
                    self._sessions.backoff.reset()

    def _open_lock(self) -> anyio.Lock:
        """Return what those hold who read the stream. Raises ClientClosed."""
        if self._receiving is None:
            raise ClientClosed("subscription")
        return self._receiving

    async def _come_back(self) -> Session:
        if self._is_paused:
            await anyio.sleep_forever()
        session = await self._sessions.open(has_leases=self.lease is not None)
        if self._receiving is None:
            session.drop()
        self._open_lock()
        self._session = session
        log.info("subscribed to %r again", self._topic)
        return session
