"""Deliveries held without a stream: by a receipt, for as long as a lease lasts."""

from binascii import b2a_base64
from collections.abc import Callable, Sequence
from os import urandom
from typing import NamedTuple

from miniqueue_py.broker.clock import Clock
from miniqueue_py.broker.delivery import Delivery
from miniqueue_py.broker.leases import Leases
from miniqueue_py.broker.settling import Decision, Settler
from miniqueue_py.errors import TooMuchHeld

MOST_RECEIPTS = 100_000
MOST_BYTES = 1 << 28
"""Deliveries held by receipts, and their bodies, in all topics: nobody is handed more."""

_TOKEN_BYTES = 12
"""Divisible by 3: no padding."""

_URL_SAFE = bytes.maketrans(b"+/", b"-_")


class Receipt(NamedTuple):
    """A delivery, and the word that settles it."""

    receipt: str
    delivery: Delivery


OnReceived = Callable[[Sequence[Receipt] | Exception], None]


class Receipts:
    """Who was handed what by `/receive`; nothing of it outlives the process."""

    def __init__(self, settler: Settler, clock: Clock) -> None:
        self._settler = settler
        self._clock = clock
        self._held: dict[str, tuple[str, Delivery]] = {}
        self._leases: Leases[str] = Leases()
        self._bytes = 0

    def check_room(self) -> None:
        """Raise TooMuchHeld when so much is held that nobody is handed more."""
        if len(self._held) >= MOST_RECEIPTS or self._bytes >= MOST_BYTES:
            raise TooMuchHeld

    def hand_out(
        self, topic: str, deliveries: Sequence[Delivery], lease_seconds: float
    ) -> Sequence[Receipt]:
        """Return deliveries with their receipts, each good for that long."""
        receipts: dict[str, Delivery] = {}
        for delivery in deliveries:
            word = _new_word()
            receipts[word] = delivery
            self._held[word] = topic, delivery
            self._bytes += len(delivery.message.body)
        self._leases.start(receipts, lease_seconds, self._clock.now())
        return list(map(Receipt._make, receipts.items()))

    def settle(
        self, topic: str, receipts: Sequence[str], decision: Decision, delay_seconds: float = 0.0
    ) -> Sequence[str]:
        """End deliveries; return the receipts whose lease is over, or that never were.

        That of a message which was deleted changes nothing and is no error. Raises
        BadTopicName when dead letters have nowhere to go.
        """
        self._settler.check(topic, decision)
        late, _ = self._end(topic, receipts, decision, delay_seconds)
        return late

    def acknowledge(self, topic: str, receipt: str) -> bool:
        """Acknowledge a delivery; tell if its message was there until now."""
        late, deleted = self._end(topic, [receipt], Decision.ACK)
        return not (late or deleted)

    def _end(
        self, topic: str, receipts: Sequence[str], decision: Decision, delay_seconds: float = 0.0
    ) -> tuple[Sequence[str], Sequence[Delivery]]:
        """Return the receipts that are good no more, and the deliveries of what was deleted."""
        late = []
        ended = []
        for receipt in receipts:
            delivery = self._take(topic, receipt)
            if delivery is None:
                late.append(receipt)
            else:
                ended.append(delivery)
        return late, self._settler.settle(topic, ended, decision, delay_seconds) if ended else ()

    def touch(self, topic: str, receipts: Sequence[str]) -> Sequence[str]:
        """Begin leases anew; return the receipts that are good no more."""
        late = []
        for receipt in receipts:
            if self._held.get(receipt, ("", None))[0] == topic:
                self._leases.renew(receipt, self._clock.now())
            else:
                late.append(receipt)
        return late

    def expire(self, now: float, limit: int) -> int:
        """Give back what was held for too long, at most `limit`; return how many."""
        over = self._leases.take_over(now, limit)
        by_topic: dict[str, list[Delivery]] = {}
        for receipt in over:
            topic, delivery = self._forget(receipt)
            by_topic.setdefault(topic, []).append(delivery)
        for topic, deliveries in by_topic.items():
            self._settler.settle(topic, deliveries, Decision.EXPIRED)
        return len(over)

    def _take(self, topic: str, receipt: str) -> Delivery | None:
        held, delivery = self._held.get(receipt, ("", None))
        if delivery is None or held != topic:
            return None
        self._forget(receipt)
        self._leases.end((receipt,))
        return delivery

    def _forget(self, receipt: str) -> tuple[str, Delivery]:
        topic, delivery = self._held.pop(receipt)
        self._bytes -= len(delivery.message.body)
        return topic, delivery


def _new_word() -> str:
    """Return what nobody can guess, as it stands in a JSON string and in a path."""
    return b2a_base64(urandom(_TOKEN_BYTES), newline=False).translate(_URL_SAFE).decode()
