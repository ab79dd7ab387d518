"""The connections of a client: one, and another before the first has no room.

A connection is made when somebody needs it. Who needs one while it is being
made waits for that one, so a thousand requests at once make one connection.
"""

from collections.abc import Callable, Coroutine, Iterable
from typing import Any

import anyio
from anyio.abc import TaskGroup

from miniqueue_py.client.errors import CannotConnect, CertificateRefused, ClientClosed, NotHttp2
from miniqueue_py.client.http2.connection import Connection
from miniqueue_py.client.http2.stream import Stream
from miniqueue_py.client.http2.streams import Header
from miniqueue_py.client.http2.tls import Address, Trust
from miniqueue_py.client.token import Token, headers_of
from miniqueue_py.errors import ConnectionLost

GREETING_SECONDS = 10.0
"""From the first byte to the broker's settings."""


class Connections:
    """Where streams are opened."""

    def __init__(
        self, address: Address, trust: Trust, token: Token, silence_seconds: float
    ) -> None:
        self._address = address
        self._trust = trust
        self.token = token
        self._silence_seconds = silence_seconds
        self._open: list[Connection] = []
        self._connecting = anyio.Lock()
        self._tasks: TaskGroup | None = None

    def __repr__(self) -> str:
        return f"<Connections to {self._address}: {self._open}>"

    def begin(self, tasks: TaskGroup) -> None:
        self._tasks = tasks

    def start_soon(self, function: Callable[..., Coroutine[Any, Any, None]], *args: object) -> None:
        """Run something beside, for as long as the client is open. Raises ClientClosed."""
        if self._tasks is None:
            raise ClientClosed("client")
        self._tasks.start_soon(function, *args)

    async def open_stream(self, method: str, path: str, headers: Iterable[Header] = ()) -> Stream:
        """Begin a request. Raises CannotConnect and ConnectionLost."""
        token = await self.token.get()
        connection = self._with_room() or await self._connect()
        stream = connection.open_stream(method, path, (*headers_of(token), *headers))
        stream.token = token
        return stream

    async def close(self) -> None:
        """End all connections when their streams have ended. The caller bounds the wait."""
        self._tasks = None
        for connection in list(self._open):
            await connection.close()

    def abort(self) -> None:
        for connection in self._open:
            connection.abort()

    def _with_room(self) -> Connection | None:
        self._open = [each for each in self._open if each.lost is None]
        return next((each for each in self._open if each.has_room), None)

    async def _connect(self) -> Connection:
        async with self._connecting:
            connection = self._with_room()
            if connection is not None:
                return connection
            if self._tasks is None:
                raise ClientClosed("client")
            try:
                with anyio.fail_after(GREETING_SECONDS):
                    return await self._connect_now(self._tasks)
            except TimeoutError as error:
                problem = f"it did not answer within {GREETING_SECONDS:g} s"
                raise CannotConnect(str(self._address), problem) from error

    async def _connect_now(self, tasks: TaskGroup) -> Connection:
        transport = await self._trust.connect(self._address)
        connection = Connection(transport, str(self._address), self._silence_seconds)
        tasks.start_soon(connection.run)
        try:
            await connection.wait_greeted()
        except ConnectionLost as error:
            if connection.refusal is not None:
                raise CertificateRefused.of_ours(str(self._address), connection.refusal) from error
            kind = NotHttp2 if connection.is_garbled else CannotConnect
            raise kind(str(self._address), f"it broke off the HTTP/2 greeting: {error}") from error
        finally:
            if not connection.is_greeted:
                connection.abort()
        self._open.append(connection)
        return connection
