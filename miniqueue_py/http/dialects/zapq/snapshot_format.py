"""A snapshot as text: a JSON array of base64, one message a line.

That is how Go encodes a [][]byte, but for the line ends; its one long line is
read as well. Whoever writes or reads it holds a slice of it at a time, however
long it is: a decoder that takes the whole text would hold the whole queue, and
more than once.

Reading is strict: what is not such an array, down to its last byte, is no
snapshot. A message may be `null` in Go's own; here it is not, because a file
that says nothing should not empty a queue.
"""

import binascii
import json
import re
from collections.abc import Sequence
from typing import BinaryIO

SLICE = 500
SLICE_BYTES = 1 << 20
"""No further message is read into a slice that has so many, or so many bytes."""

_CHUNK_BYTES = 1 << 18
_WHITE = b" \t\r\n"
_ITEM = re.compile(rb'[ \t\r\n]*"([^"]*)"[ \t\r\n]*([,\]])')
"""A string, which has no quote in it if it is base64, and what stands behind it."""


class BadSnapshot(Exception):
    """The text is no snapshot; the end of a sentence says why."""


class SnapshotWriter:
    """Writes messages to a file as they come."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._has_begun = False

    def write(self, bodies: Sequence[bytes]) -> None:
        """Write messages, behind those before. Raises OSError."""
        if not bodies:
            return
        lines = b",\n".join(b'"%b"' % binascii.b2a_base64(body, newline=False) for body in bodies)
        self._file.write((b",\n" if self._has_begun else b"[\n") + lines)
        self._has_begun = True

    def finish(self) -> None:
        """Write the end. Raises OSError."""
        self._file.write(b"\n]\n" if self._has_begun else b"[]\n")


class SnapshotReader:
    """Reads messages from a file, some at a time."""

    def __init__(self, file: BinaryIO, longest_bytes: int) -> None:
        self._file = file
        self._longest_bytes = longest_bytes
        # Other encoders write \/ for the / of base64; then there are white spaces.
        self._longest_text = 2 * (longest_bytes // 3 + 1) * 4 + 1024
        self._text = b""
        self._at = 0
        self._count = 0
        self._has_begun = self._has_ended = False

    def read(self) -> Sequence[bytes]:
        """Return the next messages, none at the end. Raises BadSnapshot and OSError."""
        if not self._has_begun:
            self._begin()
        bodies: list[bytes] = []
        size = 0
        while not self._has_ended and len(bodies) < SLICE and size < SLICE_BYTES:
            item = _ITEM.match(self._text, self._at)
            if item is None:
                self._read_on()
                continue
            self._count += 1
            bodies.append(self._decode(item[1]))
            size += len(bodies[-1])
            self._at = item.end()
            if item[2] == b"]":
                self._end()
        return bodies

    def _begin(self) -> None:
        self._has_begun = True
        first = self._skip_white()
        if first != b"[":
            raise BadSnapshot("is not a JSON array of strings" if first else "is empty")
        self._at += 1
        if self._skip_white() == b"]":
            self._at += 1
            self._end()

    def _end(self) -> None:
        self._has_ended = True
        if self._skip_white():
            raise BadSnapshot("goes on behind the end of its array")

    def _skip_white(self) -> bytes:
        """Return the next byte that is not white, and stand before it; nothing at the end."""
        while not (rest := self._text[self._at :].lstrip(_WHITE)):
            self._at, self._text = 0, self._file.read(_CHUNK_BYTES)
            if not self._text:
                return b""
        self._at, self._text = 0, rest
        return rest[:1]

    def _read_on(self) -> None:
        """Read more of a message that is not all here, unless it cannot become one."""
        rest = self._text[self._at :].lstrip(_WHITE)
        here = f"message {self._count + 1}"
        if rest and not rest.startswith(b'"'):
            raise BadSnapshot(f"is not a JSON array of strings: {here} is none")
        end = rest.find(b'"', 1)
        if end > 0 and rest[end + 1 :].lstrip(_WHITE):
            raise BadSnapshot(f"is not JSON: neither , nor ] stands behind {here}")
        if len(rest) > self._longest_text:
            raise self._too_long(here)
        more = self._file.read(_CHUNK_BYTES)
        if not more:
            raise BadSnapshot(f"is cut off in {here}")
        self._at, self._text = 0, rest + more

    def _decode(self, text: bytes) -> bytes:
        here = f"message {self._count}"
        try:
            if b"\\" in text:
                text = json.loads(b'"%b"' % text).encode("ascii")
            body = binascii.a2b_base64(text, strict_mode=True)
        except ValueError:  # binascii's, JSON's and Unicode's are
            raise BadSnapshot(f"is not base64 in {here}") from None
        if len(body) > self._longest_bytes:
            raise self._too_long(here)
        return body

    def _too_long(self, here: str) -> BadSnapshot:
        return BadSnapshot(f"has {here} longer than {self._longest_bytes} bytes")
