"""The only door to time.

Instants are seconds since the epoch, because a delay must outlive a restart.
"""

import asyncio
import time
from typing import Protocol


class Clock(Protocol):
    """What the broker knows of time."""

    def now(self) -> float:
        """Return the instant, in seconds since the epoch."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait for that long."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)
