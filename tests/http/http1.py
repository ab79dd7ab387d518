"""One connection of HTTP/1.1 in memory: a transport that is looked into, and handlers that tell."""

import asyncio
import json
import re
from collections.abc import Callable
from typing import Any

from miniqueue_py.http.browsers import Browsers
from miniqueue_py.http.door import Door
from miniqueue_py.http.exchange import Exchange, Handler, WholeBody
from miniqueue_py.http.servers.connections import ConnectionLimits, Connections
from miniqueue_py.http.servers.http1_connection import Http1Connection
from tests.http.exchanges import settle

LONGEST = 100_000


class MemoryTransport(asyncio.Transport):
    """What a connection writes to; its client reads when the test says so."""

    def __init__(self, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self.protocol: Any = protocol
        self.writes: list[bytes] = []
        self.unread = 0
        self.is_client_reading = True
        self.is_half_closed = self.was_aborted = False
        self._high = self._low = 1 << 16
        self._is_full = self._is_closing = False
        self._is_reading = True

    def get_extra_info(self, name: str, default: Any = None) -> Any:  # noqa: ARG002  asyncio's
        return default

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self.protocol = protocol

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        self._high, self._low = high or 0, low or 0

    def get_write_buffer_size(self) -> int:
        return self.unread

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.is_half_closed
        if self._is_closing:
            return
        self.writes.append(bytes(data))
        if not self.is_client_reading:
            self.unread += len(data)
            if self.unread > self._high and not self._is_full:
                self._is_full = True
                self.protocol.pause_writing()

    def read_all(self) -> None:
        """Let the client read what it was sent."""
        self.unread = 0
        if self._is_full:
            self._is_full = False
            self.protocol.resume_writing()
        if self._is_closing:
            self._lose()

    def can_write_eof(self) -> bool:
        return True

    def write_eof(self) -> None:
        self.is_half_closed = True

    def is_reading(self) -> bool:
        return self._is_reading and not self._is_closing

    def pause_reading(self) -> None:
        assert self._is_reading
        self._is_reading = False

    def resume_reading(self) -> None:
        assert not self._is_reading
        self._is_reading = True

    def is_closing(self) -> bool:
        return self._is_closing

    def close(self) -> None:
        if not self._is_closing:
            self._is_closing = True
            if not self.unread:
                self._lose()

    def abort(self) -> None:
        self.was_aborted = True
        self._is_closing = True
        self._lose()

    def _lose(self) -> None:
        asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)


class Heard(Handler):
    """A handler that answers when the test says so."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.chunks: list[bytes] = []
        self.events: list[str] = []

    def on_body(self, chunk: bytes) -> None:
        self.chunks.append(chunk)

    def on_end(self) -> None:
        self.events.append("end")

    def on_gone(self) -> None:
        self.events.append("gone")

    def on_room(self) -> None:
        self.events.append("room")


class Echo(WholeBody):
    """Answers with what it heard."""

    def on_whole(self, body: bytes) -> None:
        request = self.exchange.request
        told = [
            request.method,
            request.path.decode(),
            request.query.decode(),
            body.decode("latin-1"),
        ]
        self.exchange.respond(200, (), json.dumps(told).encode())


class Peer:
    """A client's end of a connection whose requests go to `/echo`, or to handlers of the test."""

    def __init__(self, limits: ConnectionLimits | None = None, **pages: Any) -> None:
        self.requests: list[Exchange] = []
        self.handlers: list[Heard] = []
        self.errors: list[Exception] = []
        self.pages: dict[str, Callable[[Exchange], Handler]] = pages
        self.door = Door(
            self._route,
            browsers=Browsers(["a", "b", "x"]),
            on_error=lambda _path, error: self.errors.append(error),
        )
        self.connections = Connections(limits or ConnectionLimits())
        self.connection = Http1Connection(
            self.door, self.connections, ("127.0.0.1", 1), scheme="http"
        )
        self.transport = MemoryTransport(self.connection)
        self.connection.connection_made(self.transport)

    def _route(self, exchange: Exchange) -> Handler:
        self.requests.append(exchange)
        page = exchange.request.path.decode().strip("/")
        if page in self.pages:
            return self.pages[page](exchange)
        if page == "hold":
            self.handlers.append(Heard(exchange))
            return self.handlers[-1]
        handler = Echo(exchange, LONGEST)
        handler.check_declared()
        return handler

    def send(self, data: bytes) -> None:
        """Send bytes; the connection must be reading."""
        self.connection.data_received(data)

    async def send_on(self, data: bytes) -> None:
        """Send bytes as fast as the connection reads them."""
        for at in range(0, len(data), 1 << 16):
            while not (self.transport.is_reading() or self.transport.is_closing()):  # noqa: ASYNC110
                await asyncio.sleep(0)
            if self.transport.is_closing():
                return
            self.send(data[at : at + (1 << 16)])
        await settle()

    async def ask(self, data: bytes) -> bytes:
        """Send bytes, let everything happen, and return what came back since."""
        before = len(self.received)
        self.send(data)
        await settle()
        return self.received[before:]

    @property
    def received(self) -> bytes:
        return b"".join(self.transport.writes)

    @property
    def statuses(self) -> list[int]:
        return [int(each) for each in re.findall(rb"HTTP/1\.1 (\d{3}) ", self.received)]

    @property
    def is_open(self) -> bool:
        """Tell if nobody has closed it, nor means to."""
        return not (self.transport.is_closing() or self.transport.is_half_closed)

    def check_is_settled(self) -> None:
        """See that each request that was opened is closed."""
        assert self.door._open == 0
        assert self.errors == []


def get(path: str = "/echo", *headers: str, version: str = "1.1") -> bytes:
    lines = [f"GET {path} HTTP/{version}", "Host: a", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1")


def post(body: bytes, path: str = "/echo", *headers: str) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: a", f"Content-Length: {len(body)}", *headers, "", ""]
    return "\r\n".join(lines).encode("latin-1") + body


def chunked(*chunks: bytes, path: str = "/echo", end: bytes = b"0\r\n\r\n") -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    return head + b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + end


def body_of(answer: bytes) -> Any:
    """Return what `/echo` told, of one answer."""
    head, _, body = answer.partition(b"\r\n\r\n")
    assert b"content-length: %d" % len(body) in head, answer
    return json.loads(body)
