"""When leases are looked at next: at the end of the first, and once a period."""

import asyncio
from math import inf

from miniqueue_py.broker.clock import Clock, Timer


class NextLook:
    """One timer for all leases.

    It is set for the first of them to end. Whoever begins a lease that ends
    before compares with `at`, and brings the look forward: so a lease costs no
    timer, and most cost no call.
    """

    def __init__(self, clock: Clock) -> None:
        self.at = -inf
        """A monotonic reading; -inf while nobody waits for it."""
        self._clock = clock
        self._woken = asyncio.Event()
        self._timer: Timer | None = None

    def __repr__(self) -> str:
        return f"<NextLook at {self.at}>"

    async def wait(self, at: float) -> float:
        """Wait until then, or until what it was brought forward to; return which it was."""
        self._woken.clear()
        self._set(at)
        try:
            await self._woken.wait()
            return self.at
        finally:
            self._cancel()
            self.at = -inf

    def bring_forward(self, at: float) -> None:
        """Look at that instant, which is before the one that was planned."""
        self._cancel()
        self._set(at)

    def _set(self, at: float) -> None:
        self.at = at
        self._timer = self._clock.call_later(at - self._clock.monotonic(), self._woken.set)

    def _cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
