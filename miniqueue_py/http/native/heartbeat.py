"""A sign of life on a stream where nothing else is said.

A proxy between takes a stream that is quiet for a minute for a dead one, and
ends it; and a client cannot tell a quiet broker from one that is gone.
"""

from collections.abc import Callable

from miniqueue_py.broker.clock import Clock
from miniqueue_py.protocol.lines import heartbeat_line

_EARLY_SECONDS = 0.001
"""A timer may fire so much before its time."""


class Heartbeat:
    """Says that a stream lives when nothing was said for so long."""

    def __init__(self, clock: Clock, seconds: float, say: Callable[[bytes], None]) -> None:
        self._clock = clock
        self._seconds = seconds
        self._say = say
        self._said_at = clock.monotonic()
        self._timer = clock.call_later(seconds, self._look)

    def __repr__(self) -> str:
        return f"<Heartbeat, after {self._seconds} s>"

    def note(self) -> None:
        """Take note that something was said."""
        self._said_at = self._clock.monotonic()

    def stop(self) -> None:
        """Say nothing more. Idempotent."""
        self._timer.cancel()

    def _look(self) -> None:
        """Speak, or wait for the rest of the time: what is said sets no timer anew."""
        left = self._said_at + self._seconds - self._clock.monotonic()
        if left < _EARLY_SECONDS:
            self.note()
            left = self._seconds
            self._say(heartbeat_line(int(self._clock.now() * 1000)))
        self._timer = self._clock.call_later(left, self._look)
