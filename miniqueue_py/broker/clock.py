"""The only door to time.

It has two readings. `now` is the machine's calendar: what is stored goes by it,
because a delay must outlive a restart. Somebody may set it, at any moment and by
any length. `monotonic` only goes forward, evenly: what lives in memory goes by
it. The instants of one mean nothing to the other.
"""

import asyncio
import time
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """What is to be called at some time."""

    def cancel(self) -> None:
        """Do not call it any more. Idempotent."""
        ...


class Clock(Protocol):
    """What the broker knows of time."""

    def now(self) -> float:
        """Return the instant, in seconds since the epoch; the clock may be set."""
        ...

    def monotonic(self) -> float:
        """Return the seconds since some instant; nobody can set it."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for that long."""
        ...

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        """Call it when that time has passed, and not before this returns."""
        ...


class SystemClock:
    """The machine's clock."""

    now = staticmethod(time.time)
    # Not CLOCK_BOOTTIME: while the machine sleeps nobody can renew a lease.
    monotonic = staticmethod(time.monotonic)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        return asyncio.get_running_loop().call_later(seconds, callback)
