"""What time does to entries, in slices: delays end, lives end."""

from collections.abc import Callable, Iterator
from operator import attrgetter

from miniqueue_py.broker.lifecycle import Move, State
from miniqueue_py.storage import fates
from miniqueue_py.storage.memory.due_entries import DueEntries
from miniqueue_py.storage.memory.shelf import Entry, Shelf


class Timetable:
    """Puts entries where their time decides, and moves them when it has come."""

    def __init__(self, on_ready: Callable[[str], None]) -> None:
        self._on_ready = on_ready
        self._delays = DueEntries(attrgetter("position"), _is_due)
        self._expiries = DueEntries(attrgetter("rank"), _is_over)
        self.expired = 0
        """Of all topics, since the start."""
        self._at: float | None = None
        """The instant whose moves are being made."""
        self._room: dict[Shelf, Iterator[int]] = {}
        """Positions at the front for what is due then."""

    def make_ready(self, entry: Entry) -> None:
        """Put an entry into its line, until its life ends."""
        entry.shelf.add_ready(entry)
        expires_ms = entry.message.extras.expires_ms
        if expires_ms is not None:
            self._expiries.set(entry, expires_ms)

    def put_aside(self, entry: Entry, until: float) -> None:
        entry.due_ms = fates.due_ms(entry.message, until)
        self._delays.set(entry, entry.due_ms)

    def expire(self, entry: Entry) -> None:
        entry.shelf.expired += 1
        self.expired += 1
        entry.leave(Move.EXPIRE)

    def begin(self, now: float) -> None:
        """Begin a release at that instant, or continue the one that is under way for it."""
        if now != self._at:
            self._at = now
            self._room.clear()

    def finish(self) -> None:
        """Take note that all of it is done."""
        self._at = None

    def end_delays(self, now_ms: int, limit: int) -> tuple[int, int]:
        """Put what is due to the front; say how many, and how many expired instead."""
        restored = expired = 0
        touched: dict[str, None] = {}
        while restored + expired < limit and (entry := self._delays.first(now_ms)):
            if entry.message.has_expired(now_ms):
                self.expire(entry)
                expired += 1
                continue
            shelf = entry.shelf
            if shelf not in self._room:
                self._room[shelf] = shelf.take_front()
            entry.move(Move.DUE)
            entry.position = next(self._room[shelf])
            self.make_ready(entry)
            touched[shelf.name] = None
            restored += 1
        for topic in touched:
            self._on_ready(topic)
        return restored, expired

    def end_lives(self, now_ms: int, limit: int) -> int:
        """Remove what is ready and has expired; say how many."""
        expired = 0
        while expired < limit and (entry := self._expiries.first(now_ms)):
            self.expire(entry)
            expired += 1
        return expired

    def clear(self) -> None:
        self._delays.clear()
        self._expiries.clear()


def _is_due(entry: Entry, at_ms: int) -> bool:
    return entry.state is State.DELAYED and entry.due_ms == at_ms


def _is_over(entry: Entry, at_ms: int) -> bool:
    return entry.state is State.READY and entry.message.extras.expires_ms == at_ms
