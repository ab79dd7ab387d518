"""What Hypercorn 0.18.0 does that a broker cannot live with, mended from outside.

Every guard is here or in a module beside this one, each with its reason and the
upstream issue where there is one. tests/http/test_hypercorn_*.py and
tests/outside fail when one is taken away. The version is pinned in
pyproject.toml, and a test says when a new one is out to be tried.
"""

import asyncio
import time
from contextlib import suppress
from typing import Any

import h2.errors
import h2.events
import h2.exceptions
from hypercorn import protocol
from hypercorn.asyncio import run
from hypercorn.asyncio.tcp_server import MAX_RECV, TCPServer
from hypercorn.config import Config
from hypercorn.events import Closed, Event, RawData, Updated
from hypercorn.protocol import h2 as hypercorn_h2
from hypercorn.protocol import h11 as hypercorn_h11
from hypercorn.protocol.events import StreamClosed
from priority.priority import MissingStreamError, PriorityTree

from miniqueue_py.http.servers.hypercorn_flow import FlowingH2Protocol
from miniqueue_py.http.servers.hypercorn_http1 import GuardedH11Protocol, PeerGone
from miniqueue_py.http.servers.hypercorn_sockets import GuardedSocket

GUARDED_VERSION = "0.18.0"

MAX_DISCARDED_BYTES = 1 << 20
"""What a client may go on sending after its request was answered."""

LINGER_SECONDS = 0.5
"""How long it may keep its side of the stream open after that."""

READ_BYTES = 1 << 18
"""What is read of HTTP/2 at a time: in the 64 KiB of the original an upload costs a
third more. HTTP/1.1 keeps to them, for h11 measures no header that came in one read."""

_WAKE_UP = b"the end."
"""Of a PING when a client ends a request that was answered before: curl 7.88 looks at what
it got only when something comes, and would wait for ever."""

_BAD_REQUEST = [(b":status", b"400"), (b"content-length", b"0")]

RESET_BURST = 1000
RESETS_A_SECOND = 100
"""More resets than this from one connection are an attack (CVE-2023-44487)."""


class GuardedBuffer(hypercorn_h2.StreamBuffer):
    """A send buffer that holds back its writer.

    The original lets the writer go on whenever a little was popped, so a peer
    whose window is shut (every pop is empty) takes any amount into memory.
    """

    async def pop(self, max_length: int) -> bytes:
        data = bytes(self.buffer[:max_length])
        del self.buffer[:max_length]
        if len(self.buffer) < hypercorn_h2.BUFFER_LOW_WATER:
            await self._paused.set()
        if not self.buffer:
            await self._is_empty.set()
        return data


