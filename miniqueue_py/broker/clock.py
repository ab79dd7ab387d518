"""The only door to time.

Instants are seconds since the epoch, because a delay must outlive a restart.
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
        """Return the instant, in seconds since the epoch."""
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

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        return asyncio.get_running_loop().call_later(seconds, callback)
