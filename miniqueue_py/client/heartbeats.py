"""Streams on which nothing is said any more, though nobody ended them.

A connection asks for a sign of life too, but a proxy answers that by itself:
only what the broker says on the stream has come all the way.
"""

from collections.abc import Callable
from typing import Protocol

import anyio

HEARTBEAT_SECONDS = 20.0
"""After so long the broker shows on a quiet stream that it lives: nginx waits for 60."""

MOST_MISSED = 3
"""Heartbeats in a row that did not come, nor anything else; one may be late, or two."""


class Watched(Protocol):
    """One stream."""

    def count_silence(self) -> int:
        """Return how many times in a row nothing had come since the call before."""
        ...

    def fail(self, cause: str) -> None: ...


async def watch(current: Callable[[], Watched | None]) -> None:
    """Fail whatever is the current stream when it misses heartbeats, until cancelled."""
    while True:
        await anyio.sleep(HEARTBEAT_SECONDS)
        stream = current()
        if stream is not None and stream.count_silence() >= MOST_MISSED:
            stream.fail(f"nothing came on the stream for {MOST_MISSED * HEARTBEAT_SECONDS:g} s")
