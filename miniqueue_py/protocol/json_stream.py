"""JSON strings out of a stream of bytes, wherever the chunks are cut.

A chunk may hold half a string or three; white space between them is optional.
Anything that is not a JSON string (RFC 8259, section 7) breaks the stream: it
says so once and reads no more.
"""

import json
import re

LONGEST_STRING = 4096
"""Bytes of one string, quotes included. No command comes near it, and scanning
the start of an unfinished string anew for each byte that arrives stays cheap."""

_PLAIN = re.compile(rb'[ \t\r\n]*"([^"\\\x00-\x1f]*)"')
_ESCAPED = re.compile(rb'[ \t\r\n]*("(?:[^"\\\x00-\x1f]|\\.)*")')
_UNFINISHED = re.compile(rb'"(?:[^"\\\x00-\x1f]|\\.)*\\?')


class JsonStrings:
    """An incremental reader of JSON strings."""

    def __init__(self) -> None:
        self.is_broken = False
        self.is_between = True
        """No string has begun that is not finished, and none ever was that is none."""
        self._rest = b""

    def feed(self, data: bytes) -> list[str]:
        """Return the strings that `data` finishes; stop at the first thing that is none."""
        if self.is_broken:
            return []
        data = self._rest + data if self._rest else data
        strings: list[str] = []
        position = 0
        try:
            while True:
                match = _PLAIN.match(data, position)
                if match:
                    text = match[1].decode()
                    start = match.start(1) - 1
                else:
                    match = _ESCAPED.match(data, position)
                    if not match:
                        break
                    text = json.loads(match[1])
                    start = match.start(1)
                if match.end() - start > LONGEST_STRING:
                    raise ValueError  # noqa: TRY301  as every other string that is none
                strings.append(text)
                position = match.end()
        except ValueError:
            self.is_broken = True
            self.is_between = False
            return strings
        self._rest = data[position:].lstrip(b" \t\r\n")
        self.is_between = not self._rest
        if self._rest and (
            len(self._rest) > LONGEST_STRING or not _UNFINISHED.fullmatch(self._rest)
        ):
            self.is_broken = True
        return strings
