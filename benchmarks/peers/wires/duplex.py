"""One request whose body and answer flow at once, as fast as a socket takes them.

No loop and no library: a socket that does not block, and frames made by hand.
Whoever waits to send reads meanwhile, so that two full sockets never wait for
each other. The server's windows and frame size are respected; ours are as
wide as HTTP/2 allows, and widened again before they run out.
"""

import select
import socket
import ssl
import struct
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from benchmarks.peers.sample import BrokenPromise
from benchmarks.peers.wires import frames

STREAM_ID = 1

_PATIENCE_SECONDS = 30.0
_READ_BYTES = 1 << 16
_RECORD_BYTES = 1 << 14  # TLS hands out no more at a time
_WIDEN_EVERY_BYTES = 1 << 28


@dataclass(frozen=True)
class Address:
    """Where a broker listens on loopback, and who vouches for it."""

    port: int
    ca: Path


class Duplex:
    """A POST on a connection of its own, begun when the server's settings have come."""

    def __init__(self, address: Address, path: str, content_type: str | None = None) -> None:
        self.ended = False
        self.initial_window = frames.FIRST_WINDOW
        self.max_frame = frames.FIRST_MAX_FRAME
        self._stream_window = self._connection_window = frames.FIRST_WINDOW
        self._is_greeted = False
        self._buffer = memoryview(bytearray(_READ_BYTES))
        self._kept = 0
        self._data_left = 0
        self._is_last = False
        self._body: list[bytes] = []
        self._body_bytes = 0
        self._answers = b""
        plain = socket.create_connection(("127.0.0.1", address.port), _PATIENCE_SECONDS)
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._socket = frames.trusting(address.ca).wrap_socket(plain, server_hostname="localhost")
        self._socket.setblocking(False)
        self._poll = select.poll()
        self._send(frames.greeting())
        while not self._is_greeted:
            self._wait_and_read()
        self._send(
            frames.frame(
                frames.HEADERS, frames.END_HEADERS, STREAM_ID, frames.post_block(path, content_type)
            )
        )

    def close(self) -> None:
        self._socket.close()

    def send_data(self, payload: bytes) -> None:
        self.send_frame(frames.frame(frames.DATA, 0, STREAM_ID, payload), len(payload))

    def send_frame(self, data_frame: bytes, size: int) -> None:
        """Send a DATA frame made before, as soon as the windows have room for its payload."""
        while min(self._stream_window, self._connection_window) < size:
            self._wait_and_read()
            if self.ended:
                self._fail("the broker ended its answer before the request")
        self._stream_window -= size
        self._connection_window -= size
        self._send(data_frame)

    def end(self) -> None:
        """Send no more; the answer goes on."""
        self._send(frames.frame(frames.DATA, frames.END_STREAM, STREAM_ID))

    def take(self) -> bytes:
        """Hand over what has come of the answer, without looking for more."""
        body, self._body = self._body, []
        return body[0] if len(body) == 1 else b"".join(body)

    def receive(self) -> bytes:
        """Hand over what has come; wait for it, if nothing has and more is to come."""
        while not (self._body or self.ended):
            self._wait_and_read()
        return self.take()

    def _send(self, data: bytes = b"") -> None:
        """Write to the end, what frames of the server asked for first.

        TLS wants a write that had to wait repeated before any other.
        """
        data, self._answers = self._answers + data, b""
        while data:
            try:
                data = data[self._socket.send(data) :]
            except ssl.SSLWantWriteError:
                self._wait(select.POLLIN | select.POLLOUT)
                self._read()
            except (ssl.SSLEOFError, ConnectionError):
                while self._read():  # it may have said why
                    pass
                self._fail("the broker closed the connection")

    def _wait_and_read(self) -> None:
        """Read what has come already, or else wait until something does."""
        if not self._read():
            self._wait(select.POLLIN)
            self._read()
        self._send()

    def _wait(self, events: int) -> None:
        self._poll.register(self._socket, events)
        if not self._poll.poll(_PATIENCE_SECONDS * 1000):
            self._fail(f"the broker was silent for {_PATIENCE_SECONDS:.0f} s")

    def _read(self) -> bool:
        """Read what the socket holds, a buffer full at most; tell if there was any."""
        size, is_closed = self._kept, False
        with suppress(ssl.SSLWantReadError):
            while size <= _READ_BYTES - _RECORD_BYTES and (
                got := self._socket.recv_into(self._buffer[size:])
            ):
                size += got
            is_closed = size <= _READ_BYTES - _RECORD_BYTES
        has_more = size > self._kept
        if has_more:
            self._take_apart(self._buffer[:size])
        if is_closed and not self.ended:
            self._fail("the broker closed the connection")
        return has_more

    def _take_apart(self, data: memoryview) -> None:
        """Read frames; the payload of DATA is handed on as it comes, the others whole."""
        while True:
            if self._data_left and data:
                data = self._take_data(data)
            if self._data_left or len(data) < 9:
                break
            head, flags, stream_id = struct.unpack_from("!IBI", data)
            kind, end = head & 0xFF, 9 + (head >> 8)
            if kind == frames.DATA:
                self._data_left, self._is_last = end - 9, bool(flags & frames.END_STREAM)
                self.ended = self._is_last and not self._data_left
                data = data[9:]
            elif end <= len(data):
                self._take_control(kind, flags, stream_id, bytes(data[9:end]))
                data = data[end:]
            else:
                break
        self._kept = len(data)
        self._buffer[: self._kept] = data

    def _take_data(self, data: memoryview) -> memoryview:
        piece = bytes(data[: self._data_left])
        self._body.append(piece)
        self._data_left -= len(piece)
        self.ended = self._is_last and not self._data_left
        self._body_bytes += len(piece)
        if self._body_bytes >= _WIDEN_EVERY_BYTES:
            self._answers += frames.widen(0, self._body_bytes) + frames.widen(
                STREAM_ID, self._body_bytes
            )
            self._body_bytes = 0
        return data[len(piece) :]

    def _take_control(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        if kind == frames.SETTINGS and not flags & frames.ACKNOWLEDGED:
            self._take_settings(payload)
            self._answers += frames.frame(frames.SETTINGS, frames.ACKNOWLEDGED, 0)
        elif kind == frames.PING and not flags & frames.ACKNOWLEDGED:
            self._answers += frames.frame(frames.PING, frames.ACKNOWLEDGED, 0, payload)
        elif kind == frames.WINDOW_UPDATE:
            (more,) = struct.unpack("!I", payload)
            if stream_id:
                self._stream_window += more
            else:
                self._connection_window += more
        elif kind == frames.HEADERS:
            if frames.is_refusal(payload):
                self._fail(f"the request was refused, headers {payload[:40]!r}")
            self.ended = bool(flags & frames.END_STREAM)
        elif kind in {frames.RST_STREAM, frames.GOAWAY} and not self.ended:
            self._fail(f"the broker ended the request by force, {payload[:40]!r}")

    def _take_settings(self, payload: bytes) -> None:
        for setting, value in struct.iter_unpack("!HI", payload):
            if setting == frames.INITIAL_WINDOW:
                self._stream_window += value - self.initial_window
                self.initial_window = value
            elif setting == frames.MAX_FRAME:
                self.max_frame = value
        self._is_greeted = True

    def _fail(self, problem: str) -> NoReturn:
        raise BrokenPromise(f"{problem}; its last words were {b''.join(self._body)[-500:]!r}")
