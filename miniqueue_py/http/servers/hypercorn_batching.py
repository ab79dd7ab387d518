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

HIGH_WATER_BYTES = 1 << 16
"""Unsent bytes of a connection at which whoever sends waits for the socket."""


class BatchingH2Protocol(hypercorn_h2.H2Protocol):
    """Hypercorn's HTTP/2 connection, with one write a turn."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._writer: asyncio.StreamWriter = self.send.__self__.writer  # type: ignore[attr-defined]
        self._loop = asyncio.get_running_loop()
        self._flush_handle: asyncio.Handle | None = None
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
            elif isinstance(event, Body) and self._can_send(event.stream_id, len(event.data)):
                self.connection.send_data(event.stream_id, event.data)
                await self._flush()
            elif isinstance(event, EndBody) and self._can_send(event.stream_id, 0):
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

    def _can_send(self, stream_id: int, size: int) -> bool:
        """Tell if so much may go out now, ahead of nothing of its own stream."""
        buffer = self.stream_buffers.get(stream_id)
        return (
            buffer is not None
            and not buffer.buffer
            and not buffer.complete
            and size <= self.connection.max_outbound_frame_size
            and (not size or size <= self.connection.local_flow_control_window(stream_id))
        )

    async def _flush(self) -> None:
        self._flush_soon()
        if self._writer.is_closing():
            return
        if self._writer.transport.get_write_buffer_size() > HIGH_WATER_BYTES:
            try:
                await self._writer.drain()
            except (ConnectionError, RuntimeError):
                await self.handle(Closed())

    def _flush_soon(self) -> None:
        if self._flush_handle is None:
            self._flush_handle = self._loop.call_soon(self._write)

    def _write(self) -> None:
        if self._flush_handle is not None:
            self._flush_handle.cancel()
            self._flush_handle = None
        data = self.connection.data_to_send()
        if data and not self._writer.is_closing():
            self._writer.write(data)
