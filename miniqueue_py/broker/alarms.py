"""Who is to be looked at, and when.

Everybody has one alarm, the earliest that was set. So a look at the clock
costs what is due and no more, however many wait for their time.
"""

from heapq import heapify, heappop, heappush
from itertools import count
from math import inf
from typing import Generic, TypeVar

Key = TypeVar("Key")

_FEW = 64
"""Alarms that went with their owners and may lie around, beside as many as are in use."""


class Alarms(Generic[Key]):
    """Instants, in seconds, by whom they are for."""

    def __init__(self) -> None:
        self._at: dict[Key, float] = {}
        self._heap: list[tuple[float, int, Key]] = []
        self._tie = count()

    def __len__(self) -> int:
        return len(self._at)

    def set(self, key: Key, at: float) -> None:
        """Go off at that instant, unless one is set that is earlier."""
        if at < self._at.get(key, inf):
            self._at[key] = at
            heappush(self._heap, (at, next(self._tie), key))
            self._tidy()

    def drop(self, key: Key) -> None:
        """Forget somebody's alarm, if there is one."""
        self._at.pop(key, None)
        self._tidy()

    @property
    def first(self) -> float | None:
        """When the next goes off, if any is set."""
        while self._heap:
            at, _, key = self._heap[0]
            if self._at.get(key) == at:
                return at
            heappop(self._heap)
        return None

    def pop_due(self, now: float) -> Key | None:
        """Return somebody whose alarm goes off, the earliest first; it is not set any more."""
        while self._heap and self._heap[0][0] <= now:
            at, _, key = heappop(self._heap)
            if self._at.get(key) == at:
                del self._at[key]
                return key
        return None

    def _tidy(self) -> None:
        if len(self._heap) > 2 * len(self._at) + _FEW:
            self._heap = [each for each in self._heap if self._at.get(each[2]) == each[0]]
            heapify(self._heap)
