"""The engine that keeps nothing: the reference reading of the storage verbs.

It is written to be obviously right, and every move it makes is one of the
table in `broker/lifecycle.py`. The model test holds the others to it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from typing import assert_never

from miniqueue_py.broker.delivery import Ack, Delay, Delivery, Outcome, Requeue
from miniqueue_py.broker.lifecycle import MOVES, Move, State
from miniqueue_py.broker.message import Message
from miniqueue_py.broker.storage import TopicStatistics, Totals
from miniqueue_py.errors import StorageUnavailable


@dataclass(slots=True, eq=False)
class _Entry:
    topic: str
    message: Message
    position: int
    state: State = State.READY
    holder: Delivery | None = None

    def move(self, move: Move) -> None:
        self.state = MOVES[self.state, move]

    def __lt__(self, other: "_Entry") -> bool:
        return self.position < other.position


@dataclass(slots=True)
class _Shelf:
    """The messages of one topic, by state."""

    front: int = 0
    back: int = 0
    entries: set[_Entry] = field(default_factory=set)
    ready: list[_Entry] = field(default_factory=list)
    in_flight: int = 0
    delayed: int = 0

    def next_front(self) -> int:
        self.front -= 1
        return self.front

    def next_back(self) -> int:
        self.back += 1
        return self.back


class MemoryStorage:
    """Messages in heaps; nothing outlives the process."""

    def __init__(self) -> None:
        self._shelves: dict[str, _Shelf] = {}
        self._delayed: list[tuple[float, int, _Entry]] = []
        self._on_ready: Callable[[str], None] = _nobody
        self._messages = 0
        self._bytes = 0

    def __repr__(self) -> str:
        return f"<MemoryStorage, {self._messages} messages>"

    @property
    def failure(self) -> StorageUnavailable | None:
        """Memory does not fail short of the process."""
        return None

    async def append(self, topic: str, messages: Sequence[Message]) -> None:
        shelf = self._shelves.setdefault(topic, _Shelf())
        for message in messages:
            entry = _Entry(topic, message, shelf.next_back())
            shelf.entries.add(entry)
            heappush(shelf.ready, entry)
            self._messages += 1
            self._bytes += len(message.body)
        self._on_ready(topic)

    def lease(self, topic: str, limit: int) -> Sequence[Delivery]:
        shelf = self._shelves.get(topic)
        deliveries: list[Delivery] = []
        while shelf and shelf.ready and len(deliveries) < limit:
            entry = heappop(shelf.ready)
            entry.move(Move.LEASE)
            entry.holder = Delivery(entry.message, entry)
            shelf.in_flight += 1
            deliveries.append(entry.holder)
        return deliveries

    def settle(self, deliveries: Sequence[Delivery], outcome: Outcome) -> Sequence[Delivery]:
        late: list[Delivery] = []
        ready: dict[str, None] = {}
        for delivery in deliveries:
            entry = delivery.receipt
            if not isinstance(entry, _Entry) or entry.holder is not delivery:
                late.append(delivery)
                continue
            entry.holder = None
            shelf = self._shelves[entry.topic]
            shelf.in_flight -= 1
            self._end(entry, shelf, outcome)
            if entry.state is State.READY:
                ready[entry.topic] = None
        for topic in ready:
            self._on_ready(topic)
        return late

    def release_due(self, now: float) -> int:
        due: list[_Entry] = []
        while self._delayed and self._delayed[0][0] <= now:
            due.append(heappop(self._delayed)[2])
        due = [entry for entry in due if entry.state is State.DELAYED]
        for entry in reversed(due):
            shelf = self._shelves[entry.topic]
            shelf.delayed -= 1
            entry.move(Move.DUE)
            entry.position = shelf.next_front()
            heappush(shelf.ready, entry)
        for topic in dict.fromkeys(entry.topic for entry in due):
            self._on_ready(topic)
        return len(due)

    async def purge(self, topic: str) -> None:
        shelf = self._shelves.pop(topic, None)
        if shelf is None:
            return
        for entry in shelf.entries:
            self._forget(entry, Move.PURGE)

    def topics(self) -> Sequence[str]:
        return list(self._shelves)

    def statistics(self, topic: str) -> TopicStatistics:
        shelf = self._shelves.get(topic, _Shelf())
        return TopicStatistics(len(shelf.ready), shelf.in_flight, shelf.delayed)

    def totals(self) -> Totals:
        return Totals(self._messages, self._bytes)

    def watch(self, on_ready: Callable[[str], None]) -> None:
        self._on_ready = on_ready

    async def aclose(self) -> None:
        self._shelves.clear()
        self._delayed.clear()

    def _end(self, entry: _Entry, shelf: _Shelf, outcome: Outcome) -> None:
        match outcome:
            case Ack():
                shelf.entries.remove(entry)
                self._forget(entry, Move.ACK)
            case Requeue(front):
                entry.move(Move.NACK if front else Move.BACK)
                if not front:
                    entry.position = shelf.next_back()
                heappush(shelf.ready, entry)
            case Delay(until):
                entry.move(Move.DACK)
                entry.message = entry.message.set_aside()
                shelf.delayed += 1
                heappush(self._delayed, (until, entry.position, entry))
            case _:
                assert_never(outcome)

    def _forget(self, entry: _Entry, move: Move) -> None:
        entry.move(move)
        entry.holder = None
        self._messages -= 1
        self._bytes -= len(entry.message.body)


def _nobody(_topic: str) -> None:
    """Stand in for the broker until it watches."""
