"""What stands between the connections of a port and whoever answers.

It counts what is open, and lets nothing fall through: whatever goes wrong in a
handler is answered, or its answer is broken off, and the broker goes on.
"""

import asyncio
from collections.abc import Callable

from miniqueue_py.errors import MiniqueueError
from miniqueue_py.http.asgi import App, ClientGone, Receive, Scope, Send
from miniqueue_py.http.browsers import ORIGIN, SITE, Browsers
from miniqueue_py.http.exchange import LOOKS, Exchange, Handler
from miniqueue_py.http.problems import FAILED, problem_of
from miniqueue_py.http.sockets import answer_handshake, refuse

Route = Callable[[Exchange], Handler]
"""Returns who answers an exchange. Raises MiniqueueError, which answers it."""


class Door:
    """What a port leads to: `route` for requests, `sockets` for WebSockets.

    A connection calls `open` for each request that has come, `fail` with what a
    handler raises, and `close` once for each that was opened, when it is over.

    Pages of other sites are refused, see browsers.py, but for a GET of the `harmless`
    paths: what is there tells nothing of messages.
    """

    def __init__(
        self,
        route: Route,
        *,
        sockets: App | None = None,
        browsers: Browsers | None = None,
        harmless: frozenset[bytes] = frozenset(),
        on_error: Callable[[str, Exception], None],
    ) -> None:
        self._sockets = sockets or refuse
        self._route = route
        self._browsers = Browsers(()) if browsers is None else browsers
        self._harmless = harmless
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
        request = exchange.request
        try:
            if (
                request.host not in self._browsers.known_hosts
                or SITE in request.first
                or ORIGIN in request.first
            ) and not (request.path in self._harmless and request.method in LOOKS):
                self._browsers.check(request.host, request.scheme, request.first)
            return self._route(exchange)
        except Exception as error:  # noqa: BLE001  the boundary: see `fail`
            handler = Handler()
            self.fail(exchange, handler, error)
            return handler

    async def converse(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a WebSocket, from its handshake on, until it is over."""
        self._open += 1
        try:
            fields: dict[bytes, bytes] = dict(reversed(scope["headers"]))
            scheme = "https" if scope["scheme"] == "wss" else "http"
            try:
                self._browsers.check(fields.get(b"host", b""), scheme, fields)
            except MiniqueueError as error:
                await receive()  # the wish to connect
                await answer_handshake(send, *problem_of(error))
                return
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
