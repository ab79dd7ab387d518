"""A topic's ready messages, first in line first: in its window, and on disk beyond it.

Handing one out is the engine's most frequent act. Messages that are common
and stand in a row are made many at a time, by builtins instead of bytecode;
all others one by one.
"""

import asyncio
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain, count, islice, repeat, starmap
from typing import Any

from miniqueue_py.broker.delivery import Delivery
from miniqueue_py.broker.message import PLAIN, Message
from miniqueue_py.errors import StorageCorrupt
from miniqueue_py.storage.bounds import EXPIRED_AT_ONCE
from miniqueue_py.storage.keyvalue.database import Entry
from miniqueue_py.storage.ordered.layout import keys, records
from miniqueue_py.storage.ordered.moves import Moves
from miniqueue_py.storage.ordered.topic_state import TopicState
from miniqueue_py.storage.ordered.writing.committer import READING_FAILED, Committer

_new: Any = tuple.__new__
_message = partial(_new, Message)
_delivery = partial(_new, Delivery)


class Line:
    """Hands out what is ready, and looks at it."""

    def __init__(self, committer: Committer, moves: Moves, on_ready: Callable[[str], None]) -> None:
        self._committer = committer
        self._moves = moves
        self._on_ready = on_ready

    def hand_out(
        self, topic: TopicState, limit: int, max_bytes: int, now_ms: int
    ) -> Sequence[Delivery]:
        """Lease the first ready messages; what has expired among them is removed."""
        window = topic.window
        entries = window.entries
        is_one = limit == 1 or (limit > 1 and len(entries) == 1 and window.holds_all)
        if is_one and entries and max_bytes > 0:
            # One by one is how many travel.
            key, record = entries[0]
            if record.startswith(records.COMMON) and len(record) >= records.COMMON_BYTES:
                window.drop_first()
                first = _delivery((records.decode_common(record, topic.id_at(key)), key, topic))
                topic.lease((key,), [first])
                return [first]
        deliveries: list[Delivery] = []
        expired_before = topic.expired
        while limit > 0 and max_bytes > 0 and (entries or self._refill(topic)):
            taken = window.take(limit, max_bytes)
            live, messages, size = self._live(topic, taken, now_ms)
            handed = list(map(_delivery, zip(messages, live, repeat(topic))))
            topic.lease(live, handed)
            limit -= len(handed)
            max_bytes -= size
            deliveries = deliveries + handed if deliveries else handed
            if topic.expired - expired_before >= EXPIRED_AT_ONCE:
                asyncio.get_running_loop().call_soon(self._on_ready, topic.name)
                break
        return deliveries

    def peek(self, topic: TopicState, limit: int, max_bytes: int, now_ms: int) -> Sequence[Message]:
        """Return what would be handed out next; nothing is read behind `max_bytes`."""
        messages: list[Message] = []
        beyond = () if topic.window.holds_all else self._beyond(topic)
        entries = islice(chain(topic.window, beyond), limit + EXPIRED_AT_ONCE)
        while len(messages) < limit and max_bytes > 0 and (entry := next(entries, None)):
            message = self.read(topic, *entry)
            if message is not None and not message.has_expired(now_ms):
                messages.append(message)
                max_bytes -= len(message.body)
        return messages

    def oldest_ms(self, topic: TopicState) -> int | None:
        """Return when the oldest of the first of each priority was published."""
        found: list[int] = []
        known: Sequence[bytes] | None = None
        start, stop = topic.head(), keys.message_range(topic.id)[1]
        while start < stop:
            entries = self._committer.read(start, stop)
            first = next((entry for entry in entries if entry[0] not in topic.hidden), None)
            if first is None:
                break
            message = self.read(topic, *first)
            if message is not None:
                found.append(message.published_ms or 0)
            start = keys.next_priority(first[0])
            if start < min(topic.window.horizon, stop):
                # Not from the beginning of a priority: deleted keys lie there.
                known = topic.first_of_priorities() if known is None else known
                start = next((key for key in known if key >= start), topic.window.horizon)
        return min(found, default=None)

    def read(self, topic: TopicState, key: bytes, record: bytes) -> Message | None:
        """Return the message under a key; None if it makes no sense."""
        return self.read_at(topic, keys.position_of(key), record)

    def read_at(self, topic: TopicState, position: int, record: bytes) -> Message | None:
        """Return the message of a record; None if it makes no sense.

        It then stays on disk, for a person to look at.
        """
        try:
            return records.decode(record, topic.implied_id(position))
        except StorageCorrupt as error:
            self._committer.fail(error)
            return None

    def _refill(self, topic: TopicState) -> bool:
        """Fill the empty window; tell if there is anything in it."""
        if topic.window.holds_all:
            return False
        self._committer.flush()  # what is written need not be laid over what is read
        try:
            topic.window.refill(self._beyond(topic))
        except READING_FAILED as error:
            self._committer.fail(error)
        return bool(topic.window)

    def ready_behind(self, topic: TopicState, key: bytes) -> Iterator[Entry]:
        """Iterate over the ready messages of higher keys; what lies on disk is read as asked for.

        Nothing of the topic may be moved meanwhile.
        """
        window = topic.window
        beyond = () if window.holds_all else self._beyond(topic, key)
        return chain(window.behind(key), beyond)

    def lease(self, topic: TopicState, wanted: Sequence[bytes], now_ms: int) -> Sequence[Delivery]:
        """Hand out what is ready under these keys, which are in order, wherever they stand."""
        live: list[bytes] = []
        deliveries: list[Delivery] = []
        for key in wanted:
            record = self._take_record(topic, key)
            message = None if record is None else self.read(topic, key, record)
            if message is None:
                continue
            if message.has_expired(now_ms):
                self._moves.expire(topic, key, message)
            else:
                live.append(key)
                deliveries.append(Delivery(message, key, topic))
        topic.lease(live, deliveries)
        return deliveries

    def _take_record(self, topic: TopicState, key: bytes) -> bytes | None:
        """Return the record of a message if it is ready, and have it in the window no more."""
        if key in topic.leased or key in topic.hidden:
            return None
        if key <= topic.window.horizon:
            return topic.window.discard(key)
        return self._committer.get(key)

    def _beyond(self, topic: TopicState, after: bytes = b"") -> Iterator[Entry]:
        """Read the ready messages past the window's horizon, one by one as they are asked for."""
        start = max(topic.window.horizon, after) + b"\x00"
        stop = keys.message_range(topic.id)[1]
        after_leased = max(start, topic.last_leased + b"\x00")
        hidden_from = max(after_leased, min(topic.first_hidden, stop))
        ranges = ((start, after_leased), (after_leased, hidden_from), (hidden_from, stop))
        return chain.from_iterable(starmap(partial(self._ready, topic), ranges))

    def _ready(self, topic: TopicState, start: bytes, stop: bytes) -> Iterator[Entry]:
        """Read the ready messages of a range; as it comes, where all there are ready."""
        if start >= stop:
            return iter(())
        entries = self._committer.read(start, stop)
        if start > topic.last_leased and stop <= topic.first_hidden:
            return entries
        leased, hidden = topic.leased, topic.hidden
        return (each for each in entries if each[0] not in leased and each[0] not in hidden)

    def _live(
        self, topic: TopicState, entries: list[Entry], now_ms: int
    ) -> tuple[Sequence[bytes], Iterable[Message], int]:
        """Return what can be handed out: keys, messages, and how many bytes of bodies."""
        taken, written = zip(*entries, strict=True)
        if _is_in_a_row(taken) and (common := _common_bodies(written)) is not None:
            bodies, published = common
            topic_id, sequence = topic.id_at(taken[0])
            ids = zip(repeat(topic_id), count(sequence))
            messages = map(_message, zip(bodies, ids, published, repeat(PLAIN)))
            return taken, messages, sum(map(len, bodies))
        live: dict[bytes, Message] = {}
        for key, record in entries:
            message = self.read(topic, key, record)
            if message is None:
                continue
            if message.has_expired(now_ms):
                self._moves.expire(topic, key, message)
            else:
                live[key] = message
        return list(live), live.values(), sum([len(message.body) for message in live.values()])


def _is_in_a_row(taken: Sequence[bytes]) -> bool:
    """Tell if keys, which are in order, are those of positions without a gap."""
    return keys.as_number(taken[-1]) - keys.as_number(taken[0]) == len(taken) - 1


def _common_bodies(
    written: Sequence[bytes],
) -> tuple[Sequence[bytes], Iterable[int]] | None:
    """Return the bodies of records and when they were published, if all are common ones."""
    size = records.COMMON_BYTES
    head = written[0][:size]
    bodies = [record.removeprefix(head) for record in written]
    if sum(map(len, written)) - sum(map(len, bodies)) == size * len(written):
        # All begin alike: as a rule they were published together.
        published_ms = records.published_of(head)
        return None if published_ms is None else (bodies, repeat(published_ms))
    heads = [record[:size] for record in written]
    known = {head: records.published_of(head) for head in set(heads)}
    if None in known.values():
        return None
    return [record[size:] for record in written], [known[head] or 0 for head in heads]
