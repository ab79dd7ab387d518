"""Granian, run inside our own loop: the faster server, an extra."""

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings, HTTP2Settings
from granian.server.embed import Server

from miniqueue_py.http.asgi import App, Event, Receive, Scope, Send, respond
from miniqueue_py.http.listener import Credentials
from miniqueue_py.http.problems import problem

MAX_STREAMS = 10_000
MAX_REQUESTS = 100_000
"""Under way at once, in all; each subscription is one for as long as it lives."""

LONGEST_HEADERS_BYTES = 1 << 16
"""Granian's own bound is 16 MiB a request."""

GRACE_SECONDS = 2.0

LAST_FRAMES_SECONDS = 0.5
"""Its runtime writes on a thread of its own and tells nobody when it is done: stopped
at once, it cuts connections before the ends of their streams are out."""


def _answering(app: App) -> App:
    """Have every request answered, as long as there may be somebody to read it.

    A body that is cut off, or no chunks, Granian tells as a client that has gone. Of a
    request without an answer it makes a 500 of its own, which no log would explain.
    """

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        is_answered = False

        async def note(event: Event) -> None:
            nonlocal is_answered
            is_answered = True
            await send(event)

        await app(scope, receive, note)
        if not is_answered and scope["type"] == "http":
            await respond(send, *problem(400, "the body was cut off"))

    return answer


class _Server(Server):
    """Granian on a socket that is bound already."""

    def __init__(self, listener: socket.socket, credentials: Credentials | None, app: App) -> None:
        certificate, key = credentials or (None, None)
        super().__init__(
            _answering(app),
            interface=Interfaces.ASGINL,
            http=HTTPModes.auto,
            websockets=True,
            log_enabled=False,
            backpressure=MAX_REQUESTS,
            ssl_cert=certificate,
            ssl_key=key,
            ssl_protocol_min=SSLProtocols.tls12,
            http1_settings=HTTP1Settings(max_buffer_size=LONGEST_HEADERS_BYTES),
            http2_settings=HTTP2Settings(
                max_concurrent_streams=MAX_STREAMS, max_headers_size=LONGEST_HEADERS_BYTES
            ),
        )
        self._listener = listener

    def _init_shared_socket(self) -> None:
        # Typed as taking the descriptor alone; it takes three since 2.5.
        holder: Any = SocketHolder
        self._shd = holder(self._listener.detach(), False, self.backlog)


async def run_granian(
    app: App,
    listener: socket.socket,
    credentials: Credentials | None,
    until: Callable[[], Awaitable[object]],
) -> None:
    """Serve `app` on a bound socket until `until` returns, which does the draining.

    The credentials are a certificate and its key; without them it is in clear.
    """
    server = _Server(listener, credentials, app)
    serving = asyncio.create_task(server.serve())

    async def drain() -> None:
        await until()
        await asyncio.sleep(LAST_FRAMES_SECONDS)

    draining = asyncio.create_task(drain())
    try:
        await asyncio.wait({serving, draining}, return_when=asyncio.FIRST_COMPLETED)
        server.interrupt_signal = True
        server.main_loop_interrupt.set()
        await asyncio.wait({serving}, timeout=GRACE_SECONDS)
    finally:
        for task in (serving, draining):
            task.cancel()
        await asyncio.wait({serving, draining}, timeout=GRACE_SECONDS)
    for task in (serving, draining):
        if task.done() and not task.cancelled():
            task.result()
