"""The same messages through one broker after another: what is done, and what it cost.

In is from the first message to the last confirm, out from the subscription to
the last acknowledgement that the broker knows of. What would make a figure a
lie ends the run: a message that is not confirmed, a body that is not the next
one, a message that is left.
"""

import gc
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.processor import client_seconds, process_seconds
from benchmarks.streams import BrokenPromise, make_lines

_KINDS_BYTES = 1 << 20


@dataclass(frozen=True)
class Load:
    """What each client carries in and out."""

    bodies: Sequence[bytes]
    credit: int
    limit_seconds: int
    """For one way. Who needs longer is given up."""

    @classmethod
    def of(cls, count: int, size: int, credit: int, limit_seconds: int) -> "Load":
        """Make the messages: a MiB of different ones, again and again."""
        lines, _ = make_lines(size, _KINDS_BYTES)
        kinds = lines.split(b"\n")[:-1]
        return cls([kinds[i % len(kinds)] for i in range(count)], credit, limit_seconds)


@dataclass(frozen=True)
class Crossing:
    """One way of one client, as a line of the table."""

    client: str
    work: str
    count: int
    seconds: float
    client_seconds: float
    server_seconds: float

    @property
    def rate(self) -> float:
        return self.count / self.seconds

    def for_100_000(self, seconds: float) -> float:
        return seconds / self.count * 100_000


Tell = Callable[[Crossing], None]
"""What is done with a line when it is known."""


class Stopwatch:
    """Time, and processor time of both sides, from its making on."""

    def __init__(self, client: str, server_pid: int) -> None:
        gc.collect()
        self._client = client
        self._server_pid = server_pid
        self._server_began = process_seconds(server_pid)
        self._client_began = client_seconds()
        self._began = time.perf_counter()

    def read(self, work: str, count: int) -> Crossing:
        return Crossing(
            self._client,
            work,
            count,
            time.perf_counter() - self._began,
            client_seconds() - self._client_began,
            process_seconds(self._server_pid) - self._server_began,
        )


class Arrivals:
    """Looks at each body that comes out."""

    def __init__(self, load: Load) -> None:
        self.left = len(load.bodies)
        self._expected = iter(load.bodies)

    def take(self, body: bytes) -> None:
        if body != next(self._expected):
            raise BrokenPromise(f"a wrong body came, with {self.left} to come")
        self.left -= 1


def promise(is_kept: bool, broken: str) -> None:
    """Raise BrokenPromise, unless it is kept."""
    if not is_kept:
        raise BrokenPromise(broken)
