"""An HTTP/2 connection made by hand, for tests that must see every frame.

It shares nothing with the client of the project: a mistake made twice is a
mistake nobody sees. Every wait is bounded and says what did not come.
"""

import asyncio
import contextlib
import ssl
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings

from tests.outside.stream import PATIENCE, Stream

Header = tuple[str, str]


@dataclass(frozen=True)
class Response:
    """A whole answer."""

    status: int
    headers: dict[str, str]
    body: bytes = field(repr=False)


class Connection:
    """One TLS connection that speaks HTTP/2, with any number of streams on it."""

    def __init__(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, reading: bool
    ) -> None:
        self.reading = reading
        self.goaway_code: int | None = None
        self.is_lost = False
        self.always: list[Header] = []
        """Headers of each request."""
        self.http2 = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
        )
        self._reader = reader
        self._writer = writer
        self._streams: dict[int, Stream] = {}
        self._settings: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task: asyncio.Task[None] | None = None

    @classmethod
    async def open(
        cls, port: int, ca: Path, *, reading: bool = True, wait_seconds: float = PATIENCE
    ) -> Self:
        """Connect to the broker on loopback and wait for its settings.

        With `reading` off no flow-control window is ever opened again: the
        client takes what fits the first 65,535 bytes, and not a byte more.
        Raises ConnectionResetError for a broker that goes before it has said them.
        """
        async with asyncio.timeout(wait_seconds):
            reader, writer = await asyncio.open_connection(
                "127.0.0.1",
                port,
                ssl=tls_context(ca, "h2"),
                server_hostname="localhost",
                ssl_shutdown_timeout=1,
            )
            assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "h2"
            connection = cls(reader, writer, reading=reading)
            connection.http2.initiate_connection()
            connection.flush()
            connection._task = asyncio.create_task(connection._read())
            try:
                await connection._settings
            except BaseException:
                await connection.close()
                raise
        return connection

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    @property
    def is_alive(self) -> bool:
        return not self.is_lost and self.goaway_code is None

    @property
    def concurrent_limit(self) -> int:
        """How many streams the server allows at the same time."""
        return self.http2.remote_settings.max_concurrent_streams

    async def stream(self, method: str, path: str, headers: Iterable[Header] = ()) -> Stream:
        """Open a stream with request headers; its body stays open."""
        await asyncio.sleep(0)  # let the reader see what has come meanwhile
        stream_id = self.http2.get_next_available_stream_id()
        pseudo = [(":method", method), (":path", path), (":scheme", "https")]
        pseudo.append((":authority", "localhost"))
        self.http2.send_headers(stream_id, [*pseudo, *self.always, *headers])
        stream = self._streams[stream_id] = Stream(self, stream_id)
        self.flush()
        return stream

    async def request(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Iterable[Header] = (),
        wait_seconds: float = PATIENCE,
    ) -> Response:
        """Send a whole request and wait for the whole answer."""
        stream = await self.stream(method, path, headers)
        await stream.send(body, wait_seconds)
        stream.end()
        answer = await stream.headers(wait_seconds)
        rest = await stream.read_until_end(wait_seconds)
        return Response(int(answer[":status"]), answer, rest)

    def send_raw(self, frame: bytes) -> None:
        """Send bytes past the state machine, to say what a decent client would not."""
        self.flush()
        self._writer.write(frame)

    def flush(self) -> None:
        waiting = self.http2.data_to_send()
        if waiting and not self.is_lost:
            self._writer.write(waiting)

    async def drain(self) -> None:
        with contextlib.suppress(OSError):
            await self._writer.drain()

    def abort(self) -> None:
        """Drop the socket: no GOAWAY, no RST_STREAM, no TLS goodbye."""
        self._writer.transport.abort()

    async def close(self) -> None:
        if self._task is None:
            return
        if not self.is_lost:
            with contextlib.suppress(h2.exceptions.ProtocolError):
                self.http2.close_connection()
            self.flush()
        self._writer.close()
        with contextlib.suppress(OSError, TimeoutError):
            async with asyncio.timeout(2):
                await self._writer.wait_closed()
        self._writer.transport.abort()
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        self._task = None

    async def _read(self) -> None:
        try:
            while data := await self._reader.read(1 << 16):
                for event in self.http2.receive_data(data):
                    self._take(event)
                self.flush()
        except (OSError, h2.exceptions.ProtocolError):
            self.abort()
        finally:
            self.is_lost = True
            if not self._settings.done():
                self._settings.set_exception(ConnectionResetError("the broker went without a word"))
            for stream in self._streams.values():
                stream.changed.set()

    def _take(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.RemoteSettingsChanged():
                if not self._settings.done():
                    self._settings.set_result(None)
            case h2.events.ConnectionTerminated(error_code=code):
                self.goaway_code = int(code or 0)
            case h2.events.DataReceived(flow_controlled_length=length, stream_id=stream_id):
                if self.reading and length:
                    self.http2.acknowledge_received_data(length, stream_id)
            case _:
                pass
        touched: int | None = getattr(event, "stream_id", None)
        if touched and touched in self._streams:
            self._streams[touched].take(event)
        elif not touched:
            for stream in self._streams.values():
                stream.take(event)


def tls_context(ca: Path, protocol: str) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=ca)
    context.set_alpn_protocols([protocol])
    return context
