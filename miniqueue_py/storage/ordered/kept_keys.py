"""Idempotency keys: what was published under which, for a while.

Two records a key: one to find it by, and one in the order of publishing, to
forget it by. How many a topic keeps is bounded: past that the oldest go early,
some at a time, since looking for the oldest costs an iterator.

A key and its message are written by one batch. So nothing is flushed between
the two: a key that is durable alone would answer the retry of a publish that
was never stored. Room is made before anything of a publish is written.
"""

from struct import Struct, error

from miniqueue_py.broker.alarms import Alarms
from miniqueue_py.broker.message import MessageId
from miniqueue_py.errors import StorageCorrupt
from miniqueue_py.storage.bounds import MAX_KEYS
from miniqueue_py.storage.fates import LAST_MOMENT_MS
from miniqueue_py.storage.ordered.layout import keys
from miniqueue_py.storage.ordered.topic_state import TopicState
from miniqueue_py.storage.ordered.writing.committer import Committer
from miniqueue_py.storage.ordered.writing.janitor import Janitor
from miniqueue_py.storage.reused_keys import DIGEST_BYTES

_KEPT = Struct(f">QQ{DIGEST_BYTES}s")
_KEPT_BEFORE = Struct(">QQ")
"""Without the digest of the body: what an earlier version wrote, which is taken for any body."""

KEPT_BYTES = 2 * len(keys.kept_key(0, "")) + len(keys.kept_order_key(0, 0)) + _KEPT.size
"""What one takes on disk."""

SLACK = 200
"""So many more than the bound are let gather before the oldest are looked for."""

MOST_MADE_ROOM_FOR = 10 * SLACK
"""So many go early in one turn at most, however many more than the bound there are."""

LOOK = 10
"""What it costs to look for a topic's oldest key, in keys that could be forgotten meanwhile."""


class KeptKeys:
    """The keys of all topics."""

    def __init__(self, committer: Committer, janitor: Janitor) -> None:
        self._committer = committer
        self._janitor = janitor
        self._count = 0
        self._first: dict[TopicState, bytes] = {}
        """Who has any, and below which key of the order nothing is left."""
        self._alarms: Alarms[TopicState] = Alarms()
        """Before when none of a topic's is over, for everybody who has any."""

    @property
    def size(self) -> int:
        """What they take on disk."""
        return KEPT_BYTES * self._count

    def hold(self, topic: TopicState) -> None:
        """Take note of a topic that was read and has keys."""
        if topic.kept_keys:
            self._count += topic.kept_keys
            self._begin(topic, 0, 0.0)

    def drop(self, topic: TopicState) -> None:
        """Take note that a topic is gone, and its keys with it."""
        self._count -= topic.kept_keys
        self._first.pop(topic, None)
        self._alarms.drop(topic)

    def find(self, topic: TopicState, key: str, now: float) -> MessageId | None:
        """Return what was published under the key, if that is still to be remembered."""
        kept = self._committer.get(keys.kept_key(topic.id, key)) if topic.kept_keys else None
        if kept is None:
            return None
        until_ms, sequence, _ = _unpack(kept)
        return (topic.id, sequence) if until_ms > round(now * 1000) else None

    def digest_of(self, topic: TopicState | None, now: float, key: str) -> bytes | None:
        """Return the digest of what was published under the key, if that is known."""
        if topic is None or not topic.kept_keys:
            return None
        kept = self._committer.get(keys.kept_key(topic.id, key))
        until_ms, _, digest = _unpack(kept) if kept is not None else (0, 0, b"")
        return digest if digest and until_ms > round(now * 1000) else None

    def make_room(self, topic: TopicState) -> None:
        """Forget the oldest keys if there are too many. It flushes."""
        if topic.kept_keys > MAX_KEYS + SLACK and topic in self._first:
            excess = topic.kept_keys - MAX_KEYS
            self._forget_oldest(topic, LAST_MOMENT_MS, min(excess, MOST_MADE_ROOM_FOR))

    def keep(self, topic: TopicState, key: str, sequence: int, digest: bytes, until: float) -> None:
        """Remember what is published under the key, in the batch of that message."""
        until_ms = round(until * 1000)
        found_by = keys.kept_key(topic.id, key)
        self._committer.put(topic, found_by, _KEPT.pack(until_ms, sequence, digest))
        self._committer.put(topic, keys.kept_order_key(topic.id, sequence), found_by)
        topic.kept_keys += 1
        self._count += 1
        if topic not in self._first:
            self._begin(topic, sequence, until_ms / 1000)

    def forget(self, now: float, limit: int) -> int:
        """Forget keys whose time is over, as is worth `limit`; say what it was worth."""
        now_ms = round(now * 1000)
        worth = 0
        while worth < limit and (topic := self._alarms.pop_due(now_ms / 1000)) is not None:
            before = topic.kept_keys
            next_ms = self._forget_oldest(topic, now_ms, limit - worth)
            worth += before - topic.kept_keys + LOOK
            if next_ms is None:
                del self._first[topic]
            else:
                self._alarms.set(topic, next_ms / 1000)
        return worth

    def _begin(self, topic: TopicState, sequence: int, at: float) -> None:
        self._first[topic] = keys.kept_order_key(topic.id, sequence)
        self._alarms.set(topic, at)

    def _forget_oldest(self, topic: TopicState, now_ms: int, limit: int) -> int | None:
        """Forget a topic's oldest keys that are over; return when the next will be, if any."""
        self._committer.flush()
        _, stop = keys.range_of(keys.KEPT_ORDER, topic.id)
        entries = self._committer.read(self._first[topic], stop)
        for number, (ordered, found_by) in enumerate(entries):
            self._first[topic] = ordered
            if number == limit:
                return now_ms
            kept = self._committer.get(found_by)
            until_ms, sequence, _ = _unpack(kept) if kept else (0, 0, b"")
            is_this = ordered == keys.kept_order_key(topic.id, sequence)
            if is_this and until_ms > now_ms:
                return until_ms
            if is_this:
                self._janitor.remove(topic, found_by, len(kept or b""))
            self._janitor.remove(topic, ordered, len(found_by))
            topic.kept_keys -= 1
            self._count -= 1
        return None


def _unpack(kept: bytes) -> tuple[int, int, bytes]:
    """Return until when it is kept, the number of the message, and the digest of its body."""
    try:
        if len(kept) == _KEPT_BEFORE.size:
            return *_KEPT_BEFORE.unpack(kept), b""
        until_ms, sequence, digest = _KEPT.unpack(kept)
    except error as cause:
        raise StorageCorrupt(f"the record of a key is cut short: {kept.hex()}") from cause
    return until_ms, sequence, digest
