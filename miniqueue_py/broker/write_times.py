"""How long a store's writes took: plain numbers, read when somebody asks."""

from bisect import bisect_left
from time import perf_counter
from typing import NamedTuple

BOUNDS_SECONDS = (
    *(0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025),
    *(0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0),
)


class Times:
    """A histogram that goes on."""

    __slots__ = ("began", "counts", "sum_seconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(BOUNDS_SECONDS) + 1)
        """How many took at most as long as the bound, and longer than the one before it;
        the last: longer than all."""
        self.sum_seconds = 0.0
        self.began: float | None = None
        """When the one that is under way began, by `perf_counter`."""

    def __repr__(self) -> str:
        return f"<Times, {sum(self.counts)} of them, {self.sum_seconds:.3f} s>"

    def note(self, seconds: float) -> None:
        self.counts[bisect_left(BOUNDS_SECONDS, seconds)] += 1
        self.sum_seconds += seconds

    @property
    def under_way_seconds(self) -> float:
        """How long one has been under way; 0 if none is."""
        return 0.0 if self.began is None else perf_counter() - self.began


class WriteTimes(NamedTuple):
    """What went well, since the start; a write that failed is not among them."""

    commit: Times
    """Handing one batch to the store, which is in the page cache then."""
    fsync: Times
    """Putting on the disk what was written."""
