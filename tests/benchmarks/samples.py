"""Figures that nobody measured."""

from benchmarks.peers.report import Contestant, Report
from benchmarks.peers.sample import Sample

NAMES = ("ours, never", "ours, always", "before, never", "MiniQueue (Go)", "Redis")
WORKS = ("publish 12x1", "lock-step", "latency 100/s p50", "latency 100/s p99")
MORE_WORKS = ("latency 100/s p99.9", "disk", "ZapQ enqueue")
GROWTH = (
    "publish 12x10, topics: 1",
    "publish 12x10, topics: 10,000",
    "publish 12x10, topics: 200",
    "lock-step, waiting: 0",
)


def sample(run: int, contestant: str, work: str, value: float) -> Sample:
    return Sample(run, contestant, work, value, "own", 0.25, 0.75)


def report() -> Report:
    """A report in which everybody is a little faster than the one before, and each run too."""
    whole = Report.begin("0123456789ab", {"seconds": 4})
    whole.contestants.append(Contestant("Redis", "7.0", "appendonly yes", "COUNT"))
    for run in (1, 2, 3):
        for place, name in enumerate(NAMES, 1):
            for work in (*WORKS, *MORE_WORKS):
                whole.samples.append(sample(run, name, work, 1000.0 * place + run))
        for place, work in enumerate((*GROWTH, "lock-step, waiting: 1,000,000"), 1):
            whole.samples.append(sample(run, NAMES[0], work, 1000.0 * place))
    return whole
