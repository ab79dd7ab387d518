"""Deliveries held without a stream: by a receipt, for as long as a lease lasts."""

import asyncio
from binascii import b2a_base64
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from os import urandom
from typing import NamedTuple

from miniqueue_py.broker.clock import Clock
from miniqueue_py.broker.delivery import Delivery
from miniqueue_py.broker.leases import Leases
from miniqueue_py.broker.next_look import NextLook
from miniqueue_py.broker.settling import Decision, Settler
from miniqueue_py.errors import TooMuchHeld

MOST_RECEIPTS = 100_000
MOST_BYTES = 1 << 28
"""Deliveries held by receipts, and their bodies, in all topics: nobody is handed more."""

MOST_DELETED = 10_000
"""Receipts of deleted messages that are known as such; those before are as if they never were."""

_DELETED_A_TURN = 500

_TOKEN_BYTES = 12
"""Divisible by 3: no padding."""

_URL_SAFE = bytes.maketrans(b"+/", b"-_")


class ReceivedDelivery(NamedTuple):
    """A delivery, and the word that settles it."""

    receipt: str
    delivery: Delivery


OnReceived = Callable[[Sequence[ReceivedDelivery] | Exception], None]


class _Share:
    """What is held of one topic, or by one client."""

    count = 0
    size = 0
    """Bytes of their bodies."""
    words: dict[str, None]
    """The receipts; of a client they are not kept."""


