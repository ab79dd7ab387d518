"""One HTTP/2 stream as a test holds it: what was sent, what has come so far."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import h2.events

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.outside.wire import Connection

PATIENCE = 10.0


class Stream:
    """A request whose body and answer are both open until somebody ends them."""

    def __init__(self, connection: Connection, stream_id: int) -> None:
        self.id = stream_id
        self.ended = False
        """Nothing more will come, for whatever reason."""
        self.is_complete = False
        """The server ended the answer, which a reset with NO_ERROR may follow."""
        self.reset_code: int | None = None
        self.data_frames = 0
        """How many of them came, empty ones aside."""
        self.changed = asyncio.Event()
        self._connection = connection
        self._headers: dict[str, str] | None = None
        self._body = bytearray()
        self._is_half_closed = False

    def __repr__(self) -> str:
        return (
            f"<Stream {self.id}, headers {self._headers}, ended {self.ended}, "
            f"reset {self.reset_code}, unread {bytes(self._body[:200])!r}>"
        )

    async def send(self, data: bytes, wait_seconds: float = PATIENCE) -> None:
        """Send as much as the server takes before it ends the stream."""
        rest = memoryview(data)
        while rest:
            await self._wait_until(
                lambda: self._window() > 0 or self.ended, "window to send", wait_seconds
            )
            size = min(len(rest), self._window(), self._connection.http2.max_outbound_frame_size)
            if not size:
                return
            self._connection.http2.send_data(self.id, bytes(rest[:size]))
            self._connection.flush()
            await self._connection.drain()
            rest = rest[size:]

    def send_nowait(self, data: bytes) -> int:
        """Send as much as one frame and the window take now; say how much."""
        size = min(len(data), self._window(), self._connection.http2.max_outbound_frame_size)
        if size:
            self._connection.http2.send_data(self.id, data[:size])
            self._connection.flush()
        return size

    async def send_split(self, data: bytes, *, at: int) -> None:
        """Send in two DATA frames, cut at a byte."""
        await self.send(data[:at])
        await self.send(data[at:])

    def end(self) -> None:
        """Half-close: the request body is complete."""
        if self.reset_code is None and not self._is_half_closed:
            self._is_half_closed = True
            self._connection.http2.end_stream(self.id)
            self._connection.flush()

    def reset(self, code: int = 8) -> None:
        """Leave without a word: RST_STREAM, CANCEL unless said otherwise."""
        self._connection.http2.reset_stream(self.id, code)
        self._connection.flush()
        self.ended = True
        self.reset_code = code

    async def headers(self, wait_seconds: float = PATIENCE) -> dict[str, str]:
        await self._wait_until(lambda: self._headers is not None, "headers", wait_seconds)
        assert self._headers is not None
        return self._headers

    async def status(self, wait_seconds: float = PATIENCE) -> int:
        return int((await self.headers(wait_seconds))[":status"])

    async def read_line(self, wait_seconds: float = PATIENCE) -> Any:
        """The next line of the answer, parsed."""
        await self._wait_until(lambda: b"\n" in self._body or self.ended, "line", wait_seconds)
        end = self._body.find(b"\n")
        assert end >= 0, f"no further line: {self}"
        line = bytes(self._body[:end])
        del self._body[: end + 1]
        return json.loads(line)

    async def read_until_end(self, wait_seconds: float = PATIENCE) -> bytes:
        """Whatever is left of the answer, once it has ended or was reset."""
        await self._wait_until(lambda: self.ended, "end of the answer", wait_seconds)
        rest = bytes(self._body)
        self._body.clear()
        return rest

    def take(self, event: h2.events.Event) -> None:
        """Learn what the connection has read for this stream."""
        match event:
            case h2.events.ResponseReceived(headers=headers):
                self._headers = {str(name): str(value) for name, value in headers or []}
            case h2.events.DataReceived(data=data):
                self._body += data or b""
                self.data_frames += bool(data)
            case h2.events.StreamEnded():
                self.ended = self.is_complete = True
            case h2.events.StreamReset(error_code=code):
                self.ended = True
                if self.reset_code is None:
                    self.reset_code = int(code or 0)
            case _:
                pass
        self.changed.set()

    def _window(self) -> int:
        if self.reset_code is not None or self._is_half_closed:
            return 0
        return self._connection.http2.local_flow_control_window(self.id)

    async def _wait_until(
        self, is_true: Callable[[], bool], what: str, wait_seconds: float
    ) -> None:
        try:
            async with asyncio.timeout(wait_seconds):
                while not is_true():
                    if self._connection.is_lost:
                        raise ConnectionError(f"the connection was lost before {what}: {self}")
                    self.changed.clear()
                    await self.changed.wait()
        except TimeoutError:
            raise AssertionError(f"no {what} within {wait_seconds} s: {self}") from None
