"""How long what is held may be held.

Those of the same length end in the order in which they began, so each length
has a table that is its own queue, with an alarm for its first. So looking for
what is over costs what is, however many lengths there are.
"""

from collections.abc import Iterable
from typing import Generic, TypeVar

from miniqueue_py.broker.alarms import Alarms

Key = TypeVar("Key")


class Leases(Generic[Key]):
    """Ends of leases, by what is held; instants and lengths are seconds.

    The instants are monotonic readings: a lease is as long as it was said to be,
    whatever the calendar is set to.
    """

    def __init__(self) -> None:
        self._ends: dict[float, dict[Key, float]] = {}
        self._seconds: dict[Key, float] = {}
        self._alarms: Alarms[float] = Alarms()
        """Of each length: when its first is over, or earlier if that one went."""

    def __len__(self) -> int:
        return len(self._seconds)

    @property
    def first_end(self) -> float | None:
        """When the first of them is over, if there are any."""
        return min((next(iter(ends.values())) for ends in self._ends.values()), default=None)

    @property
    def next_look(self) -> float | None:
        """When the first of them may be over, if there are any: never later than it is."""
        return self._alarms.first

    def start(self, keys: Iterable[Key], seconds: float, now: float) -> None:
        """Begin a lease of each."""
        started = dict.fromkeys(keys, now + seconds)
        if not started:
            return
        self._ends.setdefault(seconds, {}).update(started)
        self._seconds.update(dict.fromkeys(started, seconds))
        self._alarms.set(seconds, now + seconds)

    def renew(self, key: Key, now: float) -> None:
        """Begin the lease anew, if there is one."""
        seconds = self._seconds.get(key)
        if seconds is not None:
            ends = self._ends[seconds]
            del ends[key]
            ends[key] = now + seconds

    def end(self, keys: Iterable[Key]) -> None:
        """End leases; nothing happens to what has none."""
        for key in keys:
            seconds = self._seconds.pop(key, None)
            if seconds is not None:
                ends = self._ends[seconds]
                del ends[key]
                if not ends:
                    del self._ends[seconds]
                    self._alarms.drop(seconds)

    def take_over(self, now: float, limit: int) -> list[Key]:
        """End up to `limit` leases that are over; return them."""
        over: list[Key] = []
        while len(over) < limit:
            seconds = self._alarms.pop_due(now)
            if seconds is None:
                break
            self._take_over(seconds, now, limit, over)
        return over

    def _take_over(self, seconds: float, now: float, limit: int, over: list[Key]) -> None:
        """End leases of that length that are over; set the alarm for the first that is not."""
        taken: list[Key] = []
        for key, until in self._ends[seconds].items():
            if until > now or len(over) + len(taken) == limit:
                self._alarms.set(seconds, until)
                break
            taken.append(key)
        self.end(taken)
        over += taken
