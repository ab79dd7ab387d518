"""How far batches have come that may go on in another request, for a while.

Two records a batch. One is found by the batch's key and holds the count; it is
replaced by each append, in the write of the messages. The other gives the batch
a number, to forget it by, and is written once: who finds that the count was
written again since puts the batch behind all others, under a new number. So the
numbers in use have no gaps, and how many there are is known without reading.
"""

from collections.abc import Iterator
from struct import Struct, error
from typing import Any

from miniqueue_py.broker.alarms import Alarms
from miniqueue_py.broker.message import BatchCount
from miniqueue_py.errors import StorageCorrupt
from miniqueue_py.storage.bounds import MAX_KEYS
from miniqueue_py.storage.fates import LAST_MOMENT_MS
from miniqueue_py.storage.keyvalue.database import Database, RecordDamaged
from miniqueue_py.storage.ordered.catalogue import Catalogue
from miniqueue_py.storage.ordered.layout import keys
from miniqueue_py.storage.ordered.topic_state import TopicState
from miniqueue_py.storage.ordered.writing.committer import Committer
from miniqueue_py.storage.ordered.writing.janitor import Janitor

_COUNT = Struct(">QQ")
"""Until when to know it, and the count."""

_ORDERED = Struct(">Q21s")
"""When to look at it, and what it is found by."""

KEPT_BYTES = (
    len(keys.batch_key(0, "")) + _COUNT.size + len(keys.batch_order_key(0, 0)) + _ORDERED.size
)
"""What one takes on disk."""

MOST_MADE_ROOM_FOR = 100
"""So many go early in one append at most, however many more than the bound there are."""


