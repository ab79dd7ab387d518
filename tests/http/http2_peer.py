"""A client of h2 and one of our HTTP/2 connections, joined in memory."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from heapq import heappop, heappush
from itertools import count
from typing import Any
from unittest.mock import patch

import h2.config
import h2.connection
import h2.events
from h2.settings import SettingCodes

from miniqueue_py.http.browsers import Browsers
from miniqueue_py.http.door import Door
from miniqueue_py.http.exchange import Exchange, Handler
from miniqueue_py.http.servers.connections import ConnectionLimits, Connections
from miniqueue_py.http.servers.http2_connection import Http2Connection
from tests.http.exchanges import settle


class Wire(asyncio.Transport):
    """The socket of a connection: what it writes is kept until the peer reads."""

    def __init__(self) -> None:
        super().__init__()
        self.protocol: Any = None
        self.unread: list[bytes] = []
        self.is_being_read = True
        self.is_closed = self.was_aborted = False
        self.most_unread = 1 << 30

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        assert high
        assert low is None

    def write(self, data: Any) -> None:
        assert not self.is_closed, "it writes behind its end"
        self.unread.append(bytes(data))
        if sum(map(len, self.unread)) > self.most_unread:
            self.protocol.pause_writing()

    def read_all(self) -> bytes:
        data = b"".join(self.unread)
        self.unread.clear()
        return data

    def pause_reading(self) -> None:
        self.is_being_read = False

    def resume_reading(self) -> None:
        self.is_being_read = True

    def close(self) -> None:
        self.is_closed = True
        asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)

    def abort(self) -> None:
        self.was_aborted = True
        self.close()


class Timers:
    """Instead of a loop's: they run when the test moves the time."""

    def __init__(self) -> None:
        self._now = 1000.0
        self._waiting: list[tuple[float, int, asyncio.Handle]] = []
        self._tie = count()
        self._loop = asyncio.get_running_loop()

    def time(self) -> float:
        return self._now

    def create_future(self) -> "asyncio.Future[Any]":
        return self._loop.create_future()

    def call_soon(self, call: Callable[..., Any], *arguments: Any) -> asyncio.Handle:
        return self._loop.call_soon(call, *arguments)

    def call_later(
        self, seconds: float, call: Callable[..., Any], *arguments: Any
    ) -> asyncio.Handle:
        handle = asyncio.Handle(call, arguments, self._loop)
        heappush(self._waiting, (self._now + seconds, next(self._tie), handle))
        return handle

    @property
    def pending(self) -> int:
        """Count those that are still to run; each keeps alive what it would call."""
        return sum(not handle.cancelled() for _, _, handle in self._waiting)

    async def advance(self, seconds: float) -> None:
        until = self._now + seconds
        while self._waiting and self._waiting[0][0] <= until:
            self._now, _, handle = heappop(self._waiting)
            if not handle.cancelled():
                handle._run()
            await settle()
        self._now = until


class Peer:
    """The client: what it says goes to the connection, and what came back is in `events`."""

    def __init__(
        self,
        route: Callable[[Exchange], Handler],
        limits: ConnectionLimits = ConnectionLimits(),  # noqa: B008  never changed
    ) -> None:
        self.timers = Timers()
        self.stumbles: list[Exception] = []
        self.connections = Connections(limits)
        self.door = Door(
            route,
            browsers=Browsers(["a"]),
            on_error=lambda _path, error: self.stumbles.append(error),
        )
        with _time_of(self.timers):
            self.connection = Http2Connection(self.door, self.connections, ("192.0.2.1", 5))
        self.wire = Wire()
        self.wire.protocol = self.connection
        self.events: list[h2.events.Event] = []
        self.http2 = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
        )
        self.http2.initiate_connection()
        self.connection.connection_made(self.wire)

    async def begin(self, method: str = "POST", path: str = "/x", *more: tuple[str, str]) -> int:
        """Send the head of a request; return its stream."""
        number = self.http2.get_next_available_stream_id()
        head = [(":method", method), (":scheme", "https"), (":path", path), (":authority", "a")]
        self.http2.send_headers(number, [*head, *more])
        await self.talk()
        return number

    async def ask(self, method: str = "POST", path: str = "/x", body: bytes = b"") -> int:
        """Send a whole request; return its stream."""
        number = self.http2.get_next_available_stream_id()
        head = [(":method", method), (":scheme", "https"), (":path", path), (":authority", "a")]
        self.http2.send_headers(number, head, end_stream=not body)
        if body:
            self.http2.send_data(number, body, end_stream=True)
        await self.talk()
        return number

    async def say(self, number: int, data: bytes, *, is_last: bool = False) -> None:
        self.http2.send_data(number, data, end_stream=is_last)
        await self.talk()

    async def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.connection.data_received(data)
        await settle()

    async def talk(self) -> None:
        """Let both sides say and hear all that there is."""
        for _ in range(20):
            self.hear()
            data = self.http2.data_to_send()
            if data and not self.wire.is_closed:
                self.connection.data_received(data)
            await settle()
            if not data and not self.wire.unread:
                return

    def hear(self) -> None:
        """Take what the connection has written."""
        data = self.wire.read_all()
        if data:
            self.events += self.http2.receive_data(data)

    def of(self, kind: type[h2.events.Event], number: int | None = None) -> Sequence[Any]:
        """Return the events of that kind, of a stream."""
        return [
            event
            for event in self.events
            if isinstance(event, kind) and number in {None, getattr(event, "stream_id", None)}
        ]

    def status(self, number: int) -> int:
        [answer] = self.of(h2.events.ResponseReceived, number)
        return int(dict(answer.headers)[":status"])

    def body(self, number: int) -> bytes:
        return b"".join(event.data for event in self.of(h2.events.DataReceived, number))

    def has_ended(self, number: int) -> bool:
        return bool(self.of(h2.events.StreamEnded, number))

    @property
    def goaway(self) -> int | None:
        """The code of the last GOAWAY, if there was one."""
        told = self.of(h2.events.ConnectionTerminated)
        return int(told[-1].error_code) if told else None

    def set_window(self, size: int) -> None:
        self.http2.update_settings({SettingCodes.INITIAL_WINDOW_SIZE: size})


@contextmanager
def _time_of(timers: Timers) -> Iterator[None]:
    """Give a connection timers in place of the loop's."""
    with patch("asyncio.get_running_loop", return_value=timers):
        yield
