"""Deliveries of a shared store: taken from what is in hand, settled against what is held."""

from collections.abc import Callable, Sequence

from miniqueue_py.broker.delivery import Ack, Delivery, Outcome, Redrive, Requeue
from miniqueue_py.broker.message import Message
from miniqueue_py.broker.storage import Sight
from miniqueue_py.storage import fates
from miniqueue_py.storage.shared.claims import Claim, Held
from miniqueue_py.storage.shared.holdings import Holdings
from miniqueue_py.storage.shared.moving import move
from miniqueue_py.storage.shared.presence import Presence
from miniqueue_py.storage.shared.store import Store
from miniqueue_py.storage.shared.writer import Writer


class Deliveries:
    """Hands out what this broker claimed, and takes note of what became of it."""

    def __init__(
        self,
        store: Store,
        presence: Presence,
        holdings: Holdings,
        writer: Callable[[str], Writer],
    ) -> None:
        self._store = store
        self._presence = presence
        self._holdings = holdings
        self._writer = writer

    def __repr__(self) -> str:
        return f"<Deliveries of broker {self._presence.broker}>"

    def lease(self, topic: str, limit: int, max_bytes: int, now: float) -> Sequence[Delivery]:
        name = self._presence.name(topic)
        hand = self._holdings.hands.of(name)
        deliveries: list[Delivery] = []
        now_ms = int(self._presence.at(now) * 1000)
        while hand.messages and len(deliveries) < limit and max_bytes > 0:
            claim, position, message = hand.messages.popleft()
            if message.has_expired(now_ms):  # the store ends it, as it does what nobody holds
                self._holdings.release(claim, position)
                continue
            delivery = claim.open[position] = Delivery(message, position, claim)
            deliveries.append(delivery)
            max_bytes -= len(message.body)
        if len(deliveries) < limit and max_bytes > 0:
            self._holdings.hands.want(name, limit - len(deliveries), self._presence.at(now))
        return deliveries

    def is_claiming(self, topic: str) -> bool:
        hand = self._holdings.hands.topics.get(self._presence.name(topic))
        return hand is not None and hand.is_claiming

    def settle(self, deliveries: Sequence[Delivery], outcome: Outcome) -> Sequence[Delivery]:
        late: list[Delivery] = []
        moved: dict[Held, list[tuple[Claim, int, Message]]] = {}
        for delivery in deliveries:
            message, position, claim = delivery
            if type(claim) is not Claim or claim.open.get(position) is not delivery:
                late.append(delivery)
                continue
            held = claim.topic
            if self._holdings.of(held.number) is not held:  # another engine's
                late.append(delivery)
                continue
            if type(outcome) is Ack:
                held.acknowledge(claim, position)
            elif type(outcome) is Requeue and outcome.front:
                held.give_back(claim, position, is_failed=outcome.is_counted, is_unseen=False)
            elif type(outcome) is Redrive and fates.redriven(message, outcome) is None:
                held.give_back(claim, position, is_failed=False, is_unseen=False)
            else:
                claim.open[position] = None
                moved.setdefault(held, []).append((claim, position, message))
            self._writer(held.name).touch(held)
        for held, these in moved.items():
            move(held, these, outcome, self._presence)
        return late

    async def lease_seen(
        self, topic: str, sights: Sequence[Sight], now: float
    ) -> Sequence[Delivery]:
        name, deliveries = self._presence.name(topic), []
        numbers = {sight.place[0] for sight in sights}
        await self._holdings.hands.wait_idle()
        for number in numbers:
            places = [sight.place[1] for sight in sights if sight.place[0] == number]
            taken = await self._store.take_seen(
                self._holdings.hands.turn(), number, places, self._presence.at(now)
            )
            if taken is None:
                continue
            for claim, position, message in self._holdings.hold(name, taken):
                delivery = claim.open[position] = Delivery(message, position, claim)
                deliveries.append(delivery)
        return deliveries
