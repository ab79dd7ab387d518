"""How long to wait before the next attempt: longer each time, and never all at once."""

from collections.abc import Callable
from random import random

FIRST_SECONDS = 0.05
LONGEST_SECONDS = 5.0


class Backoff:
    """Doubling waits, each shortened at random by up to a half.

    Chance keeps clients apart that all lost the same broker at the same moment.
    """

    def __init__(self, chance: Callable[[], float] = random) -> None:
        self._chance = chance
        self._longest = FIRST_SECONDS

    def next_seconds(self) -> float:
        seconds = self._longest * (1 - self._chance() / 2)
        self._longest = min(2 * self._longest, LONGEST_SECONDS)
        return seconds

    def reset(self) -> None:
        """Begin anew: what was tried has worked."""
        self._longest = FIRST_SECONDS
