"""Looking through a topic: what is ready, in flight, or set aside; a part in each turn.

Nothing is moved by it. Where it goes on is the last key that was looked at.
"""

from collections.abc import Iterable, Iterator
from heapq import nsmallest
from typing import assert_never

from miniqueue_py.broker.lifecycle import State
from miniqueue_py.broker.message import Message
from miniqueue_py.broker.storage import Look, Sight
from miniqueue_py.storage.ordered.agenda import Agendas
from miniqueue_py.storage.ordered.layout import keys
from miniqueue_py.storage.ordered.line import Line
from miniqueue_py.storage.ordered.topic_state import TopicState
from miniqueue_py.storage.ordered.writing.committer import Committer

MOST_LOOKED_AT = 1000
"""Records that are read in a turn, others' and expired ones included."""

ENOUGH_BYTES_LOOKED_AT = 1 << 22
"""And of these no further one behind so many bytes."""

_Seen = tuple[bytes, int, Message | None]
"""A key, the size of what is under it, and the message if it is one of the topic's."""


class Looking:
    """Shows what is where."""

    def __init__(self, committer: Committer, line: Line, agendas: Agendas) -> None:
        self._committer = committer
        self._line = line
        self._agendas = agendas

    def look(  # noqa: PLR0913, PLR0917  see Storage
        self, topic: TopicState, state: State, limit: int, max_bytes: int, now_ms: int, after: bytes
    ) -> Look:
        """Return some of what is in a state behind a key; see `Storage.look`."""
        seen: Iterable[_Seen] = ()
        match state:
            case State.READY:
                seen = self._ready(topic, after)
            case State.LEASED:
                seen = _leased(topic, after, limit + 1)
                now_ms = 0  # who holds it may still acknowledge it
            case State.DELAYED:
                seen = self._delayed(topic, after) if topic.delayed else ()
            case State.GONE:
                pass
            case _:
                assert_never(state)
        sights: list[Sight] = []
        size = 0
        for looked_at, (key, read, message) in enumerate(seen):
            is_enough = len(sights) >= limit or max_bytes <= 0
            if is_enough or looked_at == MOST_LOOKED_AT or size >= ENOUGH_BYTES_LOOKED_AT:
                return Look(sights, after)
            after = key
            size += read
            if message is not None and not message.has_expired(now_ms):
                due_ms = keys.delayed_fields(key)[0] if state is State.DELAYED else None
                sights.append(Sight(message, key, due_ms))
                max_bytes -= len(message.body)
        return Look(sights)

    def _ready(self, topic: TopicState, after: bytes) -> Iterator[_Seen]:
        for key, record in self._line.ready_behind(topic, after):
            yield key, len(record), self._line.read(topic, key, record)

    def _delayed(self, topic: TopicState, after: bytes) -> Iterator[_Seen]:
        """Yield all that is set aside, by when it is due: that of all topics lies together."""
        first, stop = self._agendas.delays.live_range
        for key, record in self._committer.read(max(first, after + b"\x00"), stop):
            _, topic_id, position = keys.delayed_fields(key)
            is_ours = topic_id == topic.id and key not in topic.hidden
            message = self._line.read_at(topic, position, record) if is_ours else None
            yield key, len(record), message


def _leased(topic: TopicState, after: bytes, limit: int) -> Iterable[_Seen]:
    for key in nsmallest(limit, (key for key in topic.leased if key > after)):
        message = topic.leased[key].message
        yield key, len(message.body), message
