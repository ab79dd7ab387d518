"""What stands between the connections of a port and whoever answers.

It counts what is open, and lets nothing fall through: whatever goes wrong in a
handler is answered, or its answer is broken off, and the broker goes on.
"""

import asyncio
from collections.abc import Callable

from miniqueue_py.errors import MiniqueueError
from miniqueue_py.http.asgi import App, ClientGone, Receive, Scope, Send
from miniqueue_py.http.exchange import Exchange, Handler
from miniqueue_py.http.problems import FAILED
from miniqueue_py.http.sockets import refuse

Route = Callable[[Exchange], Handler]
"""Returns who answers an exchange. Raises MiniqueueError, which answers it."""


class Door:
    """What a port leads to: `route` for requests, `sockets` for WebSockets.

    A connection calls `open` for each request that has come, `fail` with what a
    handler raises, and `close` once for each that was opened, when it is over.
    """

    def __init__(
        self,
        route: Route,
        *,
        sockets: App | None = None,
        on_error: Callable[[str, Exception], None],
    ) -> None:
        self._sockets = sockets or refuse
        self._route = route
        self._on_error = on_error
        self._open = 0
        self._idle: asyncio.Event | None = None
        """There while somebody waits for it: requests come and go far more often."""

    async def wait_idle(self) -> None:
        """Return when no request is being answered, and no WebSocket open."""
        while self._open:
            self._idle = self._idle or asyncio.Event()
            self._idle.clear()
            await self._idle.wait()

    def open(self, exchange: Exchange) -> Handler:
        """Return who answers; it may have done so already."""
        self._open += 1
        try:
            return self._route(exchange)
        except Exception as error:  # noqa: BLE001  the boundary: see `fail`
            handler = Handler()
            self.fail(exchange, handler, error)
            return handler

    async def converse(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a WebSocket, from its handshake on, until it is over."""
        self._open += 1
        try:
            await self._sockets(scope, receive, send)
        except ClientGone:
            return
        except Exception as error:  # noqa: BLE001  the boundary: one socket fails, not the broker
            self._on_error(scope["path"], error)
            await send({"type": "websocket.close", "code": _INTERNAL_ERROR})
        finally:
            self.close()

    def close(self) -> None:
        """Take note that one of those that were opened is over."""
        self._open -= 1
        if self._idle is not None and not self._open:
            self._idle.set()

    def fail(self, exchange: Exchange, handler: Handler, error: Exception) -> None:
        """Answer with what a handler raised; one request fails, not the broker."""
        if not isinstance(error, MiniqueueError):
            self._on_error(exchange.request.path.decode("latin-1"), error)
            error = MiniqueueError(FAILED)
        answer = handler.refusal(exchange.request, error)
        if exchange.is_over:
            return
        if exchange.is_begun:
            exchange.reset()
        else:
            exchange.respond(*answer)


_INTERNAL_ERROR = 1011
"""RFC 6455, section 7.4.1."""
