"""What Hypercorn's HTTP/2 sends in a turn of the loop, in one write.

A publish is answered with HEADERS and an empty DATA frame. The original wakes
its sending task for the second and writes each alone: two TLS records and two
system calls, which is most of what a publish costs. Here a frame that nothing
holds back goes straight into the connection's buffer, and the buffer is
written once at the end of the turn. A body that has to wait for the peer's
window takes the original's way, with its fairness between streams.
"""

import asyncio
from typing import Any

import h2.exceptions
from hypercorn.events import Closed, Event
from hypercorn.protocol import h2 as hypercorn_h2
from hypercorn.protocol.events import Body, EndBody, Response
from priority.priority import MissingStreamError

from miniqueue_py.http.servers.hypercorn_frames import FastConnection

HIGH_WATER_BYTES = 1 << 16
"""Unsent bytes of a connection at which whoever sends waits for the socket."""

TURN_BYTES = 1 << 18
"""What one stream may send in a turn of the loop, with others waiting for theirs."""


class BatchingH2Protocol(hypercorn_h2.H2Protocol):
    """Hypercorn's HTTP/2 connection, with one write a turn."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._writer: asyncio.StreamWriter = self.send.__self__.writer  # type: ignore[attr-defined]
        self._loop = asyncio.get_running_loop()
        self._flush_handle: asyncio.Handle | None = None
        self.connection: FastConnection = FastConnection(
            self.connection.config, self.connection.local_settings
        )
        # Our own headers, lower-case and checked by the ASGI layer already.
        self.connection.config.validate_outbound_headers = False
        self.connection.config.normalize_outbound_headers = False

    async def handle(self, event: Event) -> None:
        if isinstance(event, Closed):
            self._write()
        await super().handle(event)

    async def stream_send(self, event: Any) -> None:
        try:
            if isinstance(event, Response):
                self._send_headers(event)
            elif isinstance(event, Body):
                await self._send_body(event.stream_id, event.data)
            elif isinstance(event, EndBody) and self._is_next(event.stream_id):
                self.connection.end_stream(event.stream_id)
                self.stream_buffers.pop(event.stream_id).set_complete()
                self.priority.remove_stream(event.stream_id)
                await self._flush()
            else:
                await super().stream_send(event)
        except (KeyError, MissingStreamError, h2.exceptions.ProtocolError):
            return  # the stream or the connection went first

    def _send_headers(self, event: Response) -> None:
        self.connection.send_headers(
            event.stream_id,
            [
                (b":status", b"%d" % event.status_code),
                *event.headers,
                *self.config.response_headers("h2"),
            ],
        )
        self._flush_soon()

    async def _send_body(self, stream_id: int, body: bytes) -> None:
        """Send what the peer's windows allow; the rest waits its turn."""
        rest = memoryview(body)
        while rest and self._is_next(stream_id):
            window = self.connection.local_flow_control_window(stream_id)
            size = min(len(rest), max(window, 0), TURN_BYTES)
            if not size:
                break
            self.connection.send_body(stream_id, rest[:size])
            rest = rest[size:]
            await self._flush()
        if rest:
            await super().stream_send(Body(stream_id=stream_id, data=bytes(rest)))

    def _is_next(self, stream_id: int) -> bool:
        """Tell if what is sent now comes ahead of nothing of its own stream."""
        buffer = self.stream_buffers.get(stream_id)
        return buffer is not None and not buffer.buffer and not buffer.complete

    async def _flush(self) -> None:
        """Send what there is by the end of the turn, and wait while that is much."""
        is_much = self.connection.outgoing_size > HIGH_WATER_BYTES
        if is_much:
            self._write()
        else:
            self._flush_soon()
        if self._writer.is_closing():
            return
        if self._writer.transport.get_write_buffer_size() > HIGH_WATER_BYTES:
            try:
                await self._writer.drain()
            except (ConnectionError, RuntimeError):
                await self.handle(Closed())
        if is_much:
            # A peer that takes all at once must not keep everybody else waiting.
            await asyncio.sleep(0)

    def _flush_soon(self) -> None:
        if self._flush_handle is None:
            self._flush_handle = self._loop.call_soon(self._write)

    def _write(self) -> None:
        if self._flush_handle is not None:
            self._flush_handle.cancel()
            self._flush_handle = None
        outgoing = self.connection.take_outgoing()
        if outgoing and not self._writer.is_closing():
            self._writer.write(outgoing)
