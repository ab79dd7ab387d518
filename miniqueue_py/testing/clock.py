"""A clock that moves when it is told to."""

import asyncio
from heapq import heappop, heappush
from itertools import count


class ManualClock:
    """Time for tests: nothing happens until `advance`."""

    def __init__(self, now: float = 1_000_000.0) -> None:
        self._now = now
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._tie = count()

    def __repr__(self) -> str:
        return f"<ManualClock at {self._now}, {len(self._sleepers)} asleep>"

    def now(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        woken = asyncio.get_running_loop().create_future()
        heappush(self._sleepers, (self._now + seconds, next(self._tie), woken))
        await woken

    async def advance(self, seconds: float) -> None:
        """Move time on, waking each sleeper at its own instant and letting it act."""
        until = self._now + seconds
        while self._sleepers and self._sleepers[0][0] <= until:
            self._now, _, woken = heappop(self._sleepers)
            if not woken.done():
                woken.set_result(None)
            await self._settle()
        self._now = until
        await self._settle()

    @staticmethod
    async def _settle() -> None:
        for _ in range(10):
            await asyncio.sleep(0)
