"""ZoldyQ's WebSockets as fast as they go: payloads pipelined in, and streamed out.

The frames are made and read here, so the client costs as little as it can.
"""

import asyncio
import struct
import time
from typing import Any

_UNANSWERED = 1000
"""Payloads that are sent ahead of their answers."""

_HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
)
_TEXT, _PING, _PONG = 0x81, 0x89, 0x8A
_SHORTEST_OF_TWO, _SHORTEST_OF_EIGHT = 126, 127
_MASK_BIT = 0x80


async def pipeline_in(port: int, path: str, count: int, limit_seconds: float) -> float:
    """Send numbers as payloads, and see each answered; return the seconds that it took."""
    socket = await _Socket.open(port, path, limit_seconds)

    def begin() -> None:
        socket.send(b"".join(_frame(n) for n in range(min(_UNANSWERED, count))))

    def take(messages: list[bytes], came: int) -> None:
        if not all(message.startswith(b'{"queued":true,') for message in messages):
            raise RuntimeError(f"the broker answered {messages}")
        ahead = came + _UNANSWERED
        first = ahead - len(messages)
        socket.send(b"".join(_frame(n) for n in range(first, min(ahead, count))))

    return await socket.run(count, begin, take, limit_seconds)


async def stream_out(port: int, path: str, count: int, limit_seconds: float) -> float:
    """Take what `pipeline_in` sent, in its order; return the seconds that it took."""
    start = time.perf_counter()
    socket = await _Socket.open(port, path, limit_seconds)

    def take(messages: list[bytes], came: int) -> None:
        first = came - len(messages)
        if messages != [b'{"payload":%d}' % number for number in range(first, came)]:
            raise RuntimeError(f"{messages[:3]} came as the payloads from {first} on")

    await socket.run(count, lambda: None, take, limit_seconds)
    return time.perf_counter() - start


def _frame(number: int) -> bytes:
    return _masked(_TEXT, b'{"payload":%d}' % number)


def _masked(kind: int, text: bytes) -> bytes:
    """Return a frame with a mask of zeros, which changes nothing."""
    return bytes((kind, _MASK_BIT | len(text))) + bytes(4) + text


class _Socket(asyncio.Protocol):
    def __init__(self) -> None:
        self.opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._data = b""
        self._came = 0
        self._count = 0
        self._take: Any = None
        self._transport: Any = None

    @classmethod
    async def open(cls, port: int, path: str, limit_seconds: float) -> "_Socket":
        """Shake hands."""
        loop = asyncio.get_running_loop()
        _, socket = await loop.create_connection(cls, "127.0.0.1", port)
        socket.send(_HANDSHAKE.format(path=path).encode())
        await asyncio.wait_for(socket.opened, limit_seconds)
        return socket

    async def run(self, count: int, begin: Any, take: Any, limit_seconds: float) -> float:
        """Give what comes to `take` until so many messages came."""
        self._count, self._take = count, take
        start = time.perf_counter()
        begin()
        if self._data:
            self.data_received(b"")
        try:
            await asyncio.wait_for(self._done, limit_seconds)
            return time.perf_counter() - start
        finally:
            self._transport.abort()

    def send(self, data: bytes) -> None:
        if data:
            self._transport.write(data)

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        for waited in (self.opened, self._done):
            if not waited.done():
                waited.set_exception(error or ConnectionError("the broker closed the WebSocket"))
        for waited in (self.opened, self._done):
            waited.exception()  # asked for: only one of them is waited for

    def data_received(self, data: bytes) -> None:
        self._data += data
        if not self.opened.done():
            head, end, rest = self._data.partition(b"\r\n\r\n")
            if end and b" 101 " not in head.split(b"\r\n")[0]:
                self.opened.set_exception(RuntimeError(f"the broker answered {head!r}"))
            elif end:
                self._data = rest
                self.opened.set_result(None)
            return
        if self._take is None or self._done.done():
            return
        try:
            if messages := self._read():
                self._came += len(messages)
                self._take(messages, self._came)
        except RuntimeError as error:
            self._done.set_exception(error)
        else:
            if self._came >= self._count:
                self._done.set_result(None)

    def _read(self) -> list[bytes]:
        """Take the whole messages off what has come; none of ours is over 64 KiB."""
        messages, at, data = [], 0, self._data
        while len(data) >= at + 2:
            length, begins = data[at + 1], at + 2
            if length == _SHORTEST_OF_TWO:
                if len(data) < at + 4:
                    break
                length, begins = struct.unpack_from(">H", data, begins)[0], at + 4
            elif length == _SHORTEST_OF_EIGHT or data[at] not in {_TEXT, _PING}:
                raise RuntimeError(f"the broker sent {data[at : at + 10]!r}")
            if len(data) < begins + length:
                break
            text = data[begins : begins + length]
            if data[at] == _TEXT:
                messages.append(text)
            else:
                self.send(_masked(_PONG, text))
            at = begins + length
        self._data = data[at:]
        return messages
