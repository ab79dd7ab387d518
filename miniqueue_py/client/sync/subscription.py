"""A topic's messages for programs that do not await.

Going to the client's loop and back costs as much as thirty messages. So a part
of the credit is fetched at a time, and settlements are left lying for a moment:
they go along with the next fetch, or on their own when there is none.

Where deliveries have leases, the loop reads on while nobody fetches: what the
broker says of an expiry is known here before a delivery is handed on, or settled.
"""

import math
from collections import deque
from concurrent.futures import Future
from contextlib import suppress
from time import monotonic
from types import TracebackType
from typing import Self, overload

import anyio

from miniqueue_py.client.delivery import Delivery
from miniqueue_py.client.errors import ClientClosed
from miniqueue_py.client.subscription import Subscription
from miniqueue_py.client.sync.delivery import Saying, SyncDelivery
from miniqueue_py.client.sync.portal import Portal
from miniqueue_py.errors import SettlementError

FETCHES_A_CREDIT = 2
MOST_FETCHED = 250
"""While one part is worked on here, the broker and the loop have the next one ready."""

SOON_SECONDS = 0.002
"""So long a settlement waits for others."""


class SyncSubscription:
    """An iterator of deliveries, inside its `with` block: `Subscription`, without await.

    It never ends by itself: when the broker or the connection goes away it comes
    back, with longer and longer waits in between. Several threads may take
    deliveries from it; each delivery goes to one of them.
    """

    def __init__(self, portal: Portal, subscription: Subscription, credit: int) -> None:
        self._portal = portal
        self._subscription = subscription
        self._share = max(1, min(credit // FETCHES_A_CREDIT, MOST_FETCHED))
        self._ready: deque[Delivery] = deque()
        self._said: deque[Saying] = deque()
        self._is_to_be_said = False
        self._fetching: anyio.Lock | None = None
        self._looking: Future[None] | None = None

    def __repr__(self) -> str:
        return f"<Sync{repr(self._subscription)[1:-1]}, {len(self._ready)} here>"

    def __enter__(self) -> Self:
        self._portal.call(self._enter())
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._portal.call(self._leave(kind, error, traceback))

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> SyncDelivery:
        return self._next_ready() or self.receive()

    @overload
    def receive(self, timeout: None = None) -> SyncDelivery: ...
    @overload
    def receive(self, timeout: float) -> SyncDelivery | None: ...

    def receive(self, timeout: float | None = None) -> SyncDelivery | None:
        """Wait for the next delivery; None if there was none for `timeout` seconds.

        Raises what subscribing again can raise.
        """
        until = math.inf if timeout is None else monotonic() + timeout
        while (delivery := self._next_ready()) is None:
            left = until - monotonic()
            self._portal.call(self._fetch(left))
            if left <= 0:
                return self._next_ready()
        return delivery

    def receive_many(self, most: int) -> list[SyncDelivery]:
        """Wait for a delivery, and return it with those that are here too, `most` in all."""
        taken = [self.receive()]
        while len(taken) < most and (delivery := self.receive_nowait()) is not None:
            taken.append(delivery)
        return taken

    def receive_nowait(self) -> SyncDelivery | None:
        """Return a delivery that is here already, or None."""
        return self.receive(timeout=0)

    def ack_many(self, deliveries: list[SyncDelivery]) -> None:
        """Acknowledge each. Raises as SyncDelivery.ack does, when all were tried."""
        problem: Exception | None = None
        for delivery in deliveries:
            try:
                delivery.ack()
            except Exception as error:  # noqa: BLE001  kept, and raised below
                problem = problem or error
        if problem is not None:
            raise problem

    def say_soon(self, saying: Saying) -> None:
        """See to it that a settlement is said within milliseconds, and do not wait."""
        self._said.append(saying)
        if not self._is_to_be_said:
            self._is_to_be_said = True
            self._portal.start(self._say_later())

    def say(self, saying: Saying) -> None:
        """Say a settlement behind what is to be said, and wait until that is done."""
        self._portal.call(self._say_now(saying))

    def _next_ready(self) -> SyncDelivery | None:
        try:
            while True:
                delivery = self._ready.popleft()
                if not self._subscription.has_lost(delivery):
                    return SyncDelivery(self, delivery)
        except IndexError:  # nothing here, or another thread was quicker
            return None

    # In the loop.

    async def _enter(self) -> None:
        self._subscription.elsewhere = lambda: list(self._ready)
        await self._subscription.__aenter__()
        self._fetching = anyio.Lock()
        self._portal.forgotten.add(self._leave)

    async def _leave(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self._portal.forgotten.discard(self._leave)
        self._fetching = None
        if self._looking is not None:
            self._looking.cancel()
        with suppress(IndexError):  # none left that nobody has seen
            while True:
                self._said.append(self._ready.popleft().release)
        await self._say_all()
        await self._subscription.__aexit__(kind, error, traceback)

    async def _fetch(self, seconds: float) -> None:
        """Have deliveries ready, at the latest when the time is over."""
        if self._fetching is None:
            raise ClientClosed("subscription")
        await self._say_all()
        if seconds <= 0:
            self._look()
            return
        with anyio.move_on_after(seconds):
            async with self._fetching:
                if not self._ready:  # what came to the one in front of us is for all
                    self._keep(await self._subscription.receive_many(self._share))

    def _look(self) -> None:
        for _ in range(self._share):
            delivery = self._subscription.receive_nowait()
            if delivery is None:
                return
            self._keep([delivery])

    def _keep(self, deliveries: list[Delivery]) -> None:
        self._ready.extend(deliveries)
        if self._subscription.has_leases and (self._looking is None or self._looking.done()):
            self._looking = self._portal.start(self._subscription.keep_looking())

    async def _say_later(self) -> None:
        await anyio.sleep(SOON_SECONDS)
        self._is_to_be_said = False
        await self._say_all()

    async def _say_now(self, saying: Saying) -> None:
        await self._say_all()
        await saying()

    async def _say_all(self) -> None:
        while self._said:
            saying = self._said.popleft()
            # It was in flight when it was settled; if not now, its message comes again.
            with suppress(SettlementError):
                await saying()
