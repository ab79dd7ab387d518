"""What was handed in and is not known to be stored, and how it is said.

Messages are lines of text as long as they can be, since that costs least. One
with a line end in it, or with terms of its own, can be said in JSON only.
"""

import json
from binascii import b2a_base64
from collections.abc import Sequence
from itertools import takewhile
from typing import NamedTuple, cast

from miniqueue_py.client.terms import Terms

MESSAGE_BYTES = 100
"""What a message counts beside its body."""

PIECE_BYTES = 1 << 17
"""About as much is made into lines at a time."""

_NO_TERMS = Terms()


class _Entry(NamedTuple):
    """A message that is no line of text."""

    body: bytes
    terms: Terms


class Unconfirmed:
    """Messages in their order, the oldest first."""

    def __init__(self) -> None:
        self.size = 0
        """In bytes, with MESSAGE_BYTES for each message."""
        self._messages: list[bytes | _Entry] = []
        self._entries = 0
        """How many of them are no lines of text."""

    def __len__(self) -> int:
        return len(self._messages)

    def __bool__(self) -> bool:
        return bool(self._messages)

    @property
    def begins_as_text(self) -> bool:
        """Tell if the oldest is a line of text."""
        return isinstance(self._messages[0], bytes)

    def add(self, bodies: Sequence[bytes]) -> None:
        size = 0
        for body in bodies:
            size += len(body)
            if b"\n" in body:
                self._entries += 1
                self._messages.append(_Entry(body, _NO_TERMS))
            else:
                self._messages.append(body)
        self.size += size + MESSAGE_BYTES * len(bodies)

    def add_with(self, terms: Terms, body: bytes) -> None:
        self._entries += 1
        self._messages.append(_Entry(body, terms))
        self.size += len(body) + MESSAGE_BYTES

    def drop(self, count: int) -> None:
        """Forget the oldest, which are stored."""
        dropped = self._messages[:count]
        del self._messages[:count]
        if self._entries:
            self._entries -= sum(isinstance(each, _Entry) for each in dropped)
            size = sum(len(each if isinstance(each, bytes) else each.body) for each in dropped)
        else:
            size = sum(map(len, cast("list[bytes]", dropped)))
        self.size -= size + MESSAGE_BYTES * count

    def lines(self, start: int, *, as_text: bool) -> tuple[int, bytes]:
        """Return how many from `start` on are said next, and their lines.

        There are none of a message that cannot be said as text.
        """
        some = max(1, PIECE_BYTES * len(self._messages) // self.size)
        piece = self._messages[start : start + some]
        if not as_text:
            return len(piece), b"".join(map(_as_json, piece))
        if self._entries:
            piece = list(takewhile(lambda each: isinstance(each, bytes), piece))
            if not piece:
                return 0, b""
        return len(piece), b"\n".join(cast("list[bytes]", piece)) + b"\n"


def _as_json(message: bytes | _Entry) -> bytes:
    body, terms = (message, _NO_TERMS) if isinstance(message, bytes) else message
    encoded = b2a_base64(body, newline=False)
    if terms is _NO_TERMS:
        return b'{"msg":"%b"}\n' % encoded
    stated = json.dumps(terms.as_json(), separators=(",", ":")).encode()
    return b'{"msg":"%b",%b\n' % (encoded, stated[1:])
