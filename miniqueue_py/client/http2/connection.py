"""One HTTP/2 connection: what reads, what writes, and what asks for a sign of life.

One task writes. It takes what all streams have to send, as much as the windows
allow, and hands it to the socket in one piece; while that is under way the next
piece gathers. So a thousand acknowledgements cost one write, and no stream can
keep the others from sending. Another task reads, and a third asks for a sign of
life when nothing has come for a while.

Whatever breaks, breaks the whole connection: every stream then fails with the
same `ConnectionLost`, and whoever owns it decides what to do.
"""

from collections.abc import Iterable

import anyio
from anyio.abc import ByteStream

from miniqueue_py.client.http2.bell import Bell
from miniqueue_py.client.http2.stream import Stream
from miniqueue_py.client.http2.streams import Header, Streams
from miniqueue_py.client.http2.tls import refusal_of
from miniqueue_py.errors import ConnectionLost

READ_BYTES = 1 << 16

_ENDED = (OSError, anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream)
"""What a connection ends with, whatever is said over it."""

_CLOSED_BY_US = "it was closed"
_CLOSED_BY_BROKER = "the broker closed it"


class Connection:
    """Streams to one broker, over a socket that speaks TLS already."""

    def __init__(self, transport: ByteStream, authority: str, silence_seconds: float) -> None:
        self.lost: str | None = None
        """Why it is of no use any more."""
        self.is_garbled = False
        """What came is no HTTP/2."""
        self.refusal: str | None = None
        """What the server's TLS has against us. With TLS 1.3 it says so behind the handshake."""
        self._transport = transport
        self._authority = authority
        self._silence_seconds = silence_seconds
        self._is_closing = False
        self._has_heard = True
        self._output = Bell()
        self._changed = Bell()
        self._tasks: anyio.CancelScope | None = None
        self._streams = Streams(authority, self._output.ring, self._changed.ring)

    def __repr__(self) -> str:
        state = "lost" if self.lost is not None else "open"
        return f"<Connection to {self._authority}, {state}, {self._streams}>"

    @property
    def is_greeted(self) -> bool:
        """The server's settings have come."""
        return self._streams.is_greeted

    @property
    def has_room(self) -> bool:
        """Tell if another stream may be opened now."""
        return self.lost is None and not self._is_closing and self._streams.has_room

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
            self._lose(_CLOSED_BY_US)
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
        while self.lost is None and self._streams.are_ending:
            await self._changed.wait()
        self._is_closing = True
        self._streams.codec.end()
        self._output.ring()
        while self.lost is None:
            await self._changed.wait()

    def abort(self) -> None:
        """End at once."""
        self._lose(_CLOSED_BY_US)

    def open_stream(self, method: str, path: str, headers: Iterable[Header] = ()) -> Stream:
        """Begin a request; its body is open. Raises ConnectionLost."""
        if self.lost is not None:
            raise ConnectionLost(self.lost)
        return self._streams.open(method, path, headers)

    async def _write(self) -> None:
        streams = self._streams
        try:
            while self.lost is None:
                data = streams.take()
                if data:
                    await self._transport.send(data)
                elif streams.codec.is_broken:
                    self._lose_by_codec()
                else:
                    await self._output.wait()
        except Exception as error:  # noqa: BLE001  whatever it was, it ends this and nothing else
            self._lose(_why(error))

    async def _read(self) -> None:
        codec, receive = self._streams.codec, self._transport.receive
        try:
            while self.lost is None:
                data = await receive(READ_BYTES)
                self._has_heard = True
                codec.feed(data)
                codec.dispatch(1)
                if codec.wants_take or codec.is_broken:
                    self._output.ring()
        except Exception as error:  # noqa: BLE001  likewise
            self.is_garbled = not isinstance(error, _ENDED)
            self.refusal = refusal_of(error)
            self._lose(_why(error))

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
                self._streams.codec.ping(b"miniqueu")
                self._output.ring()

    def _lose_by_codec(self) -> None:
        """Be lost since the codec is of no use: the server knows why, or said so."""
        if self._is_closing:
            self._lose(_CLOSED_BY_US)
        elif self._streams.is_leaving:
            self._lose(_CLOSED_BY_BROKER)
        else:
            self.is_garbled = True
            self._lose("what came is no HTTP/2")

    def _lose(self, cause: str) -> None:
        """Fail every stream, once, and end the tasks."""
        if self.lost is None:
            self.lost = cause
            self._streams.fail_all(cause)
        if self._tasks is not None:
            self._tasks.cancel()
        self._changed.ring()
        self._output.ring()


def _why(error: BaseException) -> str:
    if isinstance(error, anyio.EndOfStream):
        return _CLOSED_BY_BROKER
    cause = error.__cause__ or error
    words = cause.strerror if isinstance(cause, OSError) else None
    return words or str(cause) or type(cause).__name__
