"""The storage verbs on LevelDB.

A message stays under its key while it is in flight: leases live in memory. So
taking one writes nothing, an ACK is one delete, a NACK is no write at all, and
after a crash everything in flight is ready again, in its old order, without
anybody doing anything.
"""

import struct
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, assert_never

import plyvel

from miniqueue_py.broker.delivery import Ack, Delay, Delivery, Outcome, Requeue
from miniqueue_py.broker.message import Message
from miniqueue_py.broker.storage import TopicStatistics, Totals
from miniqueue_py.errors import DatabaseRefused, StorageCorrupt, StorageUnavailable
from miniqueue_py.storage.fsync import Fsync
from miniqueue_py.storage.leveldb import keys, records
from miniqueue_py.storage.leveldb.catalogue import Catalogue, TopicState
from miniqueue_py.storage.leveldb.committer import Committer
from miniqueue_py.storage.leveldb.delays import Delays
from miniqueue_py.storage.leveldb.files import (
    LogSync,
    Room,
    check_version,
    open_database,
    words_of,
)
from miniqueue_py.storage.leveldb.janitor import Janitor
from miniqueue_py.storage.leveldb.syncer import Arrival
from miniqueue_py.storage.leveldb.window import Entry


class _Receipt(NamedTuple):
    topic: TopicState
    key: bytes
    record: bytes


