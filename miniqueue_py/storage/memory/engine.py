"""The engine that keeps nothing: the reference reading of the storage verbs.

It is written to be obviously right, and every move it makes is one of the
table in `broker/lifecycle.py`. The model test holds the others to it.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from itertools import count
from typing import Any

from miniqueue_py.broker.delivery import Delivery, Outcome
from miniqueue_py.broker.lifecycle import Move, State
from miniqueue_py.broker.message import BatchCount, Message, Publication, Stored
from miniqueue_py.broker.policy import DEFAULT_POLICY, TopicPolicy
from miniqueue_py.broker.storage import (
    Look,
    Moved,
    Sight,
    TopicStatistics,
    Totals,
    is_hidden,
    nobody_waits,
    nothing,
)
from miniqueue_py.broker.write_times import Times, WriteTimes
from miniqueue_py.errors import StorageUnavailable
from miniqueue_py.storage import fates
from miniqueue_py.storage.bounds import EXPIRED_AT_ONCE
from miniqueue_py.storage.memory.moves import Moves
from miniqueue_py.storage.memory.shelf import Entry, Shelf
from miniqueue_py.storage.memory.timetable import Timetable
from miniqueue_py.storage.reused_keys import body_digest, check_keys


class MemoryStorage:
    """Messages in heaps; nothing outlives the process."""

    def __init__(self) -> None:
        self._shelves: dict[str, Shelf] = {}
        self._numbers = count(1)
        self._timetable = Timetable(self._tell)
        self._moves = Moves(self._timetable, self._open)
        self._write_times = WriteTimes(Times(), Times())
        self._on_ready: Callable[[str], None] = _nobody

    def __repr__(self) -> str:
        return f"<MemoryStorage, {self.totals().messages} messages>"

    @property
    def failure(self) -> StorageUnavailable | None:
        """Memory does not fail short of the process."""
        return None

    @property
    def damages(self) -> Sequence[str]:
        """Nothing here is read from a disk."""
        return ()

    def append(
        self,
        topic: str,
        publications: Sequence[Publication],
        now: float,
        keep_keys_for: float,
        batch: BatchCount | None = None,
    ) -> "asyncio.Future[Sequence[Stored]]":
        for publication in publications:
            if publication.key is not None:
                check_keys(publications, partial(self._digest_of, topic, now), keep_keys_for)
                break
        shelf = self._open(topic)
        stored = []
        for publication in publications:
            key = publication.key
            known = None if key is None else shelf.keys.find(key, now)
            if known is not None:
                stored.append(Stored(known[0], is_duplicate=True))
                continue
            fresh = shelf.next_id()
            if key is not None:
                digest = body_digest(publication.bodies[0])
                shelf.keys.keep(key, (fresh, digest), now + keep_keys_for)
            for message in fates.messages_of(publication, fresh, now):
                shelf.published += 1
                self._moves.enter(shelf, message, publication, now)
            stored.append(Stored(fresh))
        if batch is not None:
            shelf.batches.keep(batch.key, batch.messages, now + keep_keys_for)
        self._on_ready(topic)
        done = asyncio.get_running_loop().create_future()
        done.set_result(stored)
        return done

    def _digest_of(self, topic: str, now: float, key: str) -> bytes | None:
        """Return the digest of what is stored under a key, if that is still to be known."""
        shelf = self._shelves.get(topic)
        known = None if shelf is None else shelf.keys.find(key, now)
        return None if known is None else known[1]

    async def batch_count(self, topic: str, key: str, now: float) -> int:
        shelf = self._shelves.get(topic)
        return shelf.batches.find(key, now) or 0 if shelf else 0

    def lease(self, topic: str, limit: int, max_bytes: int, now: float) -> Sequence[Delivery]:
        shelf = self._shelves.get(topic)
        deliveries: list[Delivery] = []
        expired = 0
        while shelf and len(deliveries) < limit and max_bytes > 0:
            entry = shelf.pop_ready()
            if entry is None:
                break
            if entry.message.has_expired(int(now * 1000)):
                self._timetable.expire(entry)
                expired += 1
                if expired == EXPIRED_AT_ONCE:
                    asyncio.get_running_loop().call_soon(self._on_ready, topic)
                    break
                continue
            max_bytes -= len(entry.message.body)
            deliveries.append(self._hand_out(entry))
        return deliveries

    def settle(self, deliveries: Sequence[Delivery], outcome: Outcome) -> Sequence[Delivery]:
        late: list[Delivery] = []
        ready: dict[str, None] = {}
        for delivery in deliveries:
            entry = delivery.receipt
            if not isinstance(entry, Entry) or entry.holder is not delivery:
                late.append(delivery)
                continue
            entry.holder = None
            self._moves.end(entry, outcome)
            if entry.state is State.READY:
                ready[entry.shelf.name] = None
        for topic in ready:
            self._on_ready(topic)
        return late

    def settled(self) -> "asyncio.Future[None]":
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        done.set_result(None)
        return done

    async def release_due(self, now: float, limit: int) -> Moved:
        now_ms = int(now * 1000)
        self._timetable.begin(now)
        restored, dropped = self._timetable.end_delays(now_ms, limit)
        expired = dropped + self._timetable.end_lives(now_ms, limit - restored - dropped)
        forgotten = 0
        for shelf in self._shelves.values():
            forgotten += shelf.forget(now, limit - restored - expired - forgotten)
        has_more = restored + expired + forgotten >= limit
        if not has_more:
            self._timetable.finish()
        return Moved(restored, expired, has_more)

    async def purge(self, topic: str) -> None:
        shelf = self._shelves.pop(topic, None)
        if shelf is not None:
            for entry in list(shelf.entries):
                entry.leave(Move.PURGE)

    async def peek(self, topic: str, limit: int, max_bytes: int, now: float) -> Sequence[Message]:
        shelf = self._shelves.get(topic)
        messages: list[Message] = []
        for entry in shelf.first_ready(limit, int(now * 1000)) if shelf else ():
            if max_bytes <= 0:
                break
            messages.append(entry.message)
            max_bytes -= len(entry.message.body)
        return messages

    async def look(  # noqa: PLR0913, PLR0917  see Storage
        self,
        topic: str,
        state: State,
        limit: int,
        max_bytes: int,
        now: float,
        after: Any = None,
    ) -> Look:
        shelf = self._shelves.get(topic)
        sights: list[Sight] = []
        for entry in shelf.all_of(state, after) if shelf else ():
            if len(sights) >= limit or max_bytes <= 0:
                return Look(sights, after)
            after = entry.standing
            if state is State.LEASED or not entry.message.has_expired(int(now * 1000)):
                due_ms = entry.due_ms if state is State.DELAYED else None
                sights.append(Sight(entry.message, entry, due_ms))
                max_bytes -= len(entry.message.body)
        return Look(sights)

    async def lease_seen(
        self, topic: str, sights: Sequence[Sight], now: float
    ) -> Sequence[Delivery]:
        shelf = self._shelves.get(topic)
        entries: list[Entry] = [sight.place for sight in sights]
        ready = [each for each in entries if each.state is State.READY and each.shelf is shelf]
        if shelf is not None:
            shelf.leave_line(ready)
        deliveries: list[Delivery] = []
        for entry in ready:
            if entry.message.has_expired(int(now * 1000)):
                self._timetable.expire(entry)
            else:
                deliveries.append(self._hand_out(entry))
        return deliveries

    @contextmanager
    def snapshot(self, topic: str, now: float) -> Iterator[Iterator[Message]]:
        shelf = self._shelves.get(topic)
        ready = shelf.first_ready(len(shelf.entries), int(now * 1000)) if shelf else []
        yield iter([entry.message for entry in ready])

    async def replace(self, topic: str, source: str) -> None:
        if topic == source:
            return
        policy = self.policy(topic)
        await self.purge(topic)
        shelf = self._open(source)
        del self._shelves[source]
        shelf.name, shelf.policy = topic, policy
        self._shelves[topic] = shelf
        self._on_ready(topic)

    def policy(self, topic: str) -> TopicPolicy:
        shelf = self._shelves.get(topic)
        return shelf.policy if shelf else DEFAULT_POLICY

    async def set_policy(self, topic: str, policy: TopicPolicy) -> None:
        self._open(topic).policy = policy
        self._on_ready(topic)

    def topics(self) -> Sequence[str]:
        return [name for name in self._shelves if not is_hidden(name)]

    def knows(self, topic: str) -> bool:
        return topic in self._shelves and not is_hidden(topic)

    def statistics(self, topic: str) -> TopicStatistics:
        shelf = self._shelves.get(topic)
        return shelf.statistics() if shelf else TopicStatistics()

    def oldest_ms(self, topic: str) -> int | None:
        shelf = self._shelves.get(topic)
        return shelf.oldest_ms() if shelf else None

    def totals(self) -> Totals:
        shelves = [self._shelves[name] for name in self.topics()]
        return Totals(
            sum(len(shelf.entries) for shelf in shelves),
            sum(shelf.bytes for shelf in shelves),
            self._timetable.expired,
        )

    def is_claiming(self, topic: str) -> bool:  # noqa: ARG002  nothing is far away
        return False

    async def refresh(self, topic: str | None = None) -> None:
        """Do nothing: what is told is always so."""

    def write_times(self) -> WriteTimes:
        return self._write_times

    def watch(
        self,
        on_ready: Callable[[str], None],
        demand: Callable[[str], int] = nobody_waits,  # noqa: ARG002  see Storage
        on_lost: Callable[[], None] = nothing,  # noqa: ARG002
    ) -> None:
        self._on_ready = on_ready

    async def aclose(self) -> None:
        self._shelves.clear()
        self._timetable.clear()

    def _hand_out(self, entry: Entry) -> Delivery:
        entry.move(Move.LEASE)
        entry.holder = delivery = Delivery(entry.message, entry)
        entry.shelf.delivered += 1
        return delivery

    def _open(self, topic: str) -> Shelf:
        shelf = self._shelves.get(topic)
        if shelf is None:
            shelf = self._shelves[topic] = Shelf(topic, next(self._numbers))
        return shelf

    def _tell(self, topic: str) -> None:
        self._on_ready(topic)


def _nobody(_topic: str) -> None:
    """Stand in for the broker until it watches."""
