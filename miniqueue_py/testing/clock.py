"""A clock that moves when it is told to."""

import asyncio
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from itertools import count


class ManualTimer:
    """What is to be called when the clock is moved so far."""

    def __init__(self, callback: Callable[[], None]) -> None:
        self._callback: Callable[[], None] | None = callback

    def cancel(self) -> None:
        self._callback = None

    @property
    def is_set(self) -> bool:
        return self._callback is not None

    def fire(self) -> None:
        """Call it, unless it was cancelled."""
        if self._callback is not None:
            self._callback()


class ManualClock:
    """Time for tests: nothing happens until `advance`.

    The monotonic reading has an origin of its own, so that whoever takes one
    for the other is far off.
    """

    def __init__(self, now: float = 1_000_000.0, monotonic: float = 500.0) -> None:
        self._now = now
        self._monotonic = monotonic
        self._timers: list[tuple[float, int, ManualTimer]] = []
        self._tie = count()

    def __repr__(self) -> str:
        return f"<ManualClock at {self._now}, {len(self._timers)} timers>"

    def now(self) -> float:
        return self._now

    def monotonic(self) -> float:
        return self._monotonic

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.Event()
        self.call_later(seconds, woken.set)
        await woken.wait()

    def call_later(self, seconds: float, callback: Callable[[], None]) -> ManualTimer:
        timer = ManualTimer(callback)
        heappush(self._timers, (self._monotonic + seconds, next(self._tie), timer))
        return timer

    def timers(self) -> Sequence[ManualTimer]:
        """Return those that will still be called."""
        return [timer for _, _, timer in self._timers if timer.is_set]

    async def advance(self, seconds: float) -> None:
        """Move time on, calling each timer at its own instant and letting it act."""
        until = self._monotonic + seconds
        while self._timers and self._timers[0][0] <= until:
            at, _, timer = heappop(self._timers)
            self._go_to(at)
            timer.fire()
            await self._settle()
        self._go_to(until)
        await self._settle()

    def set(self, seconds: float) -> None:
        """Set the calendar forward by so much, or back; no time passes."""
        self._now += seconds

    async def leap(self, seconds: float) -> None:
        """Move time on in one go, as for a process that is stopped: timers fire late."""
        self._go_to(self._monotonic + seconds)
        await self.advance(0)

    def _go_to(self, at: float) -> None:
        # An absence is none for a timer: those that are overdue fire now.
        at = max(at, self._monotonic)
        self._now += at - self._monotonic
        self._monotonic = at

    @staticmethod
    async def _settle() -> None:
        for _ in range(10):
            await asyncio.sleep(0)
