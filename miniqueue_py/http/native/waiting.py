"""The commands of a stream that came and were not carried out yet, in their order."""

from collections import deque
from collections.abc import Iterable

from miniqueue_py.protocol.commands import Command, Init, Settle


class WaitingCommands:
    """A queue of commands that knows what it holds.

    One that names deliveries weighs as many as it names: that is the memory it
    takes.
    """

    def __init__(self) -> None:
        self.weight = 0
        """0 when nothing waits."""
        self._said: deque[tuple[Command, bool, int]] = deque()
        """Each with what it weighs, and if it came in one piece with the INIT before it."""

    def __repr__(self) -> str:
        return f"<WaitingCommands, {len(self._said)} of weight {self.weight}>"

    @property
    def is_settlement_ahead(self) -> bool:
        """True if the first is a settlement that was said together with INIT."""
        command, is_ahead, _ = self._said[0]
        return is_ahead and isinstance(command, Settle)

    def add(self, commands: Iterable[Command]) -> None:
        """Put commands, which came in one piece, at the end."""
        is_ahead = False
        for command in commands:
            weight = 1
            if isinstance(command, Settle):
                weight = len(command.ids) or 1
            elif isinstance(command, Init):
                is_ahead = True
            self._said.append((command, is_ahead, weight))
            self.weight += weight

    def pop(self) -> Command:
        """Return the first; it does not wait any more."""
        command, _, weight = self._said.popleft()
        self.weight -= weight
        return command

    def clear(self) -> None:
        self._said.clear()
        self.weight = 0
