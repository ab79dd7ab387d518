"""Settlements as a client says them: many in few words.

What is in the order of delivery is said as `ACK ..17`, and the rest as lists of
ids, each command short enough for the server.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter

IDS_A_COMMAND = 180
"""Of at most 19 digits and a space each: less than the 4096 bytes of a command."""

Settlement = tuple[str, int]
"""A word, with its seconds if it has any, and the id of a delivery: ("DACK 5", 17)."""


class Settlements:
    """What was said on one stream, to say the next in few words."""

    def __init__(self) -> None:
        self._done_up_to = 0
        """Up to this id all were settled."""
        self._done_beyond: set[int] = set()

    def encode(self, settlements: Sequence[Settlement]) -> bytes:
        """Return the commands for what is said next, in its order."""
        commands: list[bytes] = []
        for word, alike in groupby(settlements, itemgetter(0)):
            commands.extend(self._commands(word, [number for _, number in alike]))
        return b"".join(commands)

    def _commands(self, word: str, numbers: list[int]) -> Iterator[bytes]:
        if word == "TOUCH":
            yield from _listed(word, numbers)
            return
        numbers.sort()
        first, last = numbers[0], numbers[-1]
        if first == self._done_up_to + 1 and last - first + 1 == len(numbers):
            self._done_up_to = last
            self._join_beyond()
            yield b'"%b ..%d"\n' % (word.encode(), last)
            return
        self._done_beyond.update(numbers)
        self._join_beyond()
        yield from _listed(word, numbers)

    def _join_beyond(self) -> None:
        while self._done_up_to + 1 in self._done_beyond:
            self._done_up_to += 1
            self._done_beyond.remove(self._done_up_to)


def _listed(word: str, numbers: Sequence[int]) -> Iterator[bytes]:
    for start in range(0, len(numbers), IDS_A_COMMAND):
        ids = " ".join(map(str, numbers[start : start + IDS_A_COMMAND]))
        yield b'"%b %b"\n' % (word.encode(), ids.encode())
