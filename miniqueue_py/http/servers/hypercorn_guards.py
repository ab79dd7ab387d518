"""What Hypercorn 0.18.0 does that a broker cannot live with, mended from outside.

Every guard is here, each with its reason and the upstream issue where there is
one; `tests/outside/test_guards.py` fails when one is taken away. The version
is pinned in pyproject.toml, and a test says when a new one is out to be tried.
"""

import time
from typing import Any

import h2.errors
import h2.events
import h2.exceptions
from hypercorn.protocol import h2 as hypercorn_h2
from hypercorn.protocol.events import Body, StreamClosed

from miniqueue_py.http.servers.hypercorn_batching import BatchingH2Protocol

GUARDED_VERSION = "0.18.0"

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


class GuardedH2Protocol(BatchingH2Protocol):
    """HTTP/2 for one connection, with one stream's trouble kept to that stream."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._resets_left = float(RESET_BURST)
        self._reset_at = time.monotonic()

    async def _handle_events(self, events: list[h2.events.Event]) -> None:
        for event in events:
            if isinstance(event, h2.events.DataReceived):
                await self._receive_data(event)
            else:
                if isinstance(event, h2.events.StreamReset):
                    self._count_reset()
                await super()._handle_events([event])
        await self._flush()

    async def _receive_data(self, event: h2.events.DataReceived) -> None:
        # A stream that the server ended first made the client's next DATA a
        # KeyError that closed the connection (pgjones/hypercorn#329). The
        # bytes still count for the connection's window.
        stream = self.streams.get(event.stream_id)
        if stream is not None:
            await stream.handle(Body(stream_id=event.stream_id, data=event.data))
        self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)

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
        """Leave no stream half open once its application is done.

        An application that failed or gave up in the middle of a response left
        its client hanging: no END_STREAM, no RST_STREAM. And one that answered
        before the request was over left the client uploading: RFC 9113,
        section 8.1, has RST_STREAM with NO_ERROR for that.
        """
        buffer = self.stream_buffers.get(stream_id)
        is_unfinished = buffer is not None and not buffer.complete
        try:
            stream = self.connection.streams.get(stream_id)
            if stream is not None and not stream.closed:
                code = h2.errors.ErrorCodes.INTERNAL_ERROR if is_unfinished else 0
                self.connection.reset_stream(stream_id, error_code=code)
                await self._flush()
        except h2.exceptions.ProtocolError:
            return  # the connection or the stream went first
        finally:
            if is_unfinished and buffer is not None:
                await buffer.close()
                await self.has_data.set()


def install_guards() -> None:
    """Make Hypercorn use the guarded classes. Idempotent."""
    from hypercorn import protocol  # noqa: PLC0415  the module whose name is replaced

    hypercorn_h2.StreamBuffer = GuardedBuffer  # type: ignore[misc]
    protocol.H2Protocol = GuardedH2Protocol  # type: ignore[attr-defined]
