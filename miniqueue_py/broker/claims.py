"""Getting messages without a stream: on a lease, with receipts, or for good.

What is claimed in one turn of the loop is dealt together, in the order of the
claims, if nobody stands in line. Who finds nothing may wait in line, as a
subscriber for one answer.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from operator import attrgetter
from typing import Protocol

from miniqueue_py.broker.claim import Claim, Dealt, OnDealt
from miniqueue_py.broker.clock import Clock
from miniqueue_py.broker.delivery import Delivery
from miniqueue_py.broker.events import Delivered, Observers
from miniqueue_py.broker.gathering import tell
from miniqueue_py.broker.receipts import OnReceived, Receipts
from miniqueue_py.broker.settling import Decision, Settler
from miniqueue_py.broker.storage import Storage
from miniqueue_py.broker.subscriber import Subscriber
from miniqueue_py.broker.taking import Taking
from miniqueue_py.broker.topic import SHARE_BYTES
from miniqueue_py.errors import ShuttingDown, TooMuchHeld

RECEIVE_LEASE_SECONDS = 30.0
"""How long what was received without a stream may be held, if nobody says."""


class _Broker(Protocol):
    clock: Clock
    is_draining: bool

    def is_line_empty(self, name: str) -> bool: ...

    def open_subscriber(self, name: str, on_change: Callable[[], None]) -> Subscriber: ...

    def close_subscriber(self, subscriber: Subscriber) -> None: ...


class Claims:
    """The claims of this turn, until each is met or waits in line."""

    def __init__(
        self,
        broker: _Broker,
        storage: Storage,
        settler: Settler,
        receipts: Receipts,
        observers: Observers,
    ) -> None:
        self.broker = broker
        self.storage = storage
        self._settler = settler
        self._receipts = receipts
        self._taking = Taking(storage, settler)
        self._observers = observers
        self._made: dict[str, list[Claim]] = {}

    def __repr__(self) -> str:
        return f"<Claims, to {len(self._made)} topics>"

    def receive(  # noqa: PLR0913, PLR0917  all that a request for messages says
        self,
        topic: str,
        limit: int,
        wait_seconds: float,
        on_done: OnReceived,
        lease_seconds: float | None = None,
        client: str = "",
    ) -> Claim:
        """Take up to `limit` messages without a stream; wait for the first.

        What is asked for in one turn is dealt together. `on_done` is called once,
        in a turn to come, unless the claim is cancelled before: with receipts, of
        which there are none when the wait is over, or with what this raises. It
        must not raise. `client` is the address that what is held counts for. Raises
        ShuttingDown and TooMuchHeld.
        """
        self._receipts.check_room(topic, client)

        def hand_out(dealt: Dealt) -> None:
            if isinstance(dealt, Exception):
                on_done(dealt)
                return
            try:
                self._receipts.check_room(topic, client)  # others were handed some in between
            except TooMuchHeld as error:
                self.give_back(topic, dealt)
                on_done(error)
                return
            seconds = lease_seconds or self.storage.policy(topic).lease or RECEIVE_LEASE_SECONDS
            on_done(self._receipts.hand_out(topic, dealt, seconds, client))

        return self._make(topic, limit, wait_seconds, hand_out)

    def take(self, topic: str, limit: int, wait_seconds: float, on_done: OnDealt) -> Claim:
        """Take messages for good: that they are acknowledged is durable when `on_done` is called.

        So nobody gets them twice, and whoever fails from here on has lost them.
        Otherwise as `receive`; StorageUnavailable may be told too, after which
        nobody knows. Raises ShuttingDown.
        """

        def acknowledge(dealt: Dealt) -> None:
            if dealt and not isinstance(dealt, Exception):
                self._taking.acknowledge(topic, dealt, on_done)
            else:
                on_done(dealt)

        return self._make(topic, limit, wait_seconds, acknowledge)

    def give_back(self, topic: str, dealt: Sequence[Delivery]) -> None:
        """Take what a claim has no use for any more for never handed out."""
        self._settler.settle(topic, dealt, Decision.RELEASE)

    def _make(self, topic: str, limit: int, wait_seconds: float, on_dealt: OnDealt) -> Claim:
        if self.broker.is_draining:
            raise ShuttingDown
        claim = Claim(self, topic, limit, wait_seconds, on_dealt)
        made = self._made.get(topic)
        if made is not None:
            made.append(claim)
            return claim
        if not self._made:
            asyncio.get_running_loop().call_soon(self._flush)
        self._made[topic] = [claim]
        return claim

    def _flush(self) -> None:
        made, self._made = self._made, {}
        tell((self._deal, each) for each in made.items())

    def _deal(self, made: tuple[str, list[Claim]]) -> None:
        topic, claims = made
        claims = [claim for claim in claims if not claim.is_over]
        met: list[tuple[OnDealt, Dealt]] = []
        try:
            if self.broker.is_line_empty(topic):
                met += self._lease(topic, claims)
                claims = claims[len(met) :]
            for claim in claims:
                claim.wait_in_line()
        except Exception as error:  # noqa: BLE001  the callers tell of it: they know their requests
            met += [(claim.meet, error) for claim in claims]
        tell(iter(met))

    def _lease(self, topic: str, claims: Sequence[Claim]) -> Iterator[tuple[OnDealt, Dealt]]:
        """Yield those who get something now, the first first, and what that is."""
        now = self.broker.clock.now()
        for limit, alike in groupby(claims, attrgetter("limit")):
            waiting = list(alike)
            while waiting:
                count = len(waiting) if limit == 1 else limit
                dealt = self.storage.lease(topic, count, SHARE_BYTES, now)
                if not dealt:
                    return
                if Delivered in self._observers.kinds:
                    self._observers.tell(Delivered(topic, dealt))
                if limit > 1:
                    yield waiting.pop(0).meet, dealt
                    continue
                for claim, delivery in zip(waiting, dealt, strict=False):
                    yield claim.meet, (delivery,)
                del waiting[: len(dealt)]
