"""One HTTP/2 connection: what reads, what writes, and the streams in between.

One task writes. It takes what all streams have to send, as much as the windows
allow, and hands it to the socket in one piece; while that is under way the next
piece gathers. So a thousand acknowledgements cost one write, and no stream can
keep the others from sending. Another task reads, and a third asks for a sign of
life when nothing has come for a while.

Whatever breaks, breaks the whole connection: every stream then fails with the
same `ConnectionLost`, and whoever owns it decides what to do.
"""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import anyio
import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.exceptions
import h2.settings
from anyio.abc import ByteStream

from miniqueue_py.client.bell import Bell
from miniqueue_py.client.errors import ConnectionLost
from miniqueue_py.client.stream import Stream
from miniqueue_py.client.tls import refusal_of
from miniqueue_py.client.turns import Turns

WINDOW_BYTES = 1 << 23
"""Of an answer, that may come before it is taken."""

CONNECTION_WINDOW_BYTES = 1 << 30
"""Of all answers together: no bound beside that of each."""

MAX_FRAME_BYTES = 1 << 20

READ_BYTES = 1 << 16

SPARE_STREAMS = 2
"""A connection counts as full so many streams before the server says that it is."""

_ENDED = (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream)
"""What a connection ends with, whatever is said over it."""

Header = tuple[str, str]


