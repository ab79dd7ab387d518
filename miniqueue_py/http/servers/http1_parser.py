"""Requests of HTTP/1.1 out of bytes, by llhttp, one after the other.

llhttp is fed no further than to the end of a request, which is where a length
says, or at an empty line. So what comes behind one stays in bytes until
somebody asks for the next.
"""

from typing import Any, NamedTuple

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from miniqueue_py.http.exchange import Header
from miniqueue_py.http.servers.http1_heads import (
    KNOWN_METHODS,
    RequestLine,
    Unservable,
    check_beginning,
    check_fields,
    read_line,
    tokens,
)
from miniqueue_py.http.servers.http1_limits import MOST_FIELDS, MOST_HEAD_BYTES

_END = b"\r\n\r\n"


class Head(NamedTuple):
    """All of a request but its body."""

    line: RequestLine
    headers: list[Header]
    is_kept: bool
    """The client would have the connection stay."""
    is_awaiting: bool
    """It waits for 100 Continue before it sends the body."""
    is_websocket: bool


class Http1Parser:
    """The requests of one connection, as llhttp reads them."""

    def __init__(self) -> None:
        self.is_whole = True
        """All of a request was parsed; none is begun since."""
        self.has_partial_head = False
        self._data = b""
        self._at = 0
        """So much of the data is parsed."""
        self.unparsed = 0
        self._headers: list[Header] = []
        self._pieces: list[bytes] = []
        self._left: int | None = None
        """What is left of a body by its length; None when it is in chunks."""
        self._framing_bytes = 0
        """Of a body in chunks, since there was something in them."""
        self.on_body = self._pieces.append
        self._llhttp: Any = HttpRequestParser(self)

    def add(self, data: bytes) -> None:
        """Take what was read."""
        at = self._at
        if self._left is None and not self.is_whole:
            # The end of a body in chunks may have come in part, and is looked for as a whole.
            start = max(at - len(_END) + 1, 0)
            self._data = self._data[start:] + data
            self._at = at - start
        else:
            self._data = self._data[at:] + data if self.unparsed else data
            self._at = 0
        self.unparsed += len(data)

    def take(self) -> bytes:
        """Return what is not parsed, and parse nothing of it."""
        rest = self._data[self._at :]
        self.clear()
        return rest

    def clear(self) -> None:
        """Forget everything; nothing is parsed any more."""
        self._data, self._at, self.unparsed = b"", 0, 0
        self._llhttp = None  # it refers to us
        self.on_body = _ignore

    def next_head(self) -> Head | None:
        """Return the head of the next request, if it is there. Raises Unservable."""
        if self._data.startswith(b"\r\n", self._at):
            self._at += 2  # RFC 9112, section 2.2
            self.unparsed -= 2
        end = self._data.find(_END, self._at)
        if end < 0:
            if self.unparsed:
                check_beginning(self._data[self._at :])
                self.has_partial_head = True
            return None
        head = self._data[self._at : end + len(_END)]
        self._at += len(head)
        self.unparsed -= len(head)
        self.has_partial_head = False
        line = read_line(head)
        self._headers.clear()
        try:
            wishes = self._feed_head(head, line.method)
        except HttpParserError as error:
            raise Unservable(400, f"this is no request of HTTP/1.1: {error}") from error
        return self._check(line, wishes)

    def _feed_head(self, head: bytes, method: bytes) -> set[bytes]:
        """Have llhttp read a head; return what it is asked to be upgraded to."""
        self.is_whole = False
        try:
            if method not in KNOWN_METHODS:
                head = b"POST" + head[len(method) :]
            self._llhttp.feed_data(head)
        except HttpParserUpgrade:
            # To llhttp a request that may be upgraded has no body: it reads it as another one.
            wishes = tokens(self._headers, b"upgrade")
            kept = [each for each in self._headers if each[0] != b"upgrade"]
            fields = b"".join([b"%b: %b\r\n" % each for each in kept])
            self.is_whole = False
            self._headers.clear()
            self._llhttp = HttpRequestParser(self)
            self._llhttp.feed_data(b"POST / HTTP/1.1\r\n" + fields + b"\r\n")
            return wishes
        return set()

    def _check(self, line: RequestLine, upgrades: set[bytes]) -> Head:
        headers, self._headers = self._headers, []
        fields = dict(headers)
        check_fields(fields, headers, line.version)
        is_kept = is_new = line.version == "1.1"
        if b"connection" in fields:
            wishes = tokens(headers, b"connection")
            is_kept = b"close" not in wishes and (is_new or b"keep-alive" in wishes)
        is_awaiting = False
        if not self.is_whole:
            length = fields.get(b"content-length")
            self._left = None if length is None else int(length)
            self._framing_bytes = 0
            if is_new and self._at == len(self._data):
                is_awaiting = fields.get(b"expect", b"").lower() == b"100-continue"
        is_websocket = b"websocket" in upgrades and line.method == b"GET" and is_new
        return Head(line, headers, is_kept, is_awaiting, is_websocket and self.is_whole)

    def next_body(self, most: int) -> bytes:
        """Return more of the body, out of so many bytes. Raises Unservable."""
        begin, data = self._at, self._data
        until = min(begin + most, len(data))
        try:
            if self._left is not None:
                self._at = min(begin + self._left, until)
                self._left -= self._at - begin
                self._llhttp.feed_data(data[begin : self._at])
            else:
                self._feed_chunks(until)
        except HttpParserError as error:
            text = f"the body of the request makes no sense: {error}"
            raise Unservable(400, text, is_in_head=False) from error
        self.unparsed -= self._at - begin
        body = b"".join(self._pieces)
        self._pieces.clear()
        return body

    def _feed_chunks(self, until: int) -> None:
        begin = at = self._at
        while not self.is_whole and at < until:
            end = self._data.find(_END, max(at - len(_END) + 1, 0), until)
            self._at = until if end < 0 else end + len(_END)
            self._llhttp.feed_data(self._data[at : self._at])
            at = self._at
        self._framing_bytes = 0 if self._pieces else self._framing_bytes + at - begin
        if self._framing_bytes > MOST_HEAD_BYTES or len(self._headers) > MOST_FIELDS:
            raise HttpParserError("there is too much besides its chunks")

    # What llhttp calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        """Take a field; of those behind a body in chunks nobody hears."""
        self._headers.append((name.lower(), value.rstrip()))

    def on_message_complete(self) -> None:
        self.is_whole = True


def _ignore(_piece: bytes) -> None:
    pass