class LevelStorage:
    """Messages in a LevelDB directory, which it alone has open."""

    def __init__(
        self,
        database: Any,
        sync: Callable[[], None],
        has_room: Callable[[int], bool],
        *,
        fsync: Fsync,
        fsync_interval_seconds: float,
    ) -> None:
        self._database = database
        self._committer = Committer(
            database,
            sync=sync,
            has_room=has_room,
            policy=fsync,
            interval_seconds=fsync_interval_seconds,
            on_durable=self._arrived,
            on_refused=self._refused,
        )
        self._janitor = Janitor(database, self._committer)
        self._delays = Delays(self._committer)
        self._catalogue = Catalogue()
        self._doomed: list[int] = []
        self._on_ready: Callable[[str], None] = _nobody
        self._messages = 0
        self._bytes = 0
        self._is_closed = False
        self._read_catalogue()

    @classmethod
    def open(cls, directory: str, *, fsync: Fsync, fsync_interval_seconds: float) -> "LevelStorage":
        """Open the database in a directory. Raises DatabaseRefused."""
        path = Path(directory)
        database = open_database(path)
        try:
            check_version(database, path)
            return cls(
                database,
                LogSync(path),
                Room(path),
                fsync=fsync,
                fsync_interval_seconds=fsync_interval_seconds,
            )
        except (plyvel.Error, StorageCorrupt, struct.error, UnicodeDecodeError) as error:
            database.close()
            raise DatabaseRefused(f"-db: {path} cannot be read: {words_of(error)}") from error
        except BaseException:
            database.close()
            raise

    def __repr__(self) -> str:
        return f"<LevelStorage, {self._messages} messages>"

    @property
    def failure(self) -> StorageUnavailable | None:
        try:
            self._committer.check()
        except StorageUnavailable as failure:
            return failure
        return None

    async def append(self, topic: str, messages: Sequence[Message]) -> None:
        size = sum(len(message.body) for message in messages)
        self._committer.check(size)
        state = self._catalogue.open(topic)
        entries = [(state.next_back_key(), records.encode(message)) for message in messages]
        state.unconfirmed.update(entries)
        state.stored += len(entries)
        state.size += size
        self._messages += len(entries)
        self._bytes += size
        await self._committer.arrive(state, entries)

    def lease(self, topic: str, limit: int) -> Sequence[Delivery]:
        state = self._catalogue.get(topic)
        deliveries: list[Delivery] = []
        if state is None:
            return deliveries
        window = state.window
        while len(deliveries) < limit:
            if not window:
                if window.holds_all:
                    break
                try:
                    window.refill(self._beyond(state))
                except plyvel.Error as error:
                    self._committer.fail(error)
                    break
                continue
            key, record = window.take()
            try:
                message = records.decode(record)
            except StorageCorrupt as error:  # it stays on disk, for a person to look at
                self._committer.fail(error)
                continue
            delivery = Delivery(message, _Receipt(state, key, record))
            state.leased[key] = delivery
            deliveries.append(delivery)
        return deliveries

    def settle(self, deliveries: Sequence[Delivery], outcome: Outcome) -> Sequence[Delivery]:
        late: list[Delivery] = []
        ready: dict[str, None] = {}
        for delivery in deliveries:
            receipt = delivery.receipt
            if (
                not isinstance(receipt, _Receipt)
                or receipt.topic.leased.get(receipt.key) is not delivery
            ):
                late.append(delivery)
                continue
            del receipt.topic.leased[receipt.key]
            self._end(receipt, delivery.message, outcome)
            if isinstance(outcome, Requeue):
                ready[receipt.topic.name] = None
        for topic in ready:
            self._on_ready(topic)
        return late

    def release_due(self, now: float) -> int:
        due: dict[TopicState, list[bytes]] = {}
        for topic_id, key, record in self._delays.read_due(now):
            state = self._catalogue.with_id(topic_id)
            if state is not None:  # else it was purged, and the janitor removes it
                self._delete(state, key, record)
                due.setdefault(state, []).append(record)
        for state, restored in due.items():
            self._restore(state, restored)
        for state in due:
            self._on_ready(state.name)
        return sum(map(len, due.values()))

    async def purge(self, topic: str) -> None:
        # Without asking for room: this is how room is made.
        self._committer.check_failure()
        state = self._catalogue.get(topic)
        if state is None:
            return
        self._catalogue.remove(state)
        state.leased.clear()
        self._messages -= state.stored + state.delayed
        self._bytes -= state.size
        self._committer.delete(None, keys.topic_key(state.id))
        self._committer.put(None, keys.doomed_key(state.id), b"")
        self._janitor.sweep(state.id)
        await self._committer.wait_durable()

    def topics(self) -> Sequence[str]:
        return [state.name for state in self._catalogue]

    def statistics(self, topic: str) -> TopicStatistics:
        state = self._catalogue.get(topic)
        if state is None:
            return TopicStatistics(0, 0, 0)
        return TopicStatistics(state.ready, len(state.leased), state.delayed)

    def totals(self) -> Totals:
        return Totals(self._messages, self._bytes)

    def watch(self, on_ready: Callable[[str], None]) -> None:
        """Begin to work; the sweeps and compactions that a stop interrupted go on."""
        self._on_ready = on_ready
        self._janitor.compact_leftovers([state.dead_range() for state in self._catalogue])
        for topic_id in self._doomed:
            self._janitor.sweep(topic_id)
        self._doomed.clear()

    async def aclose(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        await self._janitor.aclose()
        try:
            await self._committer.aclose()
        finally:
            self._database.close()

    # Moves

    def _end(self, receipt: _Receipt, message: Message, outcome: Outcome) -> None:
        state, key, record = receipt
        match outcome:
            case Ack():
                self._remove(state, key, record)
                state.size -= len(message.body)
                self._messages -= 1
                self._bytes -= len(message.body)
            case Requeue(front=True):
                state.window.insert(key, record)
            case Requeue():
                self._remove(state, key, record)
                self._make_ready(state, state.next_back_key(), record)
            case Delay(until):
                self._remove(state, key, record)
                state.delayed += 1
                aside = records.encode(message.set_aside())
                self._delays.put_aside(state, keys.position_of(key), until, aside)
            case _:
                assert_never(outcome)

    def _remove(self, state: TopicState, key: bytes, record: bytes) -> None:
        state.stored -= 1
        self._delete(state, key, record)

    def _delete(self, state: TopicState, key: bytes, record: bytes) -> None:
        self._committer.delete(state, key)
        self._janitor.count_dead(state, len(key) + len(record))
        self._compact_if_wanted()

    def _make_ready(self, state: TopicState, key: bytes, record: bytes) -> None:
        state.stored += 1
        self._committer.put(state, key, record)
        state.window.insert(key, record)

    def _restore(self, state: TopicState, restored: list[bytes]) -> None:
        state.delayed -= len(restored)
        entries = list(zip(state.next_front_keys(len(restored)), restored, strict=True))
        for key, record in reversed(entries):
            self._make_ready(state, key, record)

    # What the committer says

    def _arrived(self, arrivals: list[Arrival]) -> None:
        touched: dict[TopicState, None] = {}
        for state, key, record in arrivals:
            del state.unconfirmed[key]
            if not state.is_dead:
                state.window.insert(key, record)
                touched[state] = None
        for state in touched:
            self._on_ready(state.name)

    def _refused(self, arrivals: list[Arrival]) -> None:
        for state, key, record in arrivals:
            del state.unconfirmed[key]
            if not state.is_dead:
                size = len(records.decode(record).body)
                state.stored -= 1
                state.size -= size
                self._messages -= 1
                self._bytes -= size

    # Reading

    def _read_catalogue(self) -> None:
        for key, record in self._database.iterator(prefix=keys.TOPICS):
            state = TopicState.decode(key, record)
            self._catalogue.add(state)
            self._messages += state.stored + state.delayed
            self._bytes += state.size
        for key in self._database.iterator(prefix=keys.DOOMED, include_value=False):
            self._doomed.append(keys.topic_id_of(key))
            self._catalogue.reserve(self._doomed[-1])

    def _beyond(self, state: TopicState) -> Iterator[Entry]:
        """Read the ready messages past the window's horizon."""
        horizon = state.window.horizon
        for key, record in self._committer.read(horizon, keys.message_range(state.id)[1]):
            if key not in state.leased and key not in state.unconfirmed:
                yield key, record

    # Space

    def _compact_if_wanted(self) -> None:
        if self._janitor.is_wanted(self._bytes) and not self._is_closed:
            self._janitor.compact(self._delays.dead_before, then=self._compact_if_wanted)


def _nobody(_topic: str) -> None:
    """Stand in for the broker until it watches."""
