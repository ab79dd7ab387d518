"""Blocks of bytes become messages, many lines at a time.

A line is a message as it is, or it is JSON as in a batch of docs/protocol.md.
JSON as `subscribe --json` prints it is read by one regular expression for all
lines of a block; a parser would take ten times as long.
"""

import re
from binascii import a2b_base64
from collections.abc import Callable, Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from miniqueue_py.protocol.batch import ROOM_FOR_THE_REST, BadLine, BatchEntry, NdjsonLines

LONGEST_BYTES = 256 << 20
"""No broker takes a longer message."""

_LONGEST_LINE_BYTES = LONGEST_BYTES // 3 * 4 + ROOM_FOR_THE_REST

# Without anything that would have to be kept: no priority, no past.
_PLAIN = re.compile(
    rb'^\{"msg":"([A-Za-z0-9+/=]*)"(?:,"id":\d+)?,"attempt":\d+,"messageId":"[\d-]+"'
    rb',"publishedAt":\d+\}\n',
    re.MULTILINE,
)


class Bodies(NamedTuple):
    """Messages that ask for nothing, and the number of the line of each."""

    lines: Sequence[int]
    bodies: list[bytes]


class Read(NamedTuple):
    """What lines say, up to the first that cannot be read."""

    messages: Sequence[Bodies | BatchEntry]
    problem: BadLine | None = None


ReadLines = Callable[[bytes, int], Read]
"""Reads lines that are whole, the last one too; they are numbered from that number on."""


class Cutter:
    """Cuts blocks into what is whole lines, and what waits for its end."""

    def __init__(self) -> None:
        self._begun: list[bytes] = []
        self._size = 0

    @property
    def has_begun(self) -> bool:
        """Tell if the end of a line is missing."""
        return bool(self._begun)

    @property
    def is_too_long(self) -> bool:
        """Tell if a line is longer than any message; there is no use in reading on."""
        return self._size > _LONGEST_LINE_BYTES

    def feed(self, block: bytes) -> bytes:
        """Return the lines that the block ends."""
        end = block.rfind(b"\n") + 1
        whole = b""
        if end:
            whole = b"".join((*self._begun, block[:end]))
            self._begun.clear()
            self._size = 0
        if end < len(block):
            self._begun.append(block[end:])
            self._size += len(block) - end
        return whole

    def feed_end(self) -> bytes:
        """Return the last line, if it had no end."""
        return b"".join((*self._begun, b"\n")) if self._begun else b""


def read_text(whole: bytes, first_line: int) -> Read:
    bodies = whole.split(b"\n")
    bodies.pop()
    return Read([Bodies(range(first_line, first_line + len(bodies)), bodies)])


def read_json(whole: bytes, first_line: int) -> Read:
    count = whole.count(b"\n")
    plain = _PLAIN.findall(whole)
    if len(plain) == count:
        try:
            bodies = [a2b_base64(each, strict_mode=True) for each in plain]
        except ValueError:
            pass  # which line it was is found below
        else:
            return Read([Bodies(range(first_line, first_line + count), bodies)])
    lines = NdjsonLines(LONGEST_BYTES)
    entries = lines.feed(whole)
    problem = lines.problem
    if problem is not None:
        problem = problem._replace(line=problem.line + first_line - 1)
    return Read(list(_together(entries, first_line - 1)), problem)


def _together(entries: Sequence[BatchEntry], before: int) -> Iterator[Bodies | BatchEntry]:
    for is_plain, group in groupby(entries, _is_plain):
        if is_plain:
            lines, bodies = [], []
            for entry in group:
                lines.append(entry.line + before)
                bodies.append(entry.body)
            yield Bodies(lines, bodies)
        else:
            yield from (entry._replace(line=entry.line + before) for entry in group)


def _is_plain(entry: BatchEntry) -> bool:
    return entry[1:5] == (None, None, None, None)
