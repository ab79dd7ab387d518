"""From the figures of several runs to ratios and their spread. Nothing is measured here."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from benchmarks.peers.sample import Sample


@dataclass(frozen=True)
class Spread:
    """The median of some runs, and how far they go."""

    median: float
    low: float
    high: float
    runs: int

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread | None":
        if not values:
            return None
        return cls(median(values), min(values), max(values), len(values))


class Figures:
    """The figures of all runs, to be asked for."""

    def __init__(self, samples: Iterable[Sample]) -> None:
        self.samples = list(samples)
        self._by_name: dict[tuple[str, str], dict[int, float]] = {}
        for sample in self.samples:
            runs = self._by_name.setdefault((sample.contestant, sample.work), {})
            runs[sample.run] = sample.value

    def contestants(self) -> list[str]:
        """Return who has a figure, in the order in which they came."""
        return list(dict.fromkeys(sample.contestant for sample in self.samples))

    def works(self) -> list[str]:
        return list(dict.fromkeys(sample.work for sample in self.samples))

    def value(self, contestant: str, work: str) -> Spread | None:
        return Spread.of(list(self._by_name.get((contestant, work), {}).values()))

    def ratio(self, one: str, other: str, work: str, of: str | None = None) -> Spread | None:
        """Return how one stands to another, by runs: only what was measured in the same run counts.

        With `of` the other's work is a different one.
        """
        ones = self._by_name.get((one, work), {})
        others = self._by_name.get((other, of or work), {})
        ratios = [ones[run] / others[run] for run in sorted(ones) if others.get(run)]
        return Spread.of(ratios)

    def shares(self, contestant: str, work: str) -> tuple[float, float | None] | None:
        """Return the medians of the generator's and the server's share of a core."""
        own = [s for s in self.samples if (s.contestant, s.work) == (contestant, work)]
        generators = [s.generator_share for s in own if s.generator_share is not None]
        servers = [s.server_share for s in own if s.server_share is not None]
        if not generators:
            return None
        return median(generators), median(servers) if servers else None
