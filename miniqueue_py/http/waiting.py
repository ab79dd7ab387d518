"""The commands of a stream that came and were not carried out yet, in their order."""

from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from miniqueue_py.protocol.commands import Command, Init, Settle


class Said(NamedTuple):
    """A command, and how it came."""

    command: Command
    is_ahead: bool
    """It came in one piece with the INIT before it."""
    weight: int
    """What it counts as while it waits."""


class WaitingCommands:
    """A queue of commands that knows what it holds.

    One that names deliveries weighs as many as it names: that is the memory it
    takes.
    """

    def __init__(self) -> None:
        self.weight = 0
        self._said: deque[Said] = deque()

    def __len__(self) -> int:
        return len(self._said)

    @property
    def first(self) -> Said:
        return self._said[0]

    def add(self, commands: Iterable[Command]) -> None:
        """Put commands, which came in one piece, at the end."""
        is_ahead = False
        for command in commands:
            weight = _weight_of(command)
            self._said.append(Said(command, is_ahead, weight))
            self.weight += weight
            is_ahead = is_ahead or isinstance(command, Init)

    def pop(self) -> Command:
        """Return the first; it does not wait any more."""
        command, _, weight = self._said.popleft()
        self.weight -= weight
        return command

    def clear(self) -> None:
        self._said.clear()
        self.weight = 0


def _weight_of(command: Command) -> int:
    return max(1, len(command.ids)) if isinstance(command, Settle) else 1
