"""Hypercorn in this process, with our guards or bare, serving a few difficult pages."""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext, suppress
from typing import Any

import hypercorn.protocol
import pytest
from hypercorn.asyncio import run, serve
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.protocol import h2 as hypercorn_h2
from hypercorn.protocol import h11 as hypercorn_h11
from hypercorn.protocol.ws_stream import WSStream

from miniqueue_py.certificate_paths import CertificatePaths
from miniqueue_py.http.asgi import Event, Receive, Scope, Send, read_body, respond
from miniqueue_py.http.servers.hypercorn import make_config
from miniqueue_py.http.servers.hypercorn_guards import (
    GuardedBuffer,
    GuardedH2Protocol,
    GuardedTCPServer,
)
from miniqueue_py.http.servers.hypercorn_http1 import GuardedH11Protocol
from miniqueue_py.http.servers.hypercorn_sockets import GuardedSocket

BARE_LONGEST_BYTES = 10_000
"""Of a WebSocket's message, on the bare server."""

CHUNK = b"x" * (1 << 16)
FLOOD_CHUNKS = 80
PIECES = [bytes([number]) * (number * 1000) for number in range(200)]
"""Bodies of all sizes, in an order that shows."""


START = {"type": "http.response.start", "status": 200, "headers": []}
END = {"type": "http.response.body", "body": b"", "more_body": False}


class Pages:
    """An application of pages that make trouble."""

    def __init__(self) -> None:
        self.is_flood_over = asyncio.Event()
        self.release = asyncio.Event()
        self.heard: list[bytes] = []
        """What the page that listens has received, piece by piece."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for _ in range(2):
                event = await receive()
                await send({"type": f"{event['type']}.complete"})
            return
        page = getattr(self, scope["path"].replace("/", "_"))
        await page(scope, receive, send)

    async def _echo(self, scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send, 200, body=await read_body(scope, receive, 1 << 20))

    async def _deaf(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.1)
        await respond(send, 200, body=b"heard nothing")

    async def _early(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await respond(send, 200, body=b"no need to hear more")

    async def _fails(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send(START)
        await send(_body(b"half"))
        raise ConnectionAbortedError("the page failed, as it should")

    async def _flood(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send(START)
        for _ in range(FLOOD_CHUNKS):
            await send(_body(CHUNK))
        self.is_flood_over.set()
        await send(END)

    async def _hold(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send(START)
        await self.release.wait()
        await send(END)

    async def _listen(self, _scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        has_more = True
        while has_more and (event := await receive())["type"] == "http.request":
            self.heard.append(event["body"])
            has_more = event["more_body"]
        await send(_body(b"%d" % sum(map(len, self.heard))))
        await send(END)

    async def _patient(self, _scope: Scope, receive: Receive, send: Send) -> None:
        """Answer when there is nobody to be answered any more."""
        while (await receive())["type"] != "http.disconnect":
            pass
        self.heard.append(b"gone")
        await respond(send, 200, body=b"too late")

    async def _brief(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await respond(send, 200, body=b"brief")
        self.heard.append(b"done")

    async def _pieces(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send(START)
        for piece in PIECES:
            await send(_body(piece))
        await send(END)

    async def _chatter(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        await send(START)
        while not self.release.is_set():
            await send(_body(b"x" * 8000))


def _body(body: bytes) -> Event:
    return {"type": "http.response.body", "body": body, "more_body": True}


@asynccontextmanager
async def running(
    certificates: CertificatePaths | None, *, is_guarded: bool, keep_alive_seconds: float = 60.0
) -> AsyncIterator[tuple[int, Pages]]:
    """Serve the pages on a free port until the block ends; in clear without certificates."""
    pages = Pages()
    serving = serve_on_free_port(pages, certificates, is_guarded, keep_alive_seconds)
    async with serving as port:
        try:
            yield port, pages
        finally:
            pages.release.set()


@asynccontextmanager
async def serve_on_free_port(
    application: Any,
    certificates: CertificatePaths | None,
    is_guarded: bool,
    keep_alive_seconds: float = 60.0,
) -> AsyncIterator[int]:
    """Serve an application, with our guards or bare, until the block ends."""
    stop = asyncio.Event()
    listener = socket.create_server(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    credentials = (certificates.certificate, certificates.key) if certificates is not None else None
    config = make_config(listener, credentials)
    config.keep_alive_timeout = keep_alive_seconds
    config.graceful_timeout = 0.5  # a bare server may be stuck
    config.websocket_max_message_size = BARE_LONGEST_BYTES
    with pytest.MonkeyPatch.context() as patch:
        protocol: Any = GuardedH2Protocol if is_guarded else hypercorn_h2.H2Protocol
        patch.setattr(hypercorn.protocol, "H2Protocol", protocol)
        protocol = GuardedH11Protocol if is_guarded else hypercorn_h11.H11Protocol
        patch.setattr(hypercorn.protocol, "H11Protocol", protocol)
        websocket: Any = GuardedSocket if is_guarded else WSStream
        patch.setattr(hypercorn_h2, "WSStream", websocket)
        patch.setattr(hypercorn_h11, "WSStream", websocket)
        buffer: Any = GuardedBuffer if is_guarded else GuardedBuffer.__base__
        patch.setattr(hypercorn_h2, "StreamBuffer", buffer)
        connection: Any = GuardedTCPServer if is_guarded else TCPServer
        patch.setattr(run, "TCPServer", connection)
        serving = asyncio.create_task(serve(application, config, shutdown_trigger=stop.wait))
        try:
            yield port
        finally:
            stop.set()
            await asyncio.wait({serving}, timeout=0.5)
            config.cut_connections()
            with nullcontext() if is_guarded else suppress(Exception):
                await asyncio.wait_for(serving, 10)


async def wait_until(holds: Callable[[], bool], wait_seconds: float = 5.0) -> None:
    """Return when the condition holds; it is the peer's doing, so it is looked at anew."""
    async with asyncio.timeout(wait_seconds):
        while not holds():  # noqa: ASYNC110  no event tells of it
            await asyncio.sleep(0.001)
