"""What a run measured, and how it is shown beside the goals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Plan:
    """How hard to drive, and when to stop: at a time or a count."""

    seconds: int
    connections: int = 12
    lanes: int = 1
    limit: int = 2_000_000

    def __str__(self) -> str:
        return f"{self.connections} x {self.lanes}"


@dataclass(frozen=True)
class Figures:
    """One line of the table."""

    work: str
    count: int
    seconds: float
    latencies: Sequence[float] = field(repr=False)

    @property
    def rate(self) -> float:
        return self.count / self.seconds if self.seconds else 0.0

    def percentile(self, share: float) -> float:
        """Give the latency, in seconds, that this share of all stayed under."""
        if not self.latencies:
            return 0.0
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def print_table(figures: Sequence[Figures], goals: Mapping[str, str]) -> None:
    """Print the figures, and beside each what is known of the same work."""
    rows = [("work", "count", "per second", "p50", "p99", "speed.md")]
    rows += [
        (
            line.work,
            f"{line.count:,}",
            f"{line.rate:,.0f}",
            f"{line.percentile(0.50) * 1e6:,.0f} us",
            f"{line.percentile(0.99) * 1e6:,.0f} us",
            goals.get(line.work, ""),
        )
        for line in figures
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:-1], strict=True)]
        print("  ".join([*cells, row[-1]]))