class GuardedH2Protocol(FlowingH2Protocol):
    """HTTP/2 for one connection, with one stream's trouble kept to that stream."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # It holds 1000 streams by default, and the next one ends the connection.
        self.priority = PriorityTree(maximum_streams=2 * self.config.h2_max_concurrent_streams)
        self._discarded: dict[int, int] = {}
        self._resets_left = float(RESET_BURST)
        self._reset_at = time.monotonic()

    async def handle(self, event: Event) -> None:
        await super().handle(event)
        if isinstance(event, Closed):
            # Whoever waited for a window that a peer kept shut waited on when it had gone.
            for buffer in self.stream_buffers.values():
                await buffer.close()

    async def _handle_events(self, events: list[h2.events.Event]) -> None:
        for event in events:
            if isinstance(event, h2.events.DataReceived):
                await self._receive_data(event)
            else:
                if isinstance(event, h2.events.StreamReset):
                    self._count_reset()
                    self._give_back_unread(event.stream_id)
                if isinstance(event, h2.events.StreamReset | h2.events.StreamEnded):
                    self._discarded.pop(event.stream_id, None)
                if isinstance(event, h2.events.StreamEnded) and event.stream_id not in self.streams:
                    self.connection.ping(_WAKE_UP)
                await super()._handle_events([event])
        await self._flush()

    async def _create_stream(self, request: h2.events.RequestReceived) -> None:
        # A path or method that is not ASCII, or no path at all, raised out of
        # the connection and took every stream with it.
        fields = dict(request.headers)
        path, method = fields.get(b":path"), fields.get(b":method", b"")
        if path is not None and path.isascii() and method.isascii():
            await super()._create_stream(request)
        else:
            self.connection.send_headers(request.stream_id, _BAD_REQUEST, end_stream=True)

    def _discard(self, stream_id: int, size: int) -> None:
        """Count what still comes of a request that was answered; stop it when it is much.

        The server's end made the client's next DATA a KeyError that closed the
        connection (pgjones/hypercorn#329).

        RFC 9113, section 8.1, has RST_STREAM with NO_ERROR for that. Sent at
        once, it costs some clients the answer (curl 7.88 reports an error).
        """
        self._discarded[stream_id] = self._discarded.get(stream_id, 0) + size
        if self._discarded[stream_id] > MAX_DISCARDED_BYTES:
            self._reset(stream_id)

    def _reset(self, stream_id: int) -> None:
        """End an answered request whose client has not, for it may not have noticed."""
        self._discarded.pop(stream_id, None)
        stream = self.connection.streams.get(stream_id)
        if stream is not None and not stream.closed:
            with suppress(h2.exceptions.ProtocolError):
                self.connection.reset_stream(stream_id, h2.errors.ErrorCodes.NO_ERROR)
                self._flush_soon()

    def _count_reset(self) -> None:
        now = time.monotonic()
        refill = (now - self._reset_at) * RESETS_A_SECOND
        self._resets_left = min(RESET_BURST, self._resets_left + refill) - 1
        self._reset_at = now
        if self._resets_left < 0:
            self.connection.close_connection(h2.errors.ErrorCodes.ENHANCE_YOUR_CALM)
            self.closed = True

    async def stream_send(self, event: Any) -> None:
        if isinstance(event, StreamClosed) and event.stream_id in self.streams:
            await self._end_for_both(event.stream_id)
        await super().stream_send(event)

    async def _end_for_both(self, stream_id: int) -> None:
        """Leave no client waiting once its application is done.

        An application that failed or gave up in the middle of a response left
        its client hanging, with no END_STREAM and no RST_STREAM.
        """
        self._give_back_unread(stream_id)
        stream = self.connection.streams.get(stream_id)
        if stream is not None and not stream.closed:
            asyncio.get_running_loop().call_later(LINGER_SECONDS, self._reset, stream_id)
        buffer = self.stream_buffers.pop(stream_id, None)
        if buffer is None:
            return
        with suppress(MissingStreamError):
            self.priority.remove_stream(stream_id)
        with suppress(h2.exceptions.ProtocolError):  # the connection or the stream went first
            if buffer.complete:
                self.connection.end_stream(stream_id)
            else:
                await buffer.close()
                self.connection.reset_stream(stream_id, h2.errors.ErrorCodes.INTERNAL_ERROR)
        await self._flush()

    async def _send_data(self, stream_id: int) -> None:
        with suppress(KeyError):  # it was ended while it was being sent
            await super()._send_data(stream_id)

    async def _priority_updated(self, event: h2.events.PriorityUpdated) -> None:
        """Ignore PRIORITY, which RFC 9113 deprecates: each would cost an entry for ever."""


class GuardedConfig(Config):
    """Settings that know the connections they are for."""

    def __init__(self) -> None:
        super().__init__()
        self.writers: set[asyncio.StreamWriter] = set()

    def cut_connections(self) -> None:
        """End every connection without waiting for its peer."""
        for writer in list(self.writers):
            writer.transport.abort()


class GuardedTCPServer(TCPServer):
    """A connection whose end is its own affair.

    What goes wrong in one raised out of its task, and at shutdown out of the
    whole server: a peer that breaks TLS while it is being closed is enough.
    """

    config: GuardedConfig

    has_ended = False
    """Its peer says nothing any more: it is idle no further."""

    async def run(self) -> None:
        self.config.writers.add(self.writer)
        try:
            await super().run()
        except asyncio.CancelledError:
            # The loop ends, and this one came at the last moment. asyncio of Python 3.11 writes
            # an error of a connection whose task was cancelled, with a traceback.
            return
        except Exception as error:  # noqa: BLE001  the boundary: one connection ends, no other
            await self.config.log.warning("a connection was dropped: %r", error)
        finally:
            self.config.writers.discard(self.writer)

    async def _read_data(self) -> None:
        tls = self.writer.get_extra_info("ssl_object")
        size = READ_BYTES if tls and tls.selected_alpn_protocol() == "h2" else MAX_RECV
        while not self.reader.at_eof():
            try:
                data = await self.reader.read(size)
            except OSError:
                break
            try:
                await self.protocol.handle(RawData(data))
            except PeerGone:
                break
        # The idle timer kept the connection of a peer that had gone, for as long as it runs:
        # TLS closes it at once, and in clear nobody did.
        self.has_ended = True
        await self.idle_task.stop()
        await self.protocol.handle(Closed())

    @property
    def is_peer_gone(self) -> bool:
        """Tell if nothing more comes, though what came may not all be read."""
        return self.reader._eof or self.writer.is_closing()  # type: ignore[attr-defined]  # noqa: SLF001

    async def protocol_send(self, event: Event) -> None:
        # A connection that ends needs no idle timer, and can start no task.
        if not (isinstance(event, Updated) and (self.has_ended or self.writer.is_closing())):
            await super().protocol_send(event)

    async def _close(self) -> None:
        with suppress(OSError):
            await super()._close()


def install_guards() -> None:
    """Make Hypercorn use the guarded classes. Idempotent."""
    run.TCPServer = GuardedTCPServer  # type: ignore[attr-defined]
    protocol.H11Protocol = GuardedH11Protocol  # type: ignore[attr-defined]
    hypercorn_h2.StreamBuffer = GuardedBuffer  # type: ignore[misc]
    protocol.H2Protocol = GuardedH2Protocol  # type: ignore[attr-defined]
    hypercorn_h2.WSStream = GuardedSocket  # type: ignore[attr-defined]
    hypercorn_h11.WSStream = GuardedSocket  # type: ignore[attr-defined]
