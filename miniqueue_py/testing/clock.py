"""A clock that moves when it is told to."""

import asyncio
from collections.abc import Callable
from heapq import heappop, heappush
from itertools import count


class ManualTimer:
    """What is to be called when the clock is moved so far."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self._callback = None

    def fire(self) -> None:
        """Call it, unless it was cancelled."""
        if self._callback is not None:
            self._callback()


class ManualClock:
    """Time for tests: nothing happens until `advance`."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self._now = now
        self._timers: list[tuple[float, int, ManualTimer]] = []
        self._tie = count()

    def __repr__(self) -> str:
        return f"<ManualClock at {self._now}, {len(self._timers)} timers>"

    def now(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.Event()
        self.call_later(seconds, woken.set)
        await woken.wait()

    def call_later(self, seconds: float, callback: Callable[[], None]) -> ManualTimer:
        timer = ManualTimer(callback)
        heappush(self._timers, (self._now + seconds, next(self._tie), timer))
        return timer

    async def advance(self, seconds: float) -> None:
        """Move time on, calling each timer at its own instant and letting it act."""
        until = self._now + seconds
        while self._timers and self._timers[0][0] <= until:
            self._now, _, timer = heappop(self._timers)
            timer.fire()
            await self._settle()
        self._now = until
        await self._settle()

    @staticmethod
    async def _settle() -> None:
        for _ in range(10):
            await asyncio.sleep(0)
