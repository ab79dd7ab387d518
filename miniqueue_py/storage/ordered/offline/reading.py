"""Reads what a broker wrote, and stops at nothing that is damaged.

The engine trusts its counts and its window, since it wrote them. This reads
each record for itself, verifies checksums, and tells what it
cannot make sense of.
"""

from collections import Counter
from collections.abc import Callable, Iterator
from itertools import islice
from struct import error as StructError  # noqa: N812  a class

from miniqueue_py.broker.message import Message
from miniqueue_py.broker.policy import decode_policy
from miniqueue_py.broker.storage import is_hidden
from miniqueue_py.errors import StorageCorrupt
from miniqueue_py.storage.keyvalue.database import Database, DatabaseFailed
from miniqueue_py.storage.keyvalue.words import words_about_files
from miniqueue_py.storage.ordered.damages import words_of_gap
from miniqueue_py.storage.ordered.layout import keys, records
from miniqueue_py.storage.ordered.topic_state import TopicState

Advance = Callable[[int, int], None]
"""Is told how many messages more were read, and how many bytes."""

_BLOCK = 500
"""Messages between two tellings."""

_NO_SENSE = (StorageCorrupt, StructError, UnicodeDecodeError)


class Reading:
    """The records of an open database; damages are noted."""

    def __init__(self, database: Database, note: Callable[[str], None]) -> None:
        self._reads = database
        self._reads.watch(self._note_gap)
        self._note = note
        self._by_id: dict[int, TopicState] = {}
        doomed = [keys.topic_id_of(key) for key, _ in self._all(keys.DOOMED, "deleted topics")]
        self._doomed = set(doomed)
        self._read_topics()
        self._read_policies()

    @property
    def topics(self) -> list[TopicState]:
        return sorted(self._by_id.values(), key=lambda state: state.name)

    @property
    def unswept(self) -> int:
        return len(self._doomed)

    def oldest_ms(self, topic: TopicState) -> int | None:
        """Return when the oldest of the first of each priority was published."""
        found: list[int] = []
        start, stop = topic.head(), keys.message_range(topic.id)[1]
        while start < stop:
            first = next(self._entries(start, stop, f"the messages of {topic.name!r}"), None)
            if first is None:
                break
            message = self._decode(topic, *first)
            if message is not None and message.published_ms:
                found.append(message.published_ms)
            start = keys.next_priority(first[0])
        return min(found, default=None)

    def messages(self, topic: TopicState, most: int) -> Iterator[tuple[Message, int | None]]:
        """Yield the first messages: those that are ready, then those set aside by when due."""
        start, stop = topic.head(), keys.message_range(topic.id)[1]
        yielded = 0
        for key, record in islice(self._entries(start, stop, f"messages of {topic.name!r}"), most):
            message = self._decode(topic, key, record)
            if message is not None:
                yielded += 1
                yield message, None
        if topic.delayed:
            yield from islice(self._delayed(topic), most - yielded)

    def check(self, advance: Advance) -> None:
        """Read every message, and compare what there is with what the topics say."""
        delayed, bytes_ = self._count_delayed(advance)
        for topic in self.topics:
            stored = self._count_stored(topic, advance, bytes_)
            for what, says, found in (
                ("ready", topic.stored, stored),
                ("delayed", topic.delayed, delayed[topic.id]),
                ("bytes", topic.size, bytes_[topic.id]),
            ):
                if says != found:
                    self._note(f"topic {topic.name!r} says {what} {says}, and has {found}")
        for topic_id in delayed.keys() - self._by_id.keys() - self._doomed:
            self._note(f"delayed messages of topic {topic_id} are there, and the topic is not")

    def _read_topics(self) -> None:
        for key, record in self._all(keys.TOPICS, "topics"):
            try:
                state = TopicState.decode(key, record)
            except _NO_SENSE as error:
                self._note(f"the topic under {key.hex()} cannot be read: {error}")
            else:
                if is_hidden(state.name):  # the next broker deletes it
                    self._doomed.add(state.id)
                else:
                    self._by_id[state.id] = state

    def _read_policies(self) -> None:
        for key, record in self._all(keys.POLICIES, "policies"):
            try:
                state = self._by_id.get(keys.topic_id_of(key))
                if state is not None:
                    state.policy = decode_policy(record)
            except _NO_SENSE as error:
                self._note(f"the policy under {key.hex()} cannot be read: {error}")

    def _delayed(self, topic: TopicState) -> Iterator[tuple[Message, int]]:
        for key, record in self._all(keys.DELAYED, "delayed messages"):
            due_ms, topic_id, _ = keys.delayed_fields(key)
            if topic_id == topic.id:
                message = self._decode(topic, key, record)
                if message is not None:
                    yield message, due_ms

    def _count_delayed(self, advance: Advance) -> tuple[Counter[int], Counter[int]]:
        counts: Counter[int] = Counter()
        sizes: Counter[int] = Counter()
        for key, record in self._all(keys.DELAYED, "delayed messages"):
            try:
                _, topic_id, _ = keys.delayed_fields(key)
            except StructError:
                self._note(f"the key {key.hex()} makes no sense")
                continue
            counts[topic_id] += 1
            topic = self._by_id.get(topic_id)
            message = topic and self._decode(topic, key, record)
            sizes[topic_id] += len(message.body) if message else 0
            advance(1, len(record))
        return counts, sizes

    def _count_stored(self, topic: TopicState, advance: Advance, bytes_: Counter[int]) -> int:
        entries = self._entries(*keys.message_range(topic.id), f"the messages of {topic.name!r}")
        count = 0
        while block := list(islice(entries, _BLOCK)):
            messages = [self._decode(topic, *entry) for entry in block]
            size = sum([len(message.body) for message in messages if message])
            bytes_[topic.id] += size
            count += len(block)
            advance(len(block), size)
        return count

    def _decode(self, topic: TopicState, key: bytes, record: bytes) -> Message | None:
        try:
            position = (
                keys.delayed_fields(key)[2] if keys.is_delayed(key) else keys.position_of(key)
            )
            return records.decode(record, topic.implied_id(position))
        except _NO_SENSE as error:
            self._note(f"a message of {topic.name!r} under {key.hex()} cannot be read: {error}")
            return None

    def _all(self, space: bytes, what: str) -> Iterator[tuple[bytes, bytes]]:
        return self._entries(*keys.whole(space), f"the {what}")

    def _entries(self, start: bytes, stop: bytes, what: str) -> Iterator[tuple[bytes, bytes]]:
        """Yield what can be read of a range; blocks that are bad are stepped over and noted."""
        try:
            yield from self._reads.read(start, stop)
        except DatabaseFailed as error:
            self._note(f"{what} cannot be read to the end: {words_about_files(error)}")

    def _note_gap(self, start: bytes, stop: bytes) -> None:
        self._note(words_of_gap(start, stop, self._by_id.get))
