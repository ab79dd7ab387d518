"""The storage verbs over a store that several brokers use.

Taking answers from what is in hand, and begins a claim for the rest. Settling
answers from what this broker holds, and is on its way at once. A broker claims
what its consumers have room for, and gives back what nobody here wants any
more: so nobody elsewhere waits for what lies idle here.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, suppress
from typing import Any
from zlib import crc32

from miniqueue_py.broker.delivery import Ack, Delivery, Outcome, Redrive, Requeue
from miniqueue_py.broker.lifecycle import State
from miniqueue_py.broker.message import BatchCount, Message, Publication, Stored
from miniqueue_py.broker.policy import DEFAULT_POLICY, TopicPolicy
from miniqueue_py.broker.storage import (
    Look,
    Moved,
    Sight,
    TopicStatistics,
    Totals,
    is_hidden,
    nothing,
)
from miniqueue_py.broker.write_times import Times, WriteTimes
from miniqueue_py.errors import NotSupported, StorageUnavailable
from miniqueue_py.storage import fates
from miniqueue_py.storage.reused_keys import check_keys
from miniqueue_py.storage.shared.claims import Claim, Held
from miniqueue_py.storage.shared.holdings import Holdings
from miniqueue_py.storage.shared.moving import move
from miniqueue_py.storage.shared.presence import Presence
from miniqueue_py.storage.shared.store import WRITERS, Figures, Store
from miniqueue_py.storage.shared.writer import Writer, woken_by
from miniqueue_py.storage.shared.writes import (
    Append,
    CountBatch,
    Write,
)

_NO_FIGURES = Figures(0, TopicStatistics(), None)


class SharedStorage:
    """Messages in a store that other brokers use too."""

    def __init__(self, store: Store, presence: Presence) -> None:
        self._store = store
        self._presence = presence
        self._write_times = WriteTimes(Times(), Times())
        self._on_ready: Callable[[str], None] = _nobody
        self._on_lost: Callable[[], None] = nothing
        self._figures: dict[str, Figures] = {}
        self._policies: Mapping[str, TopicPolicy] = {}
        self._published: set[str] = set()
        """Topics whose figures have grown old here."""
        self._expired = 0
        self._is_closed = False
        self._writers = [
            Writer(store, line, self._write_times.commit, self._written, presence.note, self._lose)
            for line in range(WRITERS)
        ]
        self._holdings = Holdings(store, presence, self._writer, self._tell, self._lose)
        store.watch(self._heard, self._holdings.forget)

    @classmethod
    async def open(cls, store: Store, presence: Presence) -> "SharedStorage":
        """Register as a broker. Raises StorageUnavailable."""
        storage = cls(store, presence)
        await presence.start(storage._begin, storage._lose, storage._learn)
        return storage

    def __repr__(self) -> str:
        return f"<SharedStorage, broker {self._presence.broker}>"

    @property
    def broker(self) -> int:
        """The number under which the store knows this broker."""
        return self._presence.broker

    @property
    def failure(self) -> StorageUnavailable | None:
        """Why the store cannot be asked, or None."""
        return self._presence.failure

    @property
    def damages(self) -> Sequence[str]:
        """A store tells of its own."""
        return ()

    def append(
        self,
        topic: str,
        publications: Sequence[Publication],
        now: float,
        keep_keys_for: float,
        batch: BatchCount | None = None,
    ) -> "asyncio.Future[Sequence[Stored]]":
        self._presence.check()
        check_keys(publications, _unknown, keep_keys_for)
        name = self._presence.name(topic)
        write = Append(name, publications, self._presence.at(now), keep_keys_for, batch)
        return self._writer(name).ask(write)

    async def batch_count(self, topic: str, key: str, now: float) -> int:
        name = self._presence.name(topic)
        count = await self._writer(name).ask(CountBatch(name, key, self._presence.at(now)))
        return int(count)

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

    def settled(self) -> "asyncio.Future[None]":
        return asyncio.ensure_future(self._settled())

    async def _settled(self) -> None:
        await asyncio.gather(*[writer.written() for writer in self._writers])

    async def release_due(self, now: float, limit: int) -> Moved:
        await self._settled()
        moved = await self._store.release(self._presence.at(now), limit)
        self._expired += moved.expired
        if not moved.has_more:
            await self._look_again()
        return moved

    async def _look_again(self) -> None:
        """Look at what others may have left behind; a hint of the store may have been lost."""
        await self._store.tidy()
        self._holdings.tidy()
        published, self._published = self._published, set()
        if published:
            self._figures |= await self._store.figures(list(published))

    async def purge(self, topic: str) -> None:
        await self._settled()
        number = await self._store.purge(self._presence.name(topic))
        self._figures.pop(self._presence.name(topic), None)
        self._presence.want_policies()
        await self._presence.learn()
        if number is not None:
            self._holdings.forget(number)

    async def replace(self, topic: str, source: str) -> None:
        if topic == source:
            return
        await self._settled()
        await self._holdings.hands.wait_idle()
        old, new = self._presence.name(topic), self._presence.name(source)
        gone, number = await self._store.replace(old, new)
        if gone is not None:
            self._holdings.forget(gone)
        if held := self._holdings.of(number):
            held.name = old
        self._holdings.hands.topics.pop(new, None)
        self._figures[old] = self._figures.pop(new, _NO_FIGURES)
        self._presence.want_policies()
        await self._presence.learn()
        self._heard(old)

    async def peek(self, topic: str, limit: int, max_bytes: int, now: float) -> Sequence[Message]:
        look = await self.look(topic, State.READY, limit, max_bytes, now)
        return [sight.message for sight in look.sights]

    async def look(  # noqa: PLR0913, PLR0917  see Storage
        self,
        topic: str,
        state: State,
        limit: int,
        max_bytes: int,
        now: float,
        after: Any = None,
    ) -> Look:
        if limit <= 0 or max_bytes <= 0:
            return Look(())
        await self._settled()
        at, name = self._presence.at(now), self._presence.name(topic)
        seen = await self._store.look(name, state, limit + 1, after)
        sights: list[Sight] = []
        for index, (message, number, place, due_ms) in enumerate(seen):
            if len(sights) >= limit or max_bytes <= 0:
                return Look(sights, after)
            standing = (due_ms, place[1]) if state is State.DELAYED else place
            after = standing if index + 1 < len(seen) else None
            if state is State.LEASED or not message.has_expired(int(at * 1000)):
                sights.append(Sight(message, (number, place), due_ms))
                max_bytes -= len(message.body)
        return Look(sights)

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

    def snapshot(
        self,
        topic: str,  # noqa: ARG002  see Storage
        now: float,  # noqa: ARG002
    ) -> AbstractContextManager[Iterator[Message]]:
        """Refuse: what is shown would have to be kept in the store. Raises NotSupported."""
        raise NotSupported("a snapshot of a topic")

    def policy(self, topic: str) -> TopicPolicy:
        return self._policies.get(self._presence.name(topic), DEFAULT_POLICY)

    async def set_policy(self, topic: str, policy: TopicPolicy) -> None:
        name = self._presence.name(topic)
        await self._store.set_policy(name, policy)
        self._figures.setdefault(name, _NO_FIGURES)
        self._presence.want_policies()
        await self._presence.learn()
        self._heard(name)

    async def refresh(self, topic: str | None = None) -> None:
        await self._settled()
        await self._holdings.hands.wait_idle()
        for name in self._holdings.hands.topics if topic is None else (self._presence.name(topic),):
            self._holdings.hands.of(name).wake()
        if topic is None:
            self._figures = dict(await self._store.figures(None))
        else:
            name = self._presence.name(topic)
            figures = await self._store.figures([name])
            self._figures.pop(name, None)
            self._figures |= figures
        await self._presence.learn()

    def topics(self) -> Sequence[str]:
        return [name for name in self._figures if not is_hidden(name)]

    def knows(self, topic: str) -> bool:
        return topic in self._figures and not is_hidden(topic)

    def statistics(self, topic: str) -> TopicStatistics:
        name = self._presence.name(topic)
        statistics = self._figures.get(name, _NO_FIGURES).statistics
        hand = self._holdings.hands.topics.get(name)
        if hand is None or not hand.messages:
            return statistics
        unseen = len(hand.messages)
        return statistics._replace(
            ready=statistics.ready + unseen,
            in_flight=statistics.in_flight - unseen,
            delivered=statistics.delivered - unseen,
        )

    def oldest_ms(self, topic: str) -> int | None:
        return self._figures.get(self._presence.name(topic), _NO_FIGURES).oldest_ms

    def totals(self) -> Totals:
        shown = [self._figures[name].statistics for name in self.topics()]
        messages = sum(each.messages for each in shown)
        return Totals(
            messages, sum(each.bytes for each in shown), self._expired + self._holdings.expired
        )

    def write_times(self) -> WriteTimes:
        return self._write_times

    def watch(
        self,
        on_ready: Callable[[str], None],
        demand: Callable[[str], int] | None = None,
        on_lost: Callable[[], None] = nothing,
    ) -> None:
        self._on_ready, self._on_lost = on_ready, on_lost
        if demand is not None:
            self._holdings.hands.demand = lambda name: demand(self._presence.shown(name))

    async def aclose(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        await self._holdings.hands.aclose()
        with suppress(StorageUnavailable, TimeoutError):
            async with asyncio.timeout(self._presence.lease_seconds):
                await self._settled()
        for writer in self._writers:
            await writer.aclose()
        await self._presence.aclose()
        await self._store.aclose()

    # What the parts call.

    def _begin(self, broker: int) -> None:
        """Write and claim in the name of that broker from now on."""
        for writer in self._writers:
            writer.start(broker)
        self._holdings.hands.start(broker)

    def _lose(self) -> None:
        """Let go of everything: others hold it."""
        self._holdings.lose()
        for writer in self._writers:
            writer.lose()
        self._presence.lose()
        self._on_lost()

    async def _learn(self) -> None:
        """Learn the policies anew."""
        self._policies = await self._store.policies()

    def _written(self, writes: Sequence[Write]) -> None:
        """Know what was written, and wake those who wait for it."""
        names, numbers = woken_by(writes)
        returned = (self._holdings.of(number) for number in numbers)
        names |= {held.name for held in returned if held is not None}
        for each in writes:
            if isinstance(each, Append):
                self._published.add(each.topic)
                self._figures.setdefault(each.topic, _NO_FIGURES)
        settled = [each for each in writes if not isinstance(each, Append | CountBatch)]
        self._holdings.settle_down({each.topic for each in settled})
        for name in names:
            self._heard(name)

    def _heard(self, name: str) -> None:
        """Something of a topic may be ready."""
        hand = self._holdings.hands.topics.get(name)
        if hand is not None:
            hand.wake()
        self._tell(name)

    def _tell(self, name: str) -> None:
        self._on_ready(self._presence.shown(name))

    def _writer(self, name: str) -> Writer:
        return self._writers[crc32(name.encode()) % len(self._writers)]


def _unknown(_key: str) -> None:
    """Know nothing of a key here: the store does."""


def _nobody(_topic: str) -> None:
    """Stand in for the broker until it watches."""
