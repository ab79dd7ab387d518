"""One consumer of a topic: what it holds, and what it may do with it."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from miniqueue_py.broker.delivery import Delivery
from miniqueue_py.broker.events import Delivered
from miniqueue_py.broker.in_flight import InFlight
from miniqueue_py.broker.leases import Leases
from miniqueue_py.broker.settling import Decision
from miniqueue_py.broker.untaken import MOST_UNTAKEN, Untaken
from miniqueue_py.errors import (
    AlreadyInitialised,
    LeaseExpired,
    NoSuchDelivery,
    NotAConsumer,
    NotInFlight,
    SettlementError,
)

if TYPE_CHECKING:
    from miniqueue_py.broker.events import Observers
    from miniqueue_py.broker.settling import Settler
    from miniqueue_py.broker.topic import Topic

MOST_HELD = 10_000
"""Messages in flight at which a subscriber is dealt no more, however large its credit: when
it leaves they go back in one turn of the loop."""

MOST_HELD_BYTES = 1 << 26
"""And their bytes."""


_DEAD = Decision.DEAD
"""Python 3.11 looks an enum's members up in Python code."""


class Subscriber:
    """A consumer with a credit: so many messages may be in flight.

    It is passive: messages are dealt to it by its topic, and `on_change` is
    called, from whatever turn of the loop that happens in, when there is
    something to look at: deliveries to take, leases that ran out, or the wish
    to close.

    Deliveries are numbered from 1. One without a credit of its own is as in
    MiniQueue: it has one message at a time, and when the lease of that runs
    out it gets the next only after it has settled it, too late, so that its
    word cannot be taken for one on a message it has not seen.

    What was dealt and not taken nobody has seen: when it goes back, no
    attempt is counted.
    """

    def __init__(  # noqa: PLR0913  handed in by the one broker
        self,
        topic: "Topic",
        settler: "Settler",
        observers: "Observers",
        on_change: Callable[[], None],
        *,
        lease_seconds: float | None,
        on_lease: Callable[["Subscriber", float], None],
    ) -> None:
        self.topic = topic
        self.in_flight = InFlight()
        self.closing: str | None = None
        """Why the broker wants this stream to end, when it does."""
        self.has_credit = False
        self.awaits_first = False
        """True from `start` until the first message was dealt."""
        self._credit = 0
        self._is_consumer = False
        self._must_speak = False
        """The lease of what it saw ran out, and it has one message at a time."""
        self._settler = settler
        self._observers = observers
        self._on_change = on_change
        self._on_lease = on_lease
        self._lease_seconds = lease_seconds
        self._leases: Leases[int] | None = None
        """None while nothing it holds ever had a lease."""
        self._untaken = Untaken()
        self._expired: list[int] = []

    def __repr__(self) -> str:
        return f"<Subscriber of {self.topic.name!r}, {len(self.in_flight)} in flight>"

    @property
    def is_consumer(self) -> bool:
        return self._is_consumer

    @property
    def room(self) -> int:
        """How many messages it can be dealt now."""
        in_flight = self.in_flight
        if self._must_speak or in_flight.size >= MOST_HELD_BYTES:
            return 0
        room = self._credit - len(in_flight.deliveries)
        if room <= 0 or not self._untaken.is_awaited:
            return min(room, MOST_UNTAKEN)
        return min(room, self._untaken.room)

    def start(self, credit: int | None = None) -> None:
        """Become a consumer and ask for the first messages; None is a credit of one.

        Raises AlreadyInitialised, which changes nothing.
        """
        if self._is_consumer:
            raise AlreadyInitialised(in_flight=bool(self.in_flight))
        self._is_consumer = self.awaits_first = True
        self.has_credit = credit is not None
        self._credit = min(credit or 1, MOST_HELD)
        self._ask()

    def set_credit(self, credit: int) -> None:
        """Have so many messages in flight from now on; what is in flight stays.

        Raises NotAConsumer.
        """
        if not self._is_consumer:
            raise NotAConsumer
        self.has_credit = True
        self._must_speak = False
        self._credit = min(credit, MOST_HELD)
        self._ask()

    def take(self) -> Sequence[tuple[int, Delivery]]:
        """Return the deliveries that were dealt since the last call, with their numbers."""
        if not self._untaken.is_awaited:
            return ()
        taken = self._untaken.take()
        if self._credit > len(self.in_flight.deliveries):
            self._ask()
        return taken

    def take_expired(self) -> Sequence[int]:
        """Return the deliveries that were taken and whose leases ran out since the last call."""
        if not self._expired:
            return ()
        expired, self._expired = self._expired, []
        return expired

    def settle(
        self,
        decision: Decision,
        word: str,
        ids: Sequence[int] = (),
        up_to: int | None = None,
        delay_seconds: float = 0.0,
    ) -> Sequence[SettlementError]:
        """End deliveries and ask for the next: those named, or all up to one, or the oldest.

        What was named and is not in flight is returned, as errors that change
        nothing; the rest counts. A delivery whose topic was deleted meanwhile
        is gone: settling it changes nothing and is no error. Raises
        NotInFlight and LeaseExpired when nothing was named and nothing is in
        flight, and BadTopicName when dead letters have nowhere to go.
        """
        if decision is _DEAD:
            self._settler.check(self.topic.name, decision)
        try:
            found, missing = self._find(word, ids, up_to)
            self._end(found, decision, delay_seconds)
            if up_to is not None and not missing:
                self.in_flight.skip(up_to)
        finally:
            self._must_speak = False
            self._ask()
        return missing

    def touch(
        self, now: float, word: str, ids: Sequence[int] = (), up_to: int | None = None
    ) -> Sequence[SettlementError]:
        """Begin the leases of deliveries anew; they are named as in `settle`.

        `now` is the monotonic reading. It settles nothing, so too late it brings no
        next message either.
        """
        found, missing = self._find(word, ids, up_to)
        if self._leases is not None:
            for number in found:
                self._leases.renew(number, now)
        return missing

    def expire(self, now: float, limit: int, decision: Decision = Decision.EXPIRED) -> int:
        """Give back what was held for too long, at most `limit`; return how many."""
        over = self._leases.take_over(now, limit) if self._leases is not None else ()
        if not over:
            return 0
        unseen = [number for number in over if number in self._untaken]
        seen = [number for number in over if number not in self._untaken]
        self._untaken.lose(unseen)
        self._expired += seen
        self._must_speak = self._must_speak or (bool(seen) and not self.has_credit)
        self.topic.withdraw(self)  # for others first, if there are any
        self._end(seen, decision)
        self._end(unseen, Decision.RELEASE)
        self._ask()
        self._on_change()
        return len(over)

    @property
    def next_expiry(self) -> float | None:
        """When the first of its leases is over, if it has any."""
        return None if self._leases is None else self._leases.first_end

    def accept(self, deliveries: Sequence[Delivery], lease_seconds: float | None) -> None:
        """Be dealt messages, each for so long unless it said otherwise. For the topic only."""
        in_flight = self.in_flight
        held_bytes = in_flight.size
        numbered = in_flight.add(deliveries)
        self._untaken.add(numbered, in_flight.size - held_bytes)
        self.awaits_first = False
        seconds = self._lease_seconds or lease_seconds
        if seconds is not None:
            if self._leases is None:
                self._leases = Leases()
            now = self.topic.clock.monotonic()
            self._leases.start(numbered, seconds, now)
            self._on_lease(self, now + seconds)
        if Delivered in self._observers.kinds:
            self._observers.tell(Delivered(self.topic.name, deliveries))
        self._on_change()

    def hand_over(self) -> Sequence[Delivery]:
        """Let go of what is in flight without ending it: somebody else holds it from now on."""
        if self._leases is not None:
            self._leases.end(self.in_flight)
        self._untaken.clear()
        return self.in_flight.remove_all()

    def close(self, reason: str) -> None:
        """Wish that this consumer ends; what it holds may still be settled."""
        self.closing = reason
        self._on_change()

    def leave(self, decision: Decision = Decision.LEFT) -> None:
        """Stop consuming: what is in flight goes back to the front. Idempotent."""
        self._credit = 0
        # It belongs to who holds this subscriber: as a cycle, 10,000 of them that leave
        # together would wait for the garbage collector with all that they have.
        self._on_change = _nobody_listens
        self.topic.withdraw(self)
        self.topic.subscribers.discard(self)
        seen = [number for number in self.in_flight if number not in self._untaken]
        unseen = self._untaken.clear()
        self._end(seen, decision)
        self._end(unseen, Decision.RELEASE)

    def _find(
        self, word: str, ids: Sequence[int], up_to: int | None
    ) -> tuple[Iterable[int], Sequence[SettlementError]]:
        """Return the numbers of what was named, and what is wrong with the others."""
        in_flight = self.in_flight
        unseen = in_flight.next_number
        if self._untaken.is_awaited:
            unseen = self._untaken.first_number or unseen
        if up_to is not None:
            if up_to >= unseen:
                return (), [NoSuchDelivery(word, up_to)]
            return in_flight.find_up_to(up_to), ()
        if not ids:
            oldest = in_flight.find_oldest()
            if oldest is None or oldest >= unseen:
                raise LeaseExpired(word) if self._must_speak else NotInFlight(word)
            return [oldest], ()
        held = in_flight.deliveries
        found: dict[int, None] = {}
        missing: list[SettlementError] = []
        for number in ids:
            if number in held and number < unseen and number not in found:
                found[number] = None
            else:
                wrong = NotInFlight if number < unseen else NoSuchDelivery
                missing.append(wrong(word, number))
        return found, missing

    def _end(self, numbers: Iterable[int], decision: Decision, delay_seconds: float = 0.0) -> None:
        ended = self.in_flight.remove(numbers)
        if not ended:
            return
        if self._leases is not None:
            self._leases.end(numbers)
        self._settler.settle(self.topic.name, ended, decision, delay_seconds)

    def _ask(self) -> None:
        if self.room > 0:
            self.topic.deal(self)


def _nobody_listens() -> None:
    pass