class Receipts:
    """Who was handed what by `/receive`; nothing of it outlives the process.

    A topic, and a client, may hold as much as it leaves for all others, so one
    of them alone gets half of what there is, and two a third each. There is
    always something left for who holds little.
    """

    def __init__(self, settler: Settler, clock: Clock, look: NextLook) -> None:
        self.on_deleted: list[Callable[[Sequence[str]], None]] = []
        """Told of receipts that are good no more because their topic was deleted."""
        self._settler = settler
        self._clock = clock
        self._look = look
        self._held: dict[str, tuple[str, Delivery, str]] = {}
        """Each with its topic, and with the client that it was handed to."""
        self._topics: dict[str, _Share] = {}
        self._clients: dict[str, _Share] = {}
        self._leases: Leases[str] = Leases()
        self._bytes = 0
        self._deleted: OrderedDict[str, str] = OrderedDict()
        """The topics of receipts whose messages were deleted: settling them is no error."""

    def __repr__(self) -> str:
        return f"<Receipts, {len(self._held)} of {len(self._topics)} topics>"

    def check_room(self, topic: str, client: str) -> None:
        """Raise TooMuchHeld when so much is held that this client gets no more of the topic."""
        left, left_bytes = MOST_RECEIPTS - len(self._held), MOST_BYTES - self._bytes
        if left <= 0 or left_bytes <= 0:
            raise TooMuchHeld
        share = self._topics.get(topic)
        if share is not None and (share.count > left or share.size > left_bytes):
            raise TooMuchHeld("of this topic")
        share = self._clients.get(client)
        if share is not None and (share.count > left or share.size > left_bytes):
            raise TooMuchHeld("of this address")

    def hand_out(
        self, topic: str, deliveries: Sequence[Delivery], lease_seconds: float, client: str
    ) -> Sequence[ReceivedDelivery]:
        """Return deliveries with their receipts, each good for that long."""
        receipts: dict[str, Delivery] = {}
        size = 0
        for delivery in deliveries:
            word = _new_word()
            receipts[word] = delivery
            self._held[word] = topic, delivery, client
            size += len(delivery.message.body)
        self._bytes += size
        for shares, name in ((self._topics, topic), (self._clients, client)):
            share = shares.get(name)
            if share is None:
                share = shares[name] = _Share()
                share.words = {}
            share.count += len(receipts)
            share.size += size
        self._topics[topic].words.update(dict.fromkeys(receipts))
        now = self._clock.monotonic()
        self._leases.start(receipts, lease_seconds, now)
        if now + lease_seconds < self._look.at:
            self._look.bring_forward(now + lease_seconds)
        return list(map(ReceivedDelivery._make, receipts.items()))

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
        late, has_deleted = self._end(topic, [receipt], Decision.ACK)
        return not (late or has_deleted)

    def _end(
        self, topic: str, receipts: Sequence[str], decision: Decision, delay_seconds: float = 0.0
    ) -> tuple[Sequence[str], bool]:
        """Return the receipts that are good no more, and if a message was deleted meanwhile."""
        late = []
        ended = []
        has_deleted = False
        for receipt in receipts:
            delivery = self._take(topic, receipt)
            if delivery is not None:
                ended.append(delivery)
            elif self._deleted and self._deleted.get(receipt) == topic:
                del self._deleted[receipt]
                has_deleted = True
            else:
                late.append(receipt)
        if ended and self._settler.settle(topic, ended, decision, delay_seconds):
            has_deleted = True
        return late, has_deleted

    def touch(self, topic: str, receipts: Sequence[str]) -> Sequence[str]:
        """Begin leases anew; return the receipts that are good no more."""
        late = []
        for receipt in receipts:
            held = self._held.get(receipt)
            if held is not None and held[0] == topic:
                self._leases.renew(receipt, self._clock.monotonic())
            elif self._deleted.get(receipt) != topic:
                late.append(receipt)
        return late

    @asynccontextmanager
    async def deleting(self, topic: str) -> AsyncIterator[None]:
        """End what was handed out of a topic before the block, in which its messages go.

        What is handed out in the block is of what was published since.
        """
        share = self._topics.get(topic)
        words = [] if share is None else list(share.words)
        yield
        for start in range(0, len(words), _DELETED_A_TURN):
            self._delete(words[start : start + _DELETED_A_TURN])
            await asyncio.sleep(0)

    def lose(self) -> None:
        """Let go of all without ending it: others hold it from now on."""
        words = list(self._held)
        self._leases.end(words)
        for word in words:
            self._forget(word)
        for tell in self.on_deleted:
            tell(words)

    def _delete(self, words: Sequence[str]) -> None:
        held = [word for word in words if word in self._held]
        self._leases.end(held)
        for word in held:
            topic, _ = self._forget(word)
            self._deleted[word] = topic
        while len(self._deleted) > MOST_DELETED:
            self._deleted.popitem(last=False)
        for tell in self.on_deleted:
            tell(held)

    @property
    def next_look(self) -> float | None:
        """When the lease of the first may be over, if there are any."""
        return self._leases.next_look

    def expire(self, now: float, limit: int, decision: Decision = Decision.EXPIRED) -> int:
        """Give back what was held for too long, at most `limit`; return how many."""
        over = self._leases.take_over(now, limit)
        by_topic: dict[str, list[Delivery]] = {}
        for receipt in over:
            topic, delivery = self._forget(receipt)
            by_topic.setdefault(topic, []).append(delivery)
        for topic, deliveries in by_topic.items():
            self._settler.settle(topic, deliveries, decision)
        return len(over)

    def _take(self, topic: str, receipt: str) -> Delivery | None:
        held = self._held.get(receipt)
        if held is None or held[0] != topic:
            return None
        self._forget(receipt)
        self._leases.end((receipt,))
        return held[1]

    def _forget(self, receipt: str) -> tuple[str, Delivery]:
        topic, delivery, client = self._held.pop(receipt)
        size = len(delivery.message.body)
        self._bytes -= size
        share = self._topics[topic]
        del share.words[receipt]
        for shares, name in ((self._topics, topic), (self._clients, client)):
            share = shares[name]
            share.count -= 1
            share.size -= size
            if not share.count:
                del shares[name]
        return topic, delivery


def _new_word() -> str:
    """Return what nobody can guess, as it stands in a JSON string and in a path."""
    return b2a_base64(urandom(_TOKEN_BYTES), newline=False).translate(_URL_SAFE).decode()