class BatchCounts:
    """The counts of all topics."""

    def __init__(self, committer: Committer, janitor: Janitor) -> None:
        self._committer = committer
        self._janitor = janitor
        self._count = 0
        self._numbers: dict[TopicState, range] = {}
        """Those in use, of every topic that has any."""
        self._alarms: Alarms[TopicState] = Alarms()
        """Before when none of a topic's is over, for the same topics."""

    @property
    def size(self) -> int:
        """What they take on disk."""
        return KEPT_BYTES * self._count

    def read(self, database: Database, catalogue: Catalogue) -> None:
        """Take note of what a database has: two looks for each topic that has any."""
        try:
            numbers = dict(_numbers_in(database))
        except RecordDamaged:
            numbers = self._numbers_left()
        for topic_id, of_topic in numbers.items():
            topic = catalogue.with_id(topic_id)
            if topic is not None:  # else the janitor removes it
                self._use(topic, of_topic)
                self._alarms.set(topic, 0.0)

    def drop(self, topic: TopicState) -> None:
        """Take note that a topic is gone, and its counts with it."""
        self._use(topic, range(0))
        self._alarms.drop(topic)

    def find(self, topic: TopicState, key: str, now: float) -> int:
        """Return how many messages of a batch are stored; 0 if that is not known."""
        found_by = keys.batch_key(topic.id, key)
        if not self._numbers_of(topic) or self._committer.get(found_by) is None:
            return 0
        until_ms, count = self._read(_COUNT, found_by) or (0, 0)
        return count if until_ms > round(now * 1000) else 0

    def make_room(self, topic: TopicState) -> None:
        """Forget some of the oldest if there are too many."""
        excess = len(self._numbers_of(topic)) - MAX_KEYS
        if excess > 0:
            self._forget_oldest(topic, LAST_MOMENT_MS, min(excess, MOST_MADE_ROOM_FOR))

    def keep(self, topic: TopicState, batch: BatchCount, until: float) -> None:
        """Remember a count, in the write of its messages."""
        until_ms = round(until * 1000)
        found_by = keys.batch_key(topic.id, batch.key)
        if not self._numbers_of(topic) or self._committer.get(found_by) is None:
            self._put_last(topic, found_by, until_ms)
            self._alarms.set(topic, until_ms / 1000)
        self._committer.put(topic, found_by, _COUNT.pack(until_ms, batch.messages))

    def forget(self, now: float, limit: int) -> int:
        """Forget counts whose time is over; say how many were looked at, at most `limit`."""
        now_ms = round(now * 1000)
        looked = 0
        while looked < limit and (topic := self._alarms.pop_due(now_ms / 1000)) is not None:
            looked += self._forget_oldest(topic, now_ms, limit - looked)
        return looked

    def _forget_oldest(self, topic: TopicState, now_ms: int, limit: int) -> int:
        """Forget what is over of the first `limit`; say how many were looked at."""
        numbers = self._numbers_of(topic)[:limit]
        for looked, number in enumerate(numbers, 1):
            ordered = self._read(_ORDERED, keys.batch_order_key(topic.id, number))
            if ordered is None:
                self._remove_first(topic)  # it was lost with a block of the disk
                continue
            due_ms, found_by = ordered
            if due_ms > now_ms:
                self._alarms.set(topic, due_ms / 1000)
                return looked
            self._forget_first(topic, found_by, now_ms)
        if self._numbers_of(topic):
            self._alarms.set(topic, now_ms / 1000)
        return len(numbers)

    def _forget_first(self, topic: TopicState, found_by: bytes, now_ms: int) -> None:
        """Forget the first, or put it last if it was written again and is not over."""
        until_ms, _ = self._read(_COUNT, found_by) or (0, 0)
        self._remove_first(topic)
        if until_ms > now_ms:
            self._put_last(topic, found_by, until_ms)
        else:
            self._janitor.remove(topic, found_by, _COUNT.size)

    def _remove_first(self, topic: TopicState) -> None:
        numbers = self._numbers_of(topic)
        self._janitor.remove(topic, keys.batch_order_key(topic.id, numbers[0]), _ORDERED.size)
        self._use(topic, numbers[1:])

    def _put_last(self, topic: TopicState, found_by: bytes, until_ms: int) -> None:
        first, last = self._numbers_of(topic).start, self._numbers_of(topic).stop
        ordered = _ORDERED.pack(until_ms, found_by)
        self._committer.put(topic, keys.batch_order_key(topic.id, last), ordered)
        self._use(topic, range(first, last + 1))

    def _numbers_left(self) -> dict[int, range]:
        """Return what can be read of the numbers in use, all of them looked at."""
        numbers: dict[int, range] = {}
        for key, _ in self._committer.reads.read(*keys.whole(keys.BATCH_ORDER)):
            topic_id, number = keys.batch_order_fields(key)
            first = numbers.get(topic_id, range(number, number)).start
            numbers[topic_id] = range(first, number + 1)
        return numbers

    def _numbers_of(self, topic: TopicState) -> range:
        return self._numbers.get(topic, range(0))

    def _use(self, topic: TopicState, numbers: range) -> None:
        self._count += len(numbers) - len(self._numbers_of(topic))
        self._numbers[topic] = numbers
        if not numbers:
            del self._numbers[topic]

    def _read(self, fields: Struct, key: bytes) -> Any:
        """Return the fields of a record, None if it was lost. Raises StorageCorrupt."""
        record = self._committer.get(key)
        if record is None:
            return None
        try:
            return fields.unpack(record)
        except error as cause:
            raise StorageCorrupt(
                f"the record of a batch is cut short: {key.hex()} {record.hex()}"
            ) from cause


def _numbers_in(database: Database) -> Iterator[tuple[int, range]]:
    """Yield the numbers that each topic uses. Raises RecordDamaged."""
    at, end = keys.whole(keys.BATCH_ORDER)
    while (entry := next(database.read_strictly(at, end), None)) is not None:
        topic_id, first = keys.batch_order_fields(entry[0])
        start, stop = keys.range_of(keys.BATCH_ORDER, topic_id)
        last_key = database.last_key(start, stop)
        if last_key is None:  # though there is one at least
            raise RecordDamaged
        _, last = keys.batch_order_fields(last_key)
        yield topic_id, range(first, last + 1)
        at = stop
