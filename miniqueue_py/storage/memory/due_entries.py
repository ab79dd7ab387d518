"""What is to happen to entries, by instant."""

from collections.abc import Callable
from heapq import heapify, heappop, heappush
from typing import Any

from miniqueue_py.storage.memory.shelf import Entry

_Alarm = tuple[int, int, Any, Entry]
"""An instant, and what keeps the order among equal ones: the topic's number and a place."""

FEW = 1000
"""Entries that are no trouble, whatever they are worth."""


class DueEntries:
    """A heap of entries that come up at an instant.

    One that does not count any more is not looked for. It is passed over when
    its instant comes, or goes when such make up half of the heap.
    """

    def __init__(
        self, place: Callable[[Entry], Any], does_count: Callable[[Entry, int], bool]
    ) -> None:
        self._place = place
        self._does_count = does_count
        self._heap: list[_Alarm] = []
        self._tidy_at = FEW

    def set(self, entry: Entry, at_ms: int) -> None:
        heappush(self._heap, (at_ms, entry.shelf.number, self._place(entry), entry))
        if len(self._heap) > self._tidy_at:
            self._tidy()

    def first(self, now_ms: int) -> Entry | None:
        """Return the entry whose instant came first; it stays until it does not count."""
        while self._heap and self._heap[0][0] <= now_ms:
            if self._counts(self._heap[0]):
                return self._heap[0][3]
            heappop(self._heap)
        return None

    def clear(self) -> None:
        self._heap.clear()

    def _counts(self, alarm: _Alarm) -> bool:
        at_ms, _, place, entry = alarm
        return bool(self._place(entry) == place) and self._does_count(entry, at_ms)

    def _tidy(self) -> None:
        self._heap = list(filter(self._counts, set(self._heap)))
        heapify(self._heap)
        self._tidy_at = 2 * len(self._heap) + FEW