class Connection:
    """Streams to one broker, over a socket that speaks TLS already."""

    def __init__(self, transport: ByteStream, authority: str, silence_seconds: float) -> None:
        self.lost: str | None = None
        """Why it is of no use any more."""
        self.is_greeted = False
        """The server's settings have come."""
        self.is_garbled = False
        """What came is no HTTP/2."""
        self.refusal: str | None = None
        """What the server's TLS has against us. With TLS 1.3 it says so behind the handshake."""
        self._transport = transport
        self._authority = authority
        self._silence_seconds = silence_seconds
        self._streams: dict[int, Stream] = {}
        self._is_closing = False
        self._has_heard = True
        self._window_used = 0
        self._output = Bell()
        self._changed = Bell()
        self._tasks: anyio.CancelScope | None = None
        self._http2 = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
        )
        self._turns = Turns(self._http2)
        codes = h2.settings.SettingCodes
        self._http2.local_settings = h2.settings.Settings(
            client=True,
            initial_values={
                codes.ENABLE_PUSH: 0,
                codes.INITIAL_WINDOW_SIZE: WINDOW_BYTES,
                codes.MAX_FRAME_SIZE: MAX_FRAME_BYTES,
                codes.MAX_HEADER_LIST_SIZE: 1 << 16,
            },
        )
        self._http2.max_inbound_frame_size = MAX_FRAME_BYTES
        self._http2.initiate_connection()
        self._http2.increment_flow_control_window(CONNECTION_WINDOW_BYTES)

    def __repr__(self) -> str:
        state = "open" if self.lost is None else "lost"
        return f"<Connection to {self._authority}, {state}, {len(self._streams)} streams>"

    @property
    def has_room(self) -> bool:
        """Tell if another stream may be opened now."""
        most = self._http2.remote_settings.max_concurrent_streams
        return (
            self.lost is None
            and not self._is_closing
            and len(self._streams) < max(1, most - SPARE_STREAMS)
            and self._http2.highest_outbound_stream_id < (1 << 31) - 3
        )

    @property
    def is_idle(self) -> bool:
        return not self._streams

    async def run(self) -> None:
        """Read and write until the connection is closed or lost. It never raises those.

        It outlives what cancels its client, until the client ends it: what is
        settled or given back while a cancellation unwinds has to be said.
        """
        try:
            async with anyio.create_task_group() as tasks:
                self._tasks = tasks.cancel_scope
                self._tasks.shield = True
                tasks.start_soon(self._write)
                tasks.start_soon(self._watch)
                await self._read()
        finally:
            self._lose("it was closed")
            with anyio.CancelScope(shield=True):
                await anyio.aclose_forcefully(self._transport)

    async def wait_greeted(self) -> None:
        """Wait for the server's settings. Raises ConnectionLost."""
        while not self.is_greeted:
            if self.lost is not None:
                raise ConnectionLost(self.lost)
            await self._changed.wait()

    async def close(self) -> None:
        """Let the streams end that are ending, say goodbye, and end. The caller bounds the wait."""
        while self.lost is None and any(each.is_ending for each in self._streams.values()):
            await self._changed.wait()
        self._is_closing = True
        if self.lost is None:
            self._http2.close_connection()
        self._output.ring()
        while self.lost is None:
            await self._changed.wait()

    def abort(self) -> None:
        """End at once."""
        self._lose("it was closed")

    def open_stream(self, method: str, path: str, headers: Iterable[Header] = ()) -> Stream:
        """Begin a request; its body is open. Raises ConnectionLost."""
        if self.lost is not None:
            raise ConnectionLost(self.lost)
        number = self._http2.get_next_available_stream_id()
        head = [(":method", method), (":scheme", "https"), (":path", path)]
        try:
            self._http2.send_headers(number, [*head, (":authority", self._authority), *headers])
        except h2.exceptions.ProtocolError as error:
            raise ConnectionLost(str(error)) from error
        stream = Stream(
            number, self._wake, self._open_window, self._drop, room_step=WINDOW_BYTES // 4
        )
        self._streams[number] = stream
        self._output.ring()
        return stream

    # Writing.

    async def _write(self) -> None:
        try:
            while self.lost is None:
                for stream in self._turns.take_all():
                    self._forget_if_over(stream)
                data = self._http2.data_to_send()
                if data:
                    await self._transport.send(data)
                elif self._is_closing:
                    self._lose("it was closed")
                else:
                    await self._output.wait()
        except Exception as error:  # noqa: BLE001  whatever it was, it ends this and nothing else
            self._lose(_why(error))

    def _wake(self, stream: Stream) -> None:
        if not stream.has_sent_all and stream.number in self._streams:
            self._turns.join(stream)
            self._output.ring()

    # Reading.

    async def _read(self) -> None:
        try:
            while self.lost is None:
                data = await self._transport.receive(READ_BYTES)
                self._has_heard = True
                events = self._http2.receive_data(data)
                for event in events:
                    self._take(event)
                if not all(isinstance(event, h2.events.DataReceived) for event in events):
                    self._output.ring()  # it may ask for an answer, or give room
        except Exception as error:  # noqa: BLE001  likewise
            self.is_garbled = not isinstance(error, _ENDED)
            self.refusal = refusal_of(error)
            self._lose(_why(error))

    def _take(self, event: h2.events.Event) -> None:
        match event:
            case h2.events.DataReceived(stream_id=number, data=data):
                self._take_data(number or 0, data or b"", event.flow_controlled_length or 0)
            case h2.events.ResponseReceived(stream_id=number, headers=headers):
                self._take_answer(number or 0, headers or ())
            case h2.events.StreamEnded(stream_id=number):
                stream = self._streams.get(number or 0)
                if stream is not None:
                    stream.take_end()
                    self._forget_if_over(stream)
            case h2.events.StreamReset(stream_id=number):
                stream = self._streams.pop(number or 0, None)
                self._turns.forget(number or 0)
                if stream is not None:
                    code = h2.errors.ErrorCodes(event.error_code or 0).name
                    stream.fail(f"the broker reset the request by {code}")
                    self._changed.ring()
            case h2.events.WindowUpdated():
                self._turns.unblock()
            case h2.events.RemoteSettingsChanged():
                self.is_greeted = True
                self._turns.unblock()
                self._changed.ring()
            case h2.events.ConnectionTerminated():
                self._lose("the broker closed it")
            case _:
                pass  # pings and the like: h2 has its answer ready, and the writer takes it

    def _take_data(self, number: int, data: bytes, flow: int) -> None:
        self._window_used += flow
        if self._window_used > CONNECTION_WINDOW_BYTES // 2:
            self._http2.increment_flow_control_window(self._window_used)
            self._window_used = 0
            self._output.ring()
        stream = self._streams.get(number)
        if stream is not None and data:
            stream.take_data(data)

    def _take_answer(self, number: int, headers: Iterable[Any]) -> None:
        stream = self._streams.get(number)
        if stream is None:
            return
        known = {str(name): str(value) for name, value in headers}
        stream.take_answer(int(known.get(":status", "0")), known)

    def _open_window(self, number: int, size: int) -> None:
        """Let the server send as much again as was taken."""
        stream = self._streams.get(number)
        if stream is not None and not stream.has_ended and self.lost is None:
            self._http2.increment_flow_control_window(size, number)
            self._output.ring()

    # Ending.

    def _drop(self, stream: Stream) -> None:
        """Reset a stream that somebody gave up."""
        if self._streams.pop(stream.number, None) is None or self.lost is not None:
            return
        self._turns.forget(stream.number)
        with suppress(h2.exceptions.ProtocolError):  # it may be closed in the same breath
            self._http2.reset_stream(stream.number, h2.errors.ErrorCodes.CANCEL)
        self._output.ring()
        self._changed.ring()

    def _forget_if_over(self, stream: Stream) -> None:
        if stream.has_sent_all and stream.has_ended:
            self._streams.pop(stream.number, None)
            self._changed.ring()

    def _lose(self, cause: str) -> None:
        """Fail every stream, once, and end the tasks."""
        if self.lost is None:
            self.lost = cause
            streams, self._streams = self._streams, {}
            self._turns.clear()
            for stream in streams.values():
                stream.fail(cause)
        if self._tasks is not None:
            self._tasks.cancel()
        self._changed.ring()
        self._output.ring()

    async def _watch(self) -> None:
        """Notice a server that is gone without a word."""
        is_asked = False
        while self.lost is None:
            self._has_heard = False
            await anyio.sleep(self._silence_seconds)
            if self._has_heard:
                is_asked = False
            elif is_asked:
                self._lose(f"the broker was silent for {2 * self._silence_seconds:g} s")
            else:
                is_asked = True
                self._http2.ping(b"miniqueu")
                self._output.ring()


def _why(error: BaseException) -> str:
    if isinstance(error, anyio.EndOfStream):
        return "the broker closed it"
    cause = error.__cause__ or error
    words = cause.strerror if isinstance(cause, OSError) else None
    return words or str(cause) or type(cause).__name__
