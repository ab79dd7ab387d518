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

from miniqueue_py.broker.delivery import Delivery, Outcome
from miniqueue_py.broker.lifecycle import State
from miniqueue_py.broker.message import BatchCount, Message, Publication, Stored
from miniqueue_py.broker.policy import DEFAULT_POLICY, TopicPolicy
from miniqueue_py.broker.storage import (
    Look,
    Moved,
    Sight,
    TopicStatistics,
    Totals,
    nothing,
)
from miniqueue_py.broker.write_times import Times, WriteTimes
from miniqueue_py.errors import NotSupported, StorageUnavailable
from miniqueue_py.storage.reused_keys import check_keys
from miniqueue_py.storage.shared.deliveries import Deliveries
from miniqueue_py.storage.shared.holdings import Holdings
from miniqueue_py.storage.shared.ledger import Ledger
from miniqueue_py.storage.shared.looking import look_at
from miniqueue_py.storage.shared.presence import Presence
from miniqueue_py.storage.shared.store import Store
from miniqueue_py.storage.shared.writer import Writer, woken_by
from miniqueue_py.storage.shared.writers import Writers
from miniqueue_py.storage.shared.writes import (
    Append,
    CountBatch,
    Write,
)


class SharedStorage:
    """Messages in a store that other brokers use too."""

    def __init__(self, store: Store, presence: Presence) -> None:
        self._store = store
        self._presence = presence
        self._write_times = WriteTimes(Times(), Times())
        self._on_ready: Callable[[str], None] = lambda _topic: None
        self._on_lost: Callable[[], None] = nothing
        self._ledger = Ledger(store)
        self._policies: Mapping[str, TopicPolicy] = {}
        self._expired = 0
        self._is_closed = False
        times, note = self._write_times.commit, presence.note
        self._writers = Writers(
            lambda line: Writer(store, line, times, self._written, note, self._lose)
        )
        self._holdings = Holdings(store, presence, self._writers.of, self._tell, self._lose)
        self._deliveries = Deliveries(store, presence, self._holdings, self._writers.of)
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
        return self._writers.of(name).ask(write)

    async def batch_count(self, topic: str, key: str, now: float) -> int:
        name = self._presence.name(topic)
        count = await self._writers.of(name).ask(CountBatch(name, key, self._presence.at(now)))
        return int(count)

    def lease(self, topic: str, limit: int, max_bytes: int, now: float) -> Sequence[Delivery]:
        return self._deliveries.lease(topic, limit, max_bytes, now)

    def is_claiming(self, topic: str) -> bool:
        return self._deliveries.is_claiming(topic)

    def settle(self, deliveries: Sequence[Delivery], outcome: Outcome) -> Sequence[Delivery]:
        return self._deliveries.settle(deliveries, outcome)

    def settled(self) -> "asyncio.Future[None]":
        return asyncio.ensure_future(self._settled())

    async def _settled(self) -> None:
        await self._writers.written()

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
        await self._ledger.look_again()

    async def purge(self, topic: str) -> None:
        await self._settled()
        name = self._presence.name(topic)
        number = await self._store.purge(name)
        self._ledger.forget(name)
        await self._presence.learn_anew()
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
        self._ledger.rename(new, old)
        await self._presence.learn_anew()
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
        await self._settled()
        name, at = self._presence.name(topic), self._presence.at(now)
        return await look_at(self._store, name, state, limit, max_bytes, at, after)

    async def lease_seen(
        self, topic: str, sights: Sequence[Sight], now: float
    ) -> Sequence[Delivery]:
        return await self._deliveries.lease_seen(topic, sights, now)

    def snapshot(self, topic: str, now: float) -> AbstractContextManager[Iterator[Message]]:  # noqa: ARG002  see Storage
        """Refuse: what is shown would have to be kept in the store. Raises NotSupported."""
        raise NotSupported("a snapshot of a topic")

    def policy(self, topic: str) -> TopicPolicy:
        return self._policies.get(self._presence.name(topic), DEFAULT_POLICY)

    async def set_policy(self, topic: str, policy: TopicPolicy) -> None:
        name = self._presence.name(topic)
        await self._store.set_policy(name, policy)
        self._ledger.begin(name)
        await self._presence.learn_anew()
        self._heard(name)

    async def refresh(self, topic: str | None = None) -> None:
        await self._settled()
        await self._holdings.hands.wait_idle()
        for name in self._holdings.hands.topics if topic is None else (self._presence.name(topic),):
            self._holdings.hands.of(name).wake()
        await self._ledger.refresh(None if topic is None else self._presence.name(topic))
        await self._presence.learn()

    def topics(self) -> Sequence[str]:
        return self._ledger.topics()

    def knows(self, topic: str) -> bool:
        return self._ledger.knows(topic)

    def statistics(self, topic: str) -> TopicStatistics:
        name = self._presence.name(topic)
        statistics = self._ledger.of(name).statistics
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
        return self._ledger.of(self._presence.name(topic)).oldest_ms

    def totals(self) -> Totals:
        return self._ledger.totals(self._expired + self._holdings.expired)

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
        await self._writers.aclose()
        await self._presence.aclose()
        await self._store.aclose()

    # What the parts call.

    def _begin(self, broker: int) -> None:
        """Write and claim in the name of that broker from now on."""
        self._writers.start(broker)
        self._holdings.hands.start(broker)

    def _lose(self) -> None:
        """Let go of everything: others hold it."""
        self._holdings.lose()
        self._writers.lose()
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
                self._ledger.publish(each.topic)
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


def _unknown(_key: str) -> None:
    """Know nothing of a key here: the store does."""
