"""HTTP/2 frames made and read by hand, as cheaply as Python can.

A load generator on a full HTTP/2 library would measure that library. Requests
are bytes made once; answers are looked at only as far as a figure needs.
The server is told to keep no HPACK table, so every status stands in plain
sight at the start of its header block.
"""

import asyncio
import ssl
import struct
from pathlib import Path
from typing import cast

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY = 0, 1, 3, 4, 6, 7
END_STREAM = ACKNOWLEDGED = 0x1
END_HEADERS = 0x4

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_WIDEST = 2**31 - 1
_FIRST_WINDOW = 65_535
_POST, _HTTPS = b"\x83", b"\x87"  # from HPACK's static table
_AUTHORITY, _PATH = b"\x01", b"\x04"  # literals, not to be indexed
# "200" is in the static table; "201" is plain or in Huffman's code.
_GOOD_STATUSES = (b"\x88", b"201", b"\x82\x10\x03")


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    return struct.pack("!IBI", len(payload) << 8 | kind, flags, stream_id) + payload


def post_block(path: str) -> bytes:
    """Make the header block of a POST, the same on every stream."""
    return _POST + _HTTPS + _literal(_AUTHORITY, "localhost") + _literal(_PATH, path)


def greeting() -> bytes:
    """Open a connection on which the server never waits for a window of ours."""
    settings = {1: 0, 2: 0, 4: _WIDEST}  # header table, push, initial window
    payload = b"".join(struct.pack("!HI", *setting) for setting in settings.items())
    window = struct.pack("!I", _WIDEST - _FIRST_WINDOW)
    return _PREFACE + frame(SETTINGS, 0, 0, payload) + frame(8, 0, 0, window)


class FrameProtocol(asyncio.Protocol):
    """One connection: takes frames apart and hands on those that matter."""

    def __init__(self) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport | None = None
        self._rest = b""
        self._out: list[bytes] = []

    def begin(self) -> None:
        """Send the first requests."""
        raise NotImplementedError

    def take_data(self, _stream_id: int, payload: bytes) -> None:
        """Look at a piece of an answer's body."""

    def take_end(self, _stream_id: int) -> None:
        """Learn that an answer is complete."""

    def send(self, *frames: bytes) -> None:
        """Queue frames; all of one turn leave together."""
        self._out += frames

    def finish(self) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def fail(self, problem: str) -> None:
        if not self.done.done():
            self.done.set_exception(RuntimeError(problem))

    def close(self) -> None:
        self.done.cancel()
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self.send(greeting())
        self.begin()
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self.fail(f"the broker closed the connection: {exc}")

    def data_received(self, data: bytes) -> None:
        data = self._rest + data if self._rest else data
        start, size = 0, len(data)
        while size - start >= 9:
            head, flags, stream_id = struct.unpack_from("!IBI", data, start)
            end = start + 9 + (head >> 8)
            if end > size:
                break
            self._take(head & 0xFF, flags, stream_id, data[start + 9 : end])
            start = end
        self._rest = data[start:]
        self._flush()

    def _take(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        if kind == DATA:
            if payload:
                self.take_data(stream_id, payload)
            if flags & END_STREAM:
                self.take_end(stream_id)
        elif kind == HEADERS:
            if not any(status in payload[:12] for status in _GOOD_STATUSES):
                self.fail(f"a request was refused, headers {payload[:40]!r}")
            if flags & END_STREAM:
                self.take_end(stream_id)
        elif kind in {SETTINGS, PING}:
            if not flags & ACKNOWLEDGED:
                self.send(frame(kind, ACKNOWLEDGED, 0, payload if kind == PING else b""))
        elif kind in {RST_STREAM, GOAWAY}:
            self.fail(f"the broker ended stream {stream_id} by force, {payload[:40]!r}")

    def _flush(self) -> None:
        if self._out and self._transport is not None:
            self._transport.write(b"".join(self._out))
            self._out.clear()


async def connect(protocol: FrameProtocol, port: int, ca: Path) -> None:
    """Start a protocol on a connection of its own to the broker on loopback."""
    context = ssl.create_default_context(cafile=ca)
    context.set_alpn_protocols(["h2"])
    loop = asyncio.get_running_loop()
    await loop.create_connection(
        lambda: protocol, "127.0.0.1", port, ssl=context, server_hostname="localhost"
    )


def _literal(name: bytes, value: str) -> bytes:
    encoded = value.encode()
    if len(encoded) > 126:
        raise ValueError("longer values need HPACK's long lengths")
    return name + bytes([len(encoded)]) + encoded
