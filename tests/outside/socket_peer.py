"""A WebSocket made by hand, for what no client library would say.

It blocks nobody but its own test, and every wait is bounded.
"""

import asyncio
import ssl
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

from tests.outside.stream import PATIENCE

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0, 1, 2, 8, 9, 10

KEY = b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
ACCEPT = b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
VERSION = b"Sec-WebSocket-Version: 13\r\n"
UPGRADE = b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
ASKING = UPGRADE + VERSION + KEY

_MASK = b"\x21\x43\x65\x87"
_MASKED = 0x80
_ENDS = 0x80
_SHORT, _LONG = 126, 127


class Frame(NamedTuple):
    """What a server sent."""

    opcode: int
    payload: bytes

    @property
    def code(self) -> int:
        """Why it closes."""
        assert self.opcode == CLOSE, self
        return int.from_bytes(self.payload[:2])


class SocketPeer:
    """One connection that becomes a WebSocket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    @classmethod
    async def open(cls, port: int, ca: Path | None = None) -> Self:
        """Connect; without `ca` there is no TLS."""
        trust = None
        if ca is not None:
            trust = ssl.create_default_context(cafile=str(ca))
            trust.set_alpn_protocols(["http/1.1"])
        async with asyncio.timeout(PATIENCE):
            name = None if trust is None else "localhost"
            streams = await asyncio.open_connection(
                "127.0.0.1", port, ssl=trust, server_hostname=name
            )
        return cls(*streams)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.writer.transport.abort()

    def send(self, *pieces: bytes) -> None:
        self.writer.write(b"".join(pieces))

    def ask_nowait(self, path: str, headers: bytes = ASKING) -> None:
        """Send a handshake."""
        self.send(b"GET %b HTTP/1.1\r\nHost: localhost\r\n%b\r\n" % (path.encode(), headers))

    async def ask(self, path: str, headers: bytes = ASKING, *, behind: bytes = b"") -> bytes:
        """Send a handshake, with something behind it; return the head of the answer."""
        self.ask_nowait(path, headers)
        self.send(behind)
        async with asyncio.timeout(PATIENCE):
            return await self.reader.readuntil(b"\r\n\r\n")

    async def connect(self, path: str, headers: bytes = ASKING, *, behind: bytes = b"") -> None:
        """Become a WebSocket."""
        head = await self.ask(path, headers, behind=behind)
        assert head.startswith(b"HTTP/1.1 101 "), head
        assert ACCEPT in head

    async def frame(self, wait_seconds: float = PATIENCE) -> Frame | None:
        """Return the server's next frame; None when it has closed the connection."""
        try:
            async with asyncio.timeout(wait_seconds):
                first, second = await self.reader.readexactly(2)
                assert first & _ENDS, "the server sends messages in one piece"
                assert not second & _MASKED
                size = second
                if second >= _SHORT:
                    size = int.from_bytes(
                        await self.reader.readexactly(2 if second == _SHORT else 8)
                    )
                return Frame(first & 0x0F, await self.reader.readexactly(size))
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            return None

    async def end(self, wait_seconds: float = PATIENCE) -> list[Frame]:
        """Return all that comes until the server has closed the connection."""
        frames = []
        async with asyncio.timeout(wait_seconds):
            while (frame := await self.frame(wait_seconds)) is not None:
                frames.append(frame)
        return frames


def frame(  # noqa: PLR0913  all that may be wrong with one
    opcode: int,
    payload: bytes = b"",
    *,
    is_last: bool = True,
    is_masked: bool = True,
    declared: int | None = None,
    reserved: int = 0,
) -> bytes:
    """Return a frame as a client sends it, or as it should not."""
    size = len(payload) if declared is None else declared
    head = bytes([opcode | reserved | (_ENDS if is_last else 0)])
    masked = _MASKED if is_masked else 0
    if size < _SHORT:
        head += bytes([masked | size])
    elif size < 1 << 16:
        head += bytes([masked | _SHORT]) + size.to_bytes(2)
    else:
        head += bytes([masked | _LONG]) + size.to_bytes(8)
    if not is_masked:
        return head + payload
    return head + _MASK + bytes(byte ^ _MASK[i % 4] for i, byte in enumerate(payload))


def text(words: str) -> bytes:
    """Return a message of one frame."""
    return frame(TEXT, words.encode())


NO_SENSE = {
    "text that is not UTF-8": (frame(TEXT, b"\xff\xfe"), 1007),
    "half a character, and no more": (frame(TEXT, b"\xe2\x82"), 1007),
    "a frame without a mask": (frame(TEXT, b"hello", is_masked=False), 1002),
    "a reserved bit": (frame(TEXT, b"hello", reserved=0x40), 1002),
    "a kind of frame that is none": (frame(3, b"hello"), 1002),
    "the rest of nothing": (frame(CONTINUATION, b"hello"), 1002),
    "a message within a message": (
        frame(TEXT, b"one", is_last=False) + frame(TEXT, b"two"),
        1002,
    ),
    "a ping of 126 bytes": (frame(PING, b"x" * 126), 1002),
    "a ping in parts": (frame(PING, b"x", is_last=False), 1002),
    "a close of one byte": (frame(CLOSE, b"x"), 1002),
    "a close with a code that is none": (frame(CLOSE, b"\x03\xed"), 1002),
    "a length in more bytes than it needs": (b"\x81\xfe\x00\x01" + _MASK + b"x", 1002),
    "a length of 2 ** 63": (b"\x82\xff" + (1 << 63).to_bytes(8) + _MASK, 1002),
    "a length of 5 GB, of which nothing comes": (b"\x82\xff" + (5 << 30).to_bytes(8) + _MASK, 1009),
}
"""What a peer may send that makes no sense, and the code it is closed with."""
