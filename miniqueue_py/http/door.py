"""What stands between a server and whoever answers: it counts, and lets nothing fall through."""

import asyncio
from collections.abc import Callable

from miniqueue_py.errors import MiniqueueError
from miniqueue_py.http.asgi import App, ClientGone, Receive, Scope, Send, respond, without_body
from miniqueue_py.http.problems import FAILED, problem, problem_of
from miniqueue_py.http.sockets import refuse


class Door:
    """An ASGI application for one port: `app` answers requests, and `sockets` WebSockets.

    An application has to answer what it takes, or to raise: a MiniqueueError, or
    ClientGone when nobody reads an answer.
    """

    def __init__(
        self, app: App, *, sockets: App | None = None, on_error: Callable[[str, Exception], None]
    ) -> None:
        self._app = app
        self._sockets = sockets or refuse
        self._on_error = on_error
        self._open = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def wait_idle(self) -> None:
        """Return when no request is being answered, and no WebSocket open."""
        await self._idle.wait()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _answer_lifespan(receive, send)
            return
        self._open += 1
        self._idle.clear()
        try:
            if scope["type"] == "http":
                await self._answer(scope, receive, send)
            else:
                await self._converse(scope, receive, send)
        finally:
            self._open -= 1
            if not self._open:
                self._idle.set()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "HEAD":
            send = without_body(send)
        try:
            await self._app(scope, receive, send)
        except MiniqueueError as error:
            await respond(send, *problem_of(error))
        except ClientGone:
            return
        except Exception as error:  # noqa: BLE001  the boundary: one request fails, not the broker
            self._on_error(scope["path"], error)
            await respond(send, *problem(500, FAILED))

    async def _converse(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._sockets(scope, receive, send)
        except ClientGone:
            return
        except Exception as error:  # noqa: BLE001  the boundary: one socket fails, not the broker
            self._on_error(scope["path"], error)
            await send({"type": "websocket.close", "code": _INTERNAL_ERROR})


_INTERNAL_ERROR = 1011
"""RFC 6455, section 7.4.1."""


async def _answer_lifespan(receive: Receive, send: Send) -> None:
    while True:
        event = await receive()
        await send({"type": f"{event['type']}.complete"})
        if event["type"] == "lifespan.shutdown":
            return
