"""What a run measured, and how it is shown beside the goals."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

UNLIMITED = 2**62


@dataclass(frozen=True)
class Peer:
    """The process that is measured, and where it listens on loopback."""

    port: int
    ca: Path
    pid: int


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
    latencies: Sequence[float] = field(default=(), repr=False)
    client_share: float = 0.0
    broker_share: float = 0.0

    @property
    def rate(self) -> float:
        return self.count / self.seconds if self.seconds else 0.0

    def percentile(self, share: float) -> float:
        """Give the latency, in seconds, that this share of all stayed under."""
        ordered = sorted(self.latencies)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))]

    def show_percentile(self, share: float) -> str:
        return f"{self.percentile(share) * 1e6:,.0f} us" if self.latencies else ""


def print_table(figures: Sequence[Figures], goals: Mapping[str, str]) -> None:
    """Print the figures, and beside each what is known of the same work.

    The shares are of one core; the side that is near 100 % is what was measured.
    """
    rows = [("work", "count", "per second", "p50", "p99", "client", "broker", "speed.md")]
    rows += [
        (
            line.work,
            f"{line.count:,}",
            f"{line.rate:,.0f}",
            line.show_percentile(0.50),
            line.show_percentile(0.99),
            f"{line.client_share:.0%}",
            f"{line.broker_share:.0%}",
            goals.get(line.work, ""),
        )
        for line in figures
    ]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = [row[0].ljust(widths[0])]
        cells += [cell.rjust(width) for cell, width in zip(row[1:-1], widths[1:-1], strict=True)]
        print("  ".join([*cells, row[-1]]))
