"""Messages set aside: written under the instant they are due, taken when it has come.

The next instant is known, so a tick with nothing due reads nothing. Below the
last one that was looked at lie deleted keys only, slow to step over: reading
begins there.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from miniqueue_py.storage.leveldb import keys
from miniqueue_py.storage.leveldb.catalogue import TopicState
from miniqueue_py.storage.leveldb.committer import Committer


class Due(NamedTuple):
    """A message whose delay is over."""

    topic_id: int
    key: bytes
    record: bytes


class Delays:
    """What is set aside, of all topics, in due order."""

    def __init__(self, committer: Committer) -> None:
        self._committer = committer
        self._next_ms = 0
        self._floor_ms = 0

    @property
    def dead_before(self) -> bytes:
        """Return a key of the delayed space that only deleted ones lie below."""
        return keys.delayed_key(self._floor_ms, 0, 0)

    def put_aside(self, topic: TopicState, position: int, until: float, record: bytes) -> None:
        """Write a record under the instant it is due; positions keep equal ones in order."""
        due_ms = min(math.ceil(until * 1000), keys.LAST_MOMENT_MS)
        self._next_ms = min(self._next_ms, due_ms)
        self._floor_ms = min(self._floor_ms, due_ms)
        self._committer.put(topic, keys.delayed_key(due_ms, topic.id, position), record)

    def read_due(self, now: float) -> Sequence[Due]:
        """Return what is due, the earliest first; whoever takes it deletes its key."""
        now_ms = int(now * 1000)
        if now_ms < self._next_ms:
            return ()
        due: list[Due] = []
        next_ms = keys.LAST_MOMENT_MS
        for key, record in self._committer.read(self.dead_before, keys.DOOMED):
            due_ms, topic_id, _ = keys.delayed_fields(key)
            if due_ms > now_ms:
                next_ms = due_ms
                break
            due.append(Due(topic_id, key, record))
        # Not before all is read: what a failed read left is looked for again.
        self._next_ms, self._floor_ms = next_ms, now_ms
        return due
