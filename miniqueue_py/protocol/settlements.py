"""Settlements as a client says them: many in few words.

What is in the order of delivery is said as `ACK ..17`, and the rest as lists of
ids, each command short enough for the server.
"""

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter

IDS_A_COMMAND = 180
"""Of at most 19 digits and a space each: less than the 4096 bytes of a command."""

WIDEST_GAP = 1_000_000
"""A stream has 10,000 in flight, and some more may be over by themselves."""

Settlement = tuple[str, int]
"""A word, with its seconds if it has any, and the id of a delivery: ("DACK 5", 17)."""


class Settlements:
    """What was said on one stream, to say the next in few words."""

    def __init__(self) -> None:
        self._highest = 0
        """The highest id that was settled."""
        self._missing: set[int] = set()
        """Ids below that which were not: as many as one stream can have in flight."""
        self._is_sparse = False
        """Ids jump, as no server's do: each is named then, and nothing is kept of the others."""
        self._gone: set[int] = set()
        """Ids above it that will never be."""

    def forget(self, number: int) -> None:
        """Take note that a delivery is over, whoever settles it."""
        self._missing.discard(number)
        if number > self._highest:
            self._gone.add(number)

    def encode(self, settlements: Sequence[Settlement]) -> bytes:
        """Return the commands for what is said next, in its order."""
        commands: list[bytes] = []
        for word, alike in groupby(settlements, itemgetter(0)):
            commands.extend(self._commands(word, [number for _, number in alike]))
        return b"".join(commands)

    def _commands(self, word: str, numbers: list[int]) -> Iterator[bytes]:
        if word == "TOUCH":
            yield from _listed(word, sorted(set(numbers)))  # said twice it means no more
            return
        numbers.sort()
        last = numbers[-1]
        self._is_sparse = self._is_sparse or last - self._highest > WIDEST_GAP
        if self._is_sparse:
            yield from _listed(word, numbers)
            return
        self._take_note(numbers, last)
        if not self._missing or min(self._missing) > last:
            yield b'"%b ..%d"\n' % (word.encode(), last)
        else:
            yield from _listed(word, numbers)

    def _take_note(self, numbers: list[int], last: int) -> None:
        if last > self._highest:
            if not (self._gone or last - self._highest == len(numbers)):
                self._missing.update(range(self._highest + 1, last + 1))
            elif self._gone:
                new = set(range(self._highest + 1, last + 1))
                self._missing |= new - self._gone
                self._gone -= new
            self._highest = last
        self._missing.difference_update(numbers)


def _listed(word: str, numbers: Sequence[int]) -> Iterator[bytes]:
    for start in range(0, len(numbers), IDS_A_COMMAND):
        ids = " ".join(map(str, numbers[start : start + IDS_A_COMMAND]))
        yield b'"%b %b"\n' % (word.encode(), ids.encode())
