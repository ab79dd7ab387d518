"""A connection that carries a wire, and tells its load of news and of trouble."""

import asyncio
import ssl
from collections.abc import Callable
from typing import cast

from benchmarks.peers.sample import BrokenPromise
from benchmarks.peers.wires.wire import Wire


class Place:
    """Where a broker listens on loopback."""

    def __init__(self, port: int, trust: ssl.SSLContext | None = None) -> None:
        self.port = port
        self._trust = trust

    async def connect(self, wire: Wire) -> "Line":
        """Open a connection for a wire, and have its greetings done."""
        _, line = await asyncio.get_running_loop().create_connection(
            lambda: Line(wire),
            "127.0.0.1",
            self.port,
            ssl=self._trust,
            server_hostname="localhost" if self._trust else None,
        )
        while not wire.is_open:
            await line.news()
        return line


class Line(asyncio.Protocol):
    """A connection that tells its load of news, and its load of trouble."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.step: Callable[[], None] = lambda: None
        """What is done about news; it says what it has to say on the wire."""
        self._transport: asyncio.Transport | None = None
        self._news: asyncio.Future[None] | None = None

    async def news(self) -> None:
        """Wait until something has come."""
        self._news = asyncio.get_running_loop().create_future()
        await asyncio.wait({self._news, self.done}, return_when=asyncio.FIRST_COMPLETED)
        if self.done.done():
            self.done.result()

    def flush(self) -> None:
        if self.wire.out and self._transport is not None:
            self._transport.write(b"".join(self.wire.out))
            self.wire.out.clear()

    def finish(self) -> None:
        if not self.done.done():
            self.done.set_result(None)

    def close(self) -> None:
        self.done.cancel()
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass
        self.wire.begin()
        self.flush()

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(error or BrokenPromise("the broker closed the connection"))

    def data_received(self, data: bytes) -> None:
        try:
            self.wire.receive(data)
            self.step()
        except Exception as error:  # noqa: BLE001  told to whoever waits
            self._fail(error)
        if self._news is not None and not self._news.done():
            self._news.set_result(None)
        self.flush()

    def _fail(self, error: Exception) -> None:
        if not self.done.done():
            self.done.set_exception(error)
