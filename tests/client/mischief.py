"""Faults at random: which, and when, counted in bytes that went through the proxy.

No clock has a say in when a fault comes, so the same seed and the same
traffic bring the same faults. Only how long one lasts may be a time.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Kind = Literal["cut", "reset", "stall", "stall and cut", "trickle", "refuse"]
Direction = Literal["up", "down", "both"]
"""Up is from the client to the broker."""

KINDS: Mapping[Kind, int] = {
    "cut": 4,
    "reset": 4,
    "stall": 3,
    "stall and cut": 2,
    "trickle": 3,
    "refuse": 2,
}
"""How often each comes, beside the others."""

_SOON = 0.25
_SOON_BYTES = 4096
"""Such a part of the faults comes so soon after another: in a handshake, mostly."""


@dataclass(frozen=True)
class Fault:
    """What happens to a connection: to the one whose bytes were the last."""

    kind: Kind
    direction: Direction = "both"
    seconds: float = 0.0
    """How long it lasts, if it is one that lasts."""
    amount: int = 0
    """How many bytes trickle."""


class Mischief:
    """A schedule of faults that is made as the bytes go by."""

    def __init__(
        self,
        choices: random.Random,
        every_bytes: int,
        kinds: Mapping[Kind, int] = KINDS,
        longest_seconds: float = 0.3,
    ) -> None:
        self._choices = choices
        self._every_bytes = every_bytes
        self._kinds = kinds
        self._longest_seconds = longest_seconds
        self._left = self._draw_distance()

    def note(self, count: int) -> Fault | None:
        """Learn that so many bytes went by; say what happens now."""
        self._left -= count
        if self._left > 0:
            return None
        self._left = self._draw_distance()
        return self._draw_fault()

    def _draw_distance(self) -> int:
        if self._choices.random() < _SOON:
            return self._choices.randint(1, _SOON_BYTES)
        return 1 + int(self._choices.expovariate(1 / self._every_bytes))

    def _draw_fault(self) -> Fault:
        # Always as many draws, so that no choice shifts those that follow.
        [kind] = self._choices.choices(list(self._kinds), list(self._kinds.values()))
        directions: tuple[Direction, ...] = ("up", "down", "both")
        direction = self._choices.choice(directions)
        part = self._choices.random()
        return Fault(kind, direction, part * self._longest_seconds, 1 + int(part * 2000))
