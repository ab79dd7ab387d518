"""One figure of one run, and the meter that takes it."""

import gc
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from benchmarks.peers.server import Server, client_seconds


class BrokenPromise(Exception):
    """A broker answered something that a figure must not hide."""


@dataclass(frozen=True)
class Done:
    """What a load did."""

    count: int
    seconds: float
    generator: str = "own"
    """The program that made the load."""
    latencies: Sequence[float] = field(default=(), repr=False)

    @property
    def rate(self) -> float:
        return self.count / self.seconds if self.seconds else 0.0


@dataclass(frozen=True)
class Sample:
    """A figure: of a work, a contestant and a run.

    The shares are of one core. A generator near 100 % was measured itself.
    """

    run: int
    contestant: str
    work: str
    value: float
    generator: str = ""
    generator_share: float | None = None
    server_share: float | None = None


class Meter:
    """The processor time of both sides, from its making to its reading."""

    def __init__(self, server: Server) -> None:
        gc.collect()
        self._server = server
        self._start = time.perf_counter()
        self._client = client_seconds()
        self._broker = server.cpu_seconds()

    def shares(self) -> tuple[float, float]:
        """Return generator's and broker's share of a core."""
        elapsed = time.perf_counter() - self._start
        broker = self._server.cpu_seconds() - self._broker
        return (client_seconds() - self._client) / elapsed, broker / elapsed


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that this share of all stayed under."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]
