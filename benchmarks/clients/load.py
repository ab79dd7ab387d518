"""The same messages through a client library, in and out: what a program of its users can do.

In is from the first message to the last confirm, out from the subscription to
the last acknowledgement that the broker knows of. What would make a figure a
lie ends the run: a message that is not confirmed, a body that is not the next
one, a message that is left.

Each library has a module beside this one, run as a program of its own:
`python -m benchmarks.clients.ours PORT CA COUNT CREDIT` prints JSON.
"""

import gc
import json
import sys
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any

import uvloop

from benchmarks.peers.loads import make_bodies
from benchmarks.peers.sample import BrokenPromise

SIZE = 100
TOPIC = "work"


@dataclass(frozen=True)
class Load:
    """What a client carries in and out, and where the broker is."""

    port: int
    ca: str
    bodies: Sequence[bytes]
    credit: int

    @classmethod
    def of(cls, port: int, ca: str, count: int, credit: int) -> "Load":
        kinds = make_bodies(SIZE)
        return cls(port, ca, [kinds[i % len(kinds)] for i in range(count)], credit)


class Arrivals:
    """Looks at each body that comes out."""

    def __init__(self, load: Load) -> None:
        self.left = len(load.bodies)
        self._expected = iter(load.bodies)

    def take(self, body: bytes) -> None:
        if body != next(self._expected):
            raise BrokenPromise(f"a wrong body came, with {self.left} to come")
        self.left -= 1


class Stopwatch:
    """Says how long each way took, and how much of this process's time."""

    def __init__(self) -> None:
        self.ways: dict[str, dict[str, float]] = {}

    async def time(self, way: str, work: Coroutine[Any, Any, None]) -> None:
        gc.collect()
        start, processor = time.perf_counter(), time.process_time()
        await work
        seconds = time.perf_counter() - start
        self.ways[way] = {
            "seconds": seconds,
            "share": (time.process_time() - processor) / seconds,
        }


Carry = Callable[[Load, Stopwatch], Coroutine[Any, Any, None]]


def main(carry: Carry) -> None:
    """Do what the command line asks for, and print the times."""
    port, ca, count, credit = sys.argv[1:]
    watch = Stopwatch()
    uvloop.run(carry(Load.of(int(port), ca, int(count), int(credit)), watch))
    print(json.dumps(watch.ways))


def promise(is_kept: bool, broken: str) -> None:
    """Raise BrokenPromise, unless it is kept."""
    if not is_kept:
        raise BrokenPromise(broken)
