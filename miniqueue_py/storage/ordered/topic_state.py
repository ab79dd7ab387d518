"""One topic as the engine knows it: its number, positions, counters and window."""

from collections.abc import Sequence
from itertools import chain
from struct import Struct

from miniqueue_py.broker.delivery import Delivery
from miniqueue_py.broker.message import MessageId
from miniqueue_py.broker.policy import DEFAULT_POLICY
from miniqueue_py.broker.storage import TopicStatistics
from miniqueue_py.errors import StorageCorrupt
from miniqueue_py.storage.ordered.layout import keys
from miniqueue_py.storage.ordered.window import EVERYTHING, Window

_FORMAT = 2
_RECORD = Struct(">BQQQQQ14sQQQQQQ")
_OLD_FORMAT = 1
_OLD_RECORD = Struct(">BQQQQQ14s")

LATE_ROOM = 1 << 24
"""Positions for what is set aside, and comes due, while a release is under way."""


class TopicState:
    """What is persistent of it fits one record, written once per batch that touches it."""

    __slots__ = (
        "_head",
        "_head_is_due",
        "_runs",
        "acknowledged",
        "arriving",
        "back",
        "buried",
        "delayed",
        "delivered",
        "durable_policy",
        "expired",
        "front",
        "front_room",
        "hidden",
        "id",
        "is_dead",
        "is_unconfirmed",
        "kept_keys",
        "last_leased",
        "leased",
        "may_expire",
        "name",
        "plain_prefix",
        "policy",
        "published",
        "record_key",
        "size",
        "stored",
        "window",
    )

    def __init__(self, topic_id: int, name: str) -> None:
        self.id = topic_id
        self.name = name
        self.record_key = keys.topic_key(topic_id)
        self.plain_prefix = keys.message_prefix(topic_id)
        """What the keys of messages begin with that have no priority of their own."""
        self.policy = DEFAULT_POLICY
        self.durable_policy = DEFAULT_POLICY
        """What it is again if the one above cannot be stored."""
        self.front = self.back = keys.MIDDLE
        self.front_room = range(0)
        """Positions before everything that what comes due now may take."""
        self.stored = 0
        """Messages ready, in flight or being written."""
        self.delayed = 0
        self.size = 0
        """Bytes of all its bodies."""
        self.may_expire = False
        """True once one of its messages had a ttl, and for all that an earlier process made."""
        self.kept_keys = 0
        self.published = self.delivered = self.acknowledged = self.expired = self.buried = 0
        self.leased: dict[bytes, Delivery] = {}
        self.last_leased = b""
        """No key behind this one was ever handed out."""
        self.arriving = 0
        """Messages that will be ready when they are durable."""
        self.hidden: set[bytes] = set()
        """Keys that are written and not durable, or will never be."""
        self.is_dead = False
        """True once it was purged: what still refers to it changes nothing."""
        self.is_unconfirmed = False
        """True while it takes another's place: nothing is handed out until that is durable."""
        self._head = keys.message_key(topic_id, keys.MIDDLE)
        self._head_is_due = 0
        self._runs: dict[int, bytes] = {}
        """The lowest key of each list of what arrives, by the list's identity."""
        self.window = Window(horizon=keys.message_range(topic_id)[0])

    def __repr__(self) -> str:
        return f"<TopicState {self.id} {self.name!r}, {self.ready} ready>"

    @property
    def ready(self) -> int:
        return self.stored - len(self.leased) - self.arriving

    @property
    def statistics(self) -> TopicStatistics:
        return TopicStatistics(
            ready=self.ready,
            in_flight=len(self.leased),
            delayed=self.delayed,
            arriving=self.arriving,
            bytes=self.size,
            published=self.published,
            delivered=self.delivered,
            acknowledged=self.acknowledged,
            expired=self.expired,
            buried=self.buried,
        )

    def implied_id(self, position: int) -> MessageId:
        """Return the id of a message that was published under that position.

        Early versions moved messages before the middle and wrote no id with
        them: these go on from the other end, so that no two are the same.
        """
        return self.id, (position - keys.MIDDLE + 1) % keys.POSITIONS

    def id_at(self, message_key: bytes) -> MessageId:
        """Return the id of a message that was published under that key."""
        return self.id, (int.from_bytes(message_key[-8:], "big") - keys.MIDDLE + 1) % keys.POSITIONS

    def take_back(self) -> int:
        """Take a position behind everything."""
        self.back += 1
        return self.back - 1

    def reserve_front(self) -> None:
        """Take positions before everything for what may come due in one release."""
        room = self.delayed + LATE_ROOM
        self.front -= room
        self.front_room = range(self.front, self.front + room)

    def take_front(self) -> int | None:
        """Return the next of the reserved positions, or None if they are used up."""
        if not self.front_room:
            return None
        position = self.front_room[0]
        self.front_room = self.front_room[1:]
        return position

    def lease(self, taken: Sequence[bytes], deliveries: list[Delivery]) -> None:
        """Take note of who holds messages now; their keys are in order."""
        if taken:
            self.leased.update(zip(taken, deliveries, strict=True))
            self.last_leased = max(self.last_leased, taken[-1])
            self.delivered += len(taken)

    @property
    def first_hidden(self) -> bytes:
        """Return a key that nothing hidden lies below."""
        return min(self._runs.values(), default=EVERYTHING)

    def expect(self, arriving: Sequence[bytes]) -> None:
        """Take note of keys that are being written, in their order."""
        first = arriving[0]
        if first.startswith(keys.DELAYED):
            self.delayed += len(arriving)
            return
        self.stored += len(arriving)
        self.arriving += len(arriving)
        self._runs[id(arriving)] = first
        self._head = min(self._head, first)

    def confirm(self, arrived: Sequence[bytes]) -> bool:
        """Take note that they are durable; tell if they are ready now, and not delayed."""
        if self.hidden:
            self.hidden.difference_update(arrived)
        if arrived[0].startswith(keys.DELAYED):
            return False
        self.arriving -= len(arrived)
        del self._runs[id(arrived)]
        return True

    def refuse(self, refused: Sequence[bytes]) -> None:
        """Take messages out of the counts that could not be written.

        Whether the store has them is not known before a restart, so they stay hidden until then.
        """
        self.published -= len(refused)
        if keys.is_delayed(refused[0]):
            self.delayed -= len(refused)
        else:
            self.stored -= len(refused)
            self.arriving -= len(refused)

    def stand_at(self, key: bytes) -> None:
        """Take note that a live message is, or will be, under that key."""
        self._head = min(self._head, key)

    def dead_range(self) -> tuple[bytes, bytes]:
        """Return the range that holds little else than deleted keys."""
        start, stop = keys.message_range(self.id)
        return start, self.window.first_key or min(self.window.horizon, stop)

    def spaces(self) -> bytes:
        """Name the spaces of keys where something of it may be."""
        delayed = keys.DELAYED if self.delayed else b""
        expiries = keys.EXPIRIES if self.may_expire else b""
        return keys.MESSAGES + delayed + expiries + keys.SPACES_OF_KEPT

    def encode(self) -> bytes:
        """Return the record to write."""
        return (
            _RECORD.pack(
                _FORMAT,
                self.front,
                self.back,
                self.stored,
                self.delayed,
                self.size,
                self.head(),
                self.kept_keys,
                self.published,
                self.delivered,
                self.acknowledged,
                self.expired,
                self.buried,
            )
            + self.name.encode()
        )

    @classmethod
    def decode(cls, key: bytes, record: bytes) -> "TopicState":
        """Return the topic as it was written. Raises StorageCorrupt."""
        known = {_FORMAT: _RECORD, _OLD_FORMAT: _OLD_RECORD}.get(record[0] if record else 0)
        if known is None or len(record) <= known.size:
            raise StorageCorrupt(f"the topic record {key.hex()} is in no known format")
        _, front, back, stored, delayed, size, head, *counts = known.unpack_from(record)
        state = cls(keys.topic_id_of(key), record[known.size :].decode())
        state.front, state.back = front, back
        state.may_expire = True
        state.stored, state.delayed, state.size = stored, delayed, size
        if counts:
            state.kept_keys, state.published, state.delivered = counts[:3]
            state.acknowledged, state.expired, state.buried = counts[3:]
        state._head = head
        state.begin_anew()
        return state

    def begin_anew(self) -> None:
        """Give back what is in flight, and read what is ready from the disk, as after a start."""
        self.leased.clear()
        self.window = Window(horizon=keys.just_below(self._head))

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
        window = self.window
        lowest = window.entries[0][0] if window.entries else window.horizon
        if self._runs:
            lowest = min(lowest, *self._runs.values())
        if self.leased:
            lowest = min(lowest, *self.leased)
        if lowest == EVERYTHING:  # the topic is empty, and goes on here
            lowest = keys.message_key(self.id, self.back)
        self._head = max(self._head, lowest)
        return self._head

    def first_of_priorities(self) -> Sequence[bytes]:
        """Return the first live key of each priority, in order, as far as the window reaches.

        There may be others too, behind those.
        """
        lowest: dict[bytes, bytes] = {}
        shown = (key for key, _ in self.window)
        for key in chain(shown, self.leased, self._runs.values(), [self.window.horizon]):
            priority = keys.priority_of(key)
            if key < lowest.get(priority, EVERYTHING):
                lowest[priority] = key
        return sorted(lowest.values())
