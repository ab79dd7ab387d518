"""One topic of the memory engine: its messages, its line, what is known of its past."""

from collections.abc import Iterator, Sequence
from heapq import heapify, heappop, heappush, nsmallest
from itertools import count
from operator import attrgetter

from miniqueue_py.broker.delivery import Delivery
from miniqueue_py.broker.lifecycle import MOVES, Move, State
from miniqueue_py.broker.message import Message, MessageId
from miniqueue_py.broker.policy import DEFAULT_POLICY
from miniqueue_py.broker.storage import TopicStatistics
from miniqueue_py.storage.memory.kept import Kept


class Entry:
    """A message and where it is."""

    __slots__ = ("due_ms", "holder", "message", "position", "shelf", "state")

    def __init__(self, shelf: "Shelf", message: Message, position: int) -> None:
        self.shelf = shelf
        self.message = message
        self.position = position
        self.state = State.READY
        self.due_ms = 0
        self.holder: Delivery | None = None
        shelf.enter(self)

    @property
    def rank(self) -> tuple[int, int]:
        """What its place in line goes by."""
        return -self.message.extras.priority, self.position

    @property
    def standing(self) -> tuple[int, int]:
        """What it is shown by among those of its state."""
        return (self.due_ms, self.position) if self.state is State.DELAYED else self.rank

    def move(self, move: Move) -> None:
        self.shelf.counts[self.state] -= 1
        self.state = MOVES[self.state, move]
        self.shelf.counts[self.state] += 1

    def leave(self, move: Move) -> None:
        """Be gone."""
        self.move(move)
        self.holder = None
        self.shelf.remove(self)


class Shelf:
    """The entries of a topic, the line of those that are ready, and the keys it knows."""

    def __init__(self, name: str, number: int) -> None:
        self.name = name
        self.number = number
        self.policy = DEFAULT_POLICY
        self.entries: set[Entry] = set()
        self.counts = dict.fromkeys(State, 0)
        self.bytes = 0
        self.keys: Kept[tuple[MessageId, bytes]] = Kept()
        """Which message is stored under each, and the digest of its body."""
        self.batches: Kept[int] = Kept()
        self.published = self.delivered = self.acknowledged = self.expired = self.buried = 0
        self._front = 1
        self._back = 0
        self._ready: list[tuple[int, int, Entry]] = []

    def next_id(self) -> MessageId:
        """Return the id that the next message published here will have."""
        return self.number, self._back + 1

    def next_back(self) -> int:
        self._back += 1
        return self._back

    def take_front(self) -> Iterator[int]:
        """Return positions before everything, more than anybody uses up."""
        self._front -= 1 << 64
        return count(self._front)

    def enter(self, entry: Entry) -> None:
        """Take in an entry, in whatever state it is."""
        self.entries.add(entry)
        self.counts[entry.state] += 1
        self.bytes += len(entry.message.body)

    def remove(self, entry: Entry) -> None:
        """Let go of an entry, in whatever state it is."""
        self.entries.remove(entry)
        self.counts[entry.state] -= 1
        self.bytes -= len(entry.message.body)

    def add_ready(self, entry: Entry) -> None:
        heappush(self._ready, (*entry.rank, entry))

    def pop_ready(self) -> Entry | None:
        """Take the first in line out of it; what expired meanwhile still stands there."""
        while self._ready:
            entry = heappop(self._ready)[2]
            if entry.state is State.READY:
                return entry
        return None

    def leave_line(self, entries: Sequence[Entry]) -> None:
        """Take these out of the line, wherever they stand."""
        leaving = set(entries)
        self._ready = [each for each in self._ready if each[2] not in leaving]
        heapify(self._ready)

    def first_ready(self, limit: int, now_ms: int) -> list[Entry]:
        """Return the first in line, without what has expired."""
        ready = [entry for entry in self.entries if entry.state is State.READY]
        live = [entry for entry in ready if not entry.message.has_expired(now_ms)]
        return nsmallest(limit, live, key=attrgetter("rank"))

    def all_of(self, state: State, after: tuple[int, int] | None) -> list[Entry]:
        """Return what is in a state, in order, behind that standing."""
        entries = [entry for entry in self.entries if entry.state is state]
        entries.sort(key=attrgetter("standing"))
        return [entry for entry in entries if after is None or entry.standing > after]

    def statistics(self) -> TopicStatistics:
        return TopicStatistics(
            ready=self.counts[State.READY],
            in_flight=self.counts[State.LEASED],
            delayed=self.counts[State.DELAYED],
            bytes=self.bytes,
            published=self.published,
            delivered=self.delivered,
            acknowledged=self.acknowledged,
            expired=self.expired,
            buried=self.buried,
        )

    def oldest_ms(self) -> int | None:
        """Return when the oldest of the first of each priority was published."""
        first: dict[int, Entry] = {}
        for entry in self.entries:
            if entry.state in (State.READY, State.LEASED):
                priority = entry.message.extras.priority
                before = first.setdefault(priority, entry)
                first[priority] = min(before, entry, key=attrgetter("position"))
        return min((entry.message.published_ms or 0 for entry in first.values()), default=None)

    def forget(self, now: float, limit: int) -> int:
        """Forget keys and counts whose time is over, at most `limit`; say how many."""
        forgotten = self.keys.forget(now, limit)
        return forgotten + self.batches.forget(now, limit - forgotten)
