"""Idempotency keys: what was published under which, for a while.

Two records a key: one to find it by, and one in the order of publishing, to
forget it by. How many a topic keeps is bounded: past that the oldest go early,
some at a time, since looking for the oldest costs an iterator.
"""

from collections.abc import Iterator
from struct import Struct, error

from miniqueue_py.broker.message import MessageId
from miniqueue_py.errors import StorageCorrupt
from miniqueue_py.storage.bounds import MAX_KEYS
from miniqueue_py.storage.leveldb import keys
from miniqueue_py.storage.leveldb.committer import Committer
from miniqueue_py.storage.leveldb.janitor import Janitor
from miniqueue_py.storage.leveldb.topic_state import TopicState

_KEPT = Struct(">QQ")

KEPT_BYTES = 2 * len(keys.kept_key(0, "")) + len(keys.kept_order_key(0, 0)) + _KEPT.size
"""What one takes on disk."""

SLACK = MAX_KEYS // 100
"""So many more than the bound are let gather before the oldest are looked for."""


class KeptKeys:
    """The keys of all topics."""

    def __init__(self, committer: Committer, janitor: Janitor) -> None:
        self._committer = committer
        self._janitor = janitor
        self._holders: dict[TopicState, bytes] = {}
        """Who has any, and below which key of the order nothing is left."""
        self._next_ms: dict[TopicState, int] = {}
        """Before when none of a topic's is over."""

    @property
    def size(self) -> int:
        """What they take on disk."""
        return KEPT_BYTES * sum([topic.kept_keys for topic in self._holders])

    def hold(self, topic: TopicState) -> None:
        """Take note of a topic that was read and has keys."""
        if topic.kept_keys:
            self._holders[topic] = keys.kept_order_key(topic.id, 0)

    def find(self, topic: TopicState, key: str, now: float) -> MessageId | None:
        """Return what was published under the key, if that is still to be remembered."""
        kept = self._committer.get(keys.kept_key(topic.id, key)) if topic.kept_keys else None
        if kept is None:
            return None
        until_ms, sequence = _unpack(kept)
        return (topic.id, sequence) if until_ms > round(now * 1000) else None

    def keep(self, topic: TopicState, key: str, sequence: int, until: float) -> None:
        """Remember what is published under the key."""
        found_by = keys.kept_key(topic.id, key)
        self._committer.put(topic, found_by, _KEPT.pack(round(until * 1000), sequence))
        self._committer.put(topic, keys.kept_order_key(topic.id, sequence), found_by)
        topic.kept_keys += 1
        self._holders.setdefault(topic, keys.kept_order_key(topic.id, 0))
        if topic.kept_keys > MAX_KEYS + SLACK:
            for _ in self._oldest(topic, LATER_MS, topic.kept_keys - MAX_KEYS):
                continue

    def forget(self, now: float, limit: int) -> int:
        """Forget keys whose time is over, at most `limit`; say how many."""
        now_ms = round(now * 1000)
        forgotten = 0
        for topic in list(self._holders):
            if topic.is_dead or not topic.kept_keys:
                del self._holders[topic]
                self._next_ms.pop(topic, None)
            elif self._next_ms.get(topic, 0) <= now_ms:
                forgotten += sum(1 for _ in self._oldest(topic, now_ms, limit - forgotten))
        return forgotten

    def _oldest(self, topic: TopicState, now_ms: int, limit: int) -> Iterator[None]:
        """Forget a topic's oldest keys that are over, one with each step."""
        if limit <= 0:
            return
        self._committer.flush()
        _, stop = keys.range_of(keys.KEPT_ORDER, topic.id)
        entries = self._committer.read(self._holders[topic], stop)
        for number, (ordered, found_by) in enumerate(entries):
            self._holders[topic] = ordered
            if number == limit:
                return
            kept = self._committer.get(found_by)
            until_ms, sequence = _unpack(kept) if kept else (0, 0)
            is_this = ordered == keys.kept_order_key(topic.id, sequence)
            if is_this and until_ms > now_ms:
                self._next_ms[topic] = until_ms
                return
            if is_this:
                self._janitor.remove(topic, found_by, _KEPT.size)
            self._janitor.remove(topic, ordered, len(found_by))
            topic.kept_keys -= 1
            yield
        self._next_ms.pop(topic, None)


def _unpack(kept: bytes) -> tuple[int, int]:
    try:
        until_ms, sequence = _KEPT.unpack(kept)
    except error as cause:
        raise StorageCorrupt(f"the record of a key is cut short: {kept.hex()}") from cause
    return until_ms, sequence


LATER_MS = keys.LAST_MOMENT_MS
"""An instant at which every key is over."""
