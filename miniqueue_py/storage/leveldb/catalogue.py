"""The topics of a database: their ids, positions, counters and windows.

A topic has a number, given when it is first published to. Its record is
written once per batch that touches it, so opening a database of any size
reads one small record a topic, and counts are exact.
"""

from collections.abc import Iterable, Iterator
from struct import Struct

from miniqueue_py.broker.delivery import Delivery
from miniqueue_py.errors import StorageCorrupt
from miniqueue_py.storage.leveldb import keys
from miniqueue_py.storage.leveldb.window import Window

_RECORD = Struct(">BQQQQQ14s")
_FORMAT = 1


class TopicState:
    """One topic as the engine knows it; what is persistent of it fits one record."""

    __slots__ = (
        "_head",
        "_head_is_due",
        "back",
        "delayed",
        "front",
        "id",
        "is_dead",
        "leased",
        "name",
        "size",
        "stored",
        "unconfirmed",
        "window",
    )

    def __init__(self, topic_id: int, name: str) -> None:
        self.id = topic_id
        self.name = name
        self.front = self.back = keys.MIDDLE
        self.stored = 0
        """Messages ready, in flight or being written."""
        self.delayed = 0
        self.size = 0
        """Bytes of all its bodies."""
        self.leased: dict[bytes, Delivery] = {}
        self.unconfirmed: dict[bytes, bytes] = {}
        """Records that are written and not yet durable, by key, in key order."""
        self.is_dead = False
        """True once it was purged: what still refers to it changes nothing."""
        self._head = keys.message_key(topic_id, keys.MIDDLE)
        self._head_is_due = 0
        self.window = Window(horizon=keys.message_range(topic_id)[0])

    def __repr__(self) -> str:
        return f"<TopicState {self.id} {self.name!r}, {self.ready} ready>"

    @property
    def ready(self) -> int:
        return self.stored - len(self.leased) - len(self.unconfirmed)

    def next_back_key(self) -> bytes:
        """Take the next position behind everything."""
        position = self.back
        self.back += 1
        return keys.message_key(self.id, position)

    def next_front_keys(self, count: int) -> Iterable[bytes]:
        """Take `count` positions before everything, in the order they will be served."""
        self.front -= count
        self._head = min(self._head, keys.message_key(self.id, self.front))
        return (keys.message_key(self.id, self.front + index) for index in range(count))

    def dead_range(self) -> tuple[bytes, bytes]:
        """Return the range that holds little else than deleted keys."""
        start, stop = keys.message_range(self.id)
        return start, self.window.first_key or min(self.window.horizon, stop)

    def encode(self) -> bytes:
        """Return the record to write."""
        return (
            _RECORD.pack(
                _FORMAT, self.front, self.back, self.stored, self.delayed, self.size, self.head()
            )
            + self.name.encode()
        )

    @classmethod
    def decode(cls, key: bytes, record: bytes) -> "TopicState":
        """Return the topic as it was written. Raises StorageCorrupt."""
        if len(record) <= _RECORD.size or record[0] != _FORMAT:
            raise StorageCorrupt(f"the topic record {key.hex()} is in no known format")
        _, front, back, stored, delayed, size, head = _RECORD.unpack_from(record)
        state = cls(keys.topic_id_of(key), record[_RECORD.size :].decode())
        state.front, state.back = front, back
        state.stored, state.delayed, state.size = stored, delayed, size
        state._head = head
        state.window = Window(horizon=_just_below(state._head))
        return state

    def head(self) -> bytes:
        """Return a key that no live message lies below.

        It is exact when nothing is in flight. Otherwise it is looked for only
        now and then, since that costs a pass over what is in flight.
        """
        if self.leased:
            self._head_is_due -= 1
            if self._head_is_due > 0:
                return self._head
            self._head_is_due = len(self.leased)
        candidates = [min(self.leased)] if self.leased else []
        if self.window.first_key is not None:
            candidates.append(self.window.first_key)
        elif not self.window.holds_all:
            candidates.append(self.window.horizon)
        candidates.append(next(iter(self.unconfirmed), keys.message_key(self.id, self.back)))
        self._head = max(self._head, min(candidates))
        return self._head


class Catalogue:
    """The topics by name and by id."""

    def __init__(self) -> None:
        self._by_name: dict[str, TopicState] = {}
        self._by_id: dict[int, TopicState] = {}
        self._next_id = 1

    def __iter__(self) -> Iterator[TopicState]:
        return iter(self._by_name.values())

    def get(self, name: str) -> TopicState | None:
        return self._by_name.get(name)

    def with_id(self, topic_id: int) -> TopicState | None:
        return self._by_id.get(topic_id)

    def open(self, name: str) -> TopicState:
        """Return the topic, made now if it is new."""
        state = self._by_name.get(name)
        if state is None:
            state = TopicState(self._next_id, name)
            self.add(state)
        return state

    def add(self, state: TopicState) -> None:
        """Enter a topic that was read."""
        self._by_name[state.name] = self._by_id[state.id] = state
        self.reserve(state.id)

    def reserve(self, topic_id: int) -> None:
        """Never give that id to a new topic."""
        self._next_id = max(self._next_id, topic_id + 1)

    def remove(self, state: TopicState) -> None:
        """Strike a topic out; its name may be opened anew, under another id."""
        state.is_dead = True
        del self._by_name[state.name], self._by_id[state.id]


def _just_below(key: bytes) -> bytes:
    """Return a horizon from which `key` is the first that counts as beyond."""
    return (int.from_bytes(key, "big") - 1).to_bytes(len(key), "big")
