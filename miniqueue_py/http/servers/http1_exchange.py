"""What one request of HTTP/1.1 is answered with, as bytes.

An answer ends by its length, by its last chunk, or, for a client of HTTP/1.0
that was told no length, with its connection.
"""

import asyncio
from collections.abc import Callable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING

from miniqueue_py.http.exchange import Handler, Header, Request
from miniqueue_py.http.servers.connections import MOST_KEPT_BYTES, MOST_UNSENT_BYTES
from miniqueue_py.http.servers.dates import date_header
from miniqueue_py.http.servers.http1_parser import Head

if TYPE_CHECKING:
    from miniqueue_py.http.servers.http1_connection import Http1Connection

_LINES = {each.value: f"HTTP/1.1 {each} {each.phrase}\r\n".encode() for each in HTTPStatus}
_LENGTH = b"\r\ncontent-length: "
_HAS_NO_BODY = {204, 304}

NOBODY = Handler()

LOOK_SECONDS = 0.1
"""How often one who waits for memory that others hold looks if there is some."""
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


class Http1Exchange:
    """One request, and its answer on the connection that it came by: see `Exchange`."""

    __slots__ = (
        "_connection",
        "_connections",
        "_is_bodyless",
        "_is_chunked",
        "_output",
        "_owed",
        "handler",
        "is_awaited",
        "is_begun",
        "is_kept",
        "is_over",
        "kept",
        "request",
    )

    def __init__(self, connection: "Http1Connection", head: Head) -> None:
        line = head.line
        self.request = Request(
            line.method.decode(),
            line.path,
            line.query,
            head.headers,
            line.version,
            connection.scheme,
            connection.client,
        )
        self.handler = NOBODY
        self.is_begun = self.is_over = False
        self.is_kept = head.is_kept
        """The connection serves another request after this one."""
        self.is_awaited = head.is_awaiting
        """The client waits for 100 Continue, and may send no body if it is not told so."""
        self.kept = 0
        """Bytes of the request's body that the handler keeps until it is whole."""
        self._connection = connection
        self._connections = connection.connections
        self._output = connection.output
        self._is_bodyless = self._is_chunked = False
        self._owed: int | None = None
        """What is left of the length that was told."""

    def __repr__(self) -> str:
        return f"<Http1Exchange, {self.request!r}>"

    @property
    def queued(self) -> int:
        return 0 if self.is_over else self._output.queued

    @property
    def is_crammed(self) -> bool:
        return False  # there is one answer at a time, and `queued` tells of it

    def respond(self, status: int, headers: Sequence[Header], body: bytes = b"") -> None:
        if self.is_over:
            return
        head = _head(status, headers)
        self.is_begun = self.is_over = True
        if self.is_awaited:
            # What comes next is the body or another request, and nobody can tell which.
            self.is_kept = False
        is_head = self.request.method == "HEAD"
        if status in _HAS_NO_BODY:
            body = b""
        elif _LENGTH not in head and (body or not is_head):
            head += b"content-length: %d\r\n" % len(body)
        self._finish(head + self._ending() + (b"" if is_head else body))

    def begin(self, status: int, headers: Sequence[Header]) -> None:
        if self.is_over:
            return
        head = _head(status, headers)
        self.is_begun = True
        at = head.find(_LENGTH)
        self._is_bodyless = self.request.method == "HEAD" or status in _HAS_NO_BODY
        if at > 0:
            self._owed = int(head[at + len(_LENGTH) :].split(b"\r\n", 1)[0])
        elif not self._is_bodyless:
            if self.request.http_version == "1.0":
                self.is_kept = False
            else:
                self._is_chunked = True
                head += b"transfer-encoding: chunked\r\n"
        self.tell_to_go_on()
        self._output.write(head + self._ending())

    def send(self, data: bytes) -> None:
        if self.is_over or self._is_bodyless or not data:
            return
        if self._is_chunked:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        elif self._owed is not None:
            self._owed -= len(data)
        self._output.write(data)

    def end(self, data: bytes = b"") -> None:
        if self.is_over:
            return
        self.send(data)
        self.is_over = True
        if self._owed and not self._is_bodyless:
            self.is_kept = False  # the client learns by the end that it is not whole
        self._finish(b"0\r\n\r\n" if self._is_chunked else b"")

    def reset(self) -> None:
        if self.is_over:
            return
        self.is_over = True
        self.is_kept = False
        connection = self._connection
        connection.finish(self)
        self._output.flush()
        if self.is_begun and not self._is_chunked and self._owed is None:
            connection.transport.abort()  # a clean end would make a whole answer of it
        else:
            connection.transport.close()

    def fail(self, error: Exception) -> None:
        self._connection.door.fail(self, self.handler, error)

    def grant(self, size: int) -> None:
        if not self.is_over:
            self._connection.grant(size)

    def keep(self, size: int) -> None:
        if not self.is_over:
            self.kept += size
            self._connections.kept_bytes += size
            if self._connections.kept_bytes >= MOST_KEPT_BYTES:
                self._connections.note_struck("kept_bytes")
            self._grant_kept(size)

    def _grant_kept(self, size: int) -> None:
        if self._connections.kept_bytes < MOST_KEPT_BYTES:
            self.grant(size)
        elif not self.is_over:
            asyncio.get_running_loop().call_later(LOOK_SECONDS, self._grant_kept, size)

    def when_room(self, start: Callable[[], None]) -> None:
        # The client has taken the answers before this one, or it were not begun.
        if self.is_over:
            return
        self._output.holds_page = True
        if self._connections.untaken_page_bytes < MOST_UNSENT_BYTES:
            start()
        else:
            asyncio.get_running_loop().call_later(LOOK_SECONDS, self.when_room, start)

    def call(self, what: Callable[..., None], *about: bytes) -> None:
        """Tell the handler something; what goes wrong with that is its answer."""
        try:
            what(*about)
        except Exception as error:  # noqa: BLE001  the door's boundary
            self.fail(error)

    def tell_to_go_on(self) -> None:
        """Send 100 Continue to a client that waits for it."""
        if self.is_awaited:
            self.is_awaited = False
            self._output.write(_CONTINUE)

    def _finish(self, data: bytes) -> None:
        if data:
            self._output.add(data)
        self._connection.finish(self)

    def _ending(self) -> bytes:
        """Return how the head ends: it says if the connection stays."""
        if not self.is_kept or self._connection.is_draining:
            self.is_kept = False
            return b"connection: close\r\n\r\n"
        return b"\r\n" if self.request.http_version != "1.0" else b"connection: keep-alive\r\n\r\n"


def error_answer(status: int, headers: Sequence[Header], body: bytes) -> bytes:
    """Return an answer to what is no request."""
    return _head(status, headers) + b"connection: close\r\n\r\n" + body


def _head(status: int, headers: Sequence[Header]) -> bytes:
    """Return the head of an answer without its empty line. Raises ValueError."""
    line = _LINES.get(status) or b"HTTP/1.1 %d Other\r\n" % status
    fields = b"".join([b"%b: %b\r\n" % header for header in (date_header(), *headers)])
    if fields.count(b"\n") != len(headers) + 1:
        raise ValueError("a header of an answer holds the end of a line")
    return line + fields
