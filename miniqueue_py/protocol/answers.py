"""The lines of a server, read back: bytes to values, cut anywhere, no I/O."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, cast

from miniqueue_py.errors import ProtocolError

PlainDelivery = tuple[bytes, bytes, bytes, bytes, bytes]
"""Of a delivery that has no more: msg in base64, id, attempt, messageId, publishedAt."""

# Found by C in many lines at once: a JSON decoder takes ten times as long for each. One character
# in the negated class, and possessive: three times as fast as with the backslash in it, which is
# looked for beforehand.
_PLAIN = re.compile(
    rb'\{"msg":"([^"]*+)","id":(\d++),"attempt":(\d++),"messageId":"([^"]*+)","publishedAt":(\d++)\}\n'
)


class Deliveries(NamedTuple):
    """Lines that came in a row, all of them plain deliveries."""

    plain: Sequence[PlainDelivery]


Line = Deliveries | Mapping[str, Any]
"""Any other line is what its JSON says."""


class LineReader:
    """Takes bytes as they come, and returns the lines that are whole."""

    def __init__(self, longest: int) -> None:
        self._longest = longest
        self._begun: list[bytes] = []
        """Pieces of a line that has not ended: joined once, however many they are."""
        self._begun_size = 0

    def feed(self, data: bytes) -> Sequence[Line]:
        """Return the lines that end in what came. Raises ProtocolError."""
        end = data.rfind(b"\n") + 1
        whole = b"".join((*self._begun, data[:end])) if end else b""
        if end:
            self._begun, self._begun_size = [], 0
        if end < len(data):
            self._begun.append(data[end:])
            self._begun_size += len(data) - end
        if self._begun_size > self._longest:
            raise ProtocolError(self._begun[0])
        plain = [] if b"\\" in whole else _PLAIN.findall(whole)
        if len(plain) == whole.count(b"\n"):
            return [Deliveries(plain)] if plain else []
        return [_read(line) for line in whole.splitlines(keepends=True)]


def _read(line: bytes) -> Line:
    plain = None if b"\\" in line else _PLAIN.fullmatch(line)
    if plain is not None:
        return Deliveries([cast("PlainDelivery", plain.groups())])
    try:
        value = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise ProtocolError(line) from error
    if not isinstance(value, dict):
        raise ProtocolError(line)
    return value
