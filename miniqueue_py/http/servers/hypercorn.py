"""Hypercorn serves a port, speaks TLS and ALPN, and hands each connection over to ours.

How many are accepted is the loop's affair: see accepting.py.

What of other libraries is touched that they do not call public:

- `hypercorn.asyncio.run.TCPServer`, the name under which Hypercorn looks up the
  class that serves a connection: there is no setting for it.

Every outside test fails when it goes. The version is pinned.
"""

import asyncio
import logging
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

from hypercorn.asyncio import run, serve
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.config import Config, Sockets

from miniqueue_py.http.door import Door
from miniqueue_py.http.exchange import CertifiedClient
from miniqueue_py.http.servers.accepting import CountedListener
from miniqueue_py.http.servers.connections import Connections
from miniqueue_py.http.servers.http1_connection import Http1Connection
from miniqueue_py.http.servers.http2_connection import Http2Connection

HANDSHAKE_SECONDS = 10.0
FIRST_BYTE_SECONDS = 10.0
"""Between a handshake and the first byte of what it was for."""

READ_BYTES = 1 << 20

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""RFC 9113, section 3.4. Who begins with it speaks HTTP/2, asked or not."""

_TELLING_BYTES = 4
"""So much of it is the beginning of nothing else: "P" may be a POST."""

GRACE_SECONDS = 0.5
"""How long connections may take to close when everything is drained; a peer that does
not answer TLS's good-bye would take for ever."""

CUT_SECONDS = 2.0
"""How long the server may take to notice that they were cut."""


async def run_hypercorn(
    door: Door,
    connections: Connections,
    listeners: Sequence[socket.socket],
    tls: ssl.SSLContext | None,
    until: Callable[[], Awaitable[object]],
) -> None:
    """Serve a door on bound sockets until `until` returns, which does the draining.

    Without TLS it is in clear.
    """
    run.TCPServer = HandingOver  # type: ignore[attr-defined]
    config = make_config(door, connections, listeners, tls)
    drained = asyncio.Event()

    async def trigger() -> None:
        try:
            await until()
        finally:
            drained.set()

    serving = asyncio.create_task(serve(_no_framework, config, shutdown_trigger=trigger))
    draining = asyncio.create_task(drained.wait())
    try:
        await asyncio.wait({serving, draining}, return_when=asyncio.FIRST_COMPLETED)
        # On Python 3.12 closing a listener waits for every connection, for
        # ever if need be (pgjones/hypercorn#308). Ours wait for no one.
        await asyncio.wait({serving}, timeout=GRACE_SECONDS)
        connections.abort()
        await asyncio.wait({serving}, timeout=CUT_SECONDS)
    finally:
        draining.cancel()
        if not serving.done():
            serving.cancel()
            await asyncio.wait({serving}, timeout=CUT_SECONDS)
    if not serving.cancelled() and serving.done():
        serving.result()


class DoorConfig(Config):
    """Settings that know where they lead to."""

    door: Door
    connections: Connections
    listeners: Sequence[CountedListener]
    tls: ssl.SSLContext | None

    @property
    def ssl_enabled(self) -> bool:
        return self.tls is not None

    def create_ssl_context(self) -> ssl.SSLContext | None:
        return self.tls

    def create_sockets(self) -> Sockets:
        listeners: list[socket.socket] = [*self.listeners]
        return Sockets(listeners, [], []) if self.ssl_enabled else Sockets([], listeners, [])


def make_config(
    door: Door,
    connections: Connections,
    listeners: Sequence[socket.socket],
    tls: ssl.SSLContext | None,
) -> DoorConfig:
    """Return the settings for bound sockets, which are the server's from now on."""
    config = DoorConfig()
    config.door, config.connections, config.tls = door, connections, tls
    config.listeners = [CountedListener.over(each, connections) for each in listeners]
    config.backlog = 1024
    config.ssl_handshake_timeout = HANDSHAKE_SECONDS
    config.graceful_timeout = 2 * (GRACE_SECONDS + CUT_SECONDS)
    config.errorlog = logging.getLogger("hypercorn.error")
    config.accesslog = None
    return config


class HandingOver(TCPServer):
    """A connection between its handshake and its end, served by a protocol of ours."""

    config: DoorConfig

    async def run(self) -> None:
        transport = cast("asyncio.Transport", self.writer.transport)
        client = _client_of(transport)
        try:
            if not self.config.connections.is_welcome(client[0]):
                return
            self.config.connections.arriving += 1
            try:
                async with asyncio.timeout(FIRST_BYTE_SECONDS):
                    first = await self._read_first()
            finally:
                self.config.connections.arriving -= 1
            if first:
                await self._serve(transport, client, first)
        except TimeoutError:
            self.config.connections.note_struck("first_byte")
        except OSError:
            return
        except asyncio.CancelledError:
            # The loop ends, and this one came at the last moment. asyncio of Python 3.11 writes
            # an error of a connection whose task was cancelled, with a traceback.
            return
        finally:
            transport.abort()

    async def _read_first(self) -> bytes:
        """Return what came first, as much as tells HTTP/2 from HTTP/1.1."""
        first = b""
        while len(first) < _TELLING_BYTES and PREFACE.startswith(first):
            data = await self.reader.read(READ_BYTES)
            if not data:
                break
            first += data
        return first

    async def _serve(
        self, transport: asyncio.Transport, client: tuple[str, int], first: bytes
    ) -> None:
        """Hand the connection over, in the step that read its first bytes: so none is lost."""
        tls: Any = transport.get_extra_info("ssl_object")
        scheme = "http" if tls is None else "https"
        door, connections = self.config.door, self.config.connections
        connection: Http1Connection | Http2Connection
        is_agreed = tls is not None and tls.selected_alpn_protocol() == "h2"
        if is_agreed or first.startswith(PREFACE[:_TELLING_BYTES]):
            connection = Http2Connection(door, connections, client, scheme=scheme)
        else:
            connection = Http1Connection(door, connections, client, scheme=scheme)
        transport.set_protocol(connection)
        connection.connection_made(transport)
        connection.data_received(first)
        await connection.lost


def _client_of(transport: asyncio.BaseTransport) -> tuple[str, int]:
    peer = transport.get_extra_info("peername")
    client = (peer[0], peer[1]) if peer else ("", 0)
    tls: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    certificate = tls and tls.getpeercert(binary_form=True)
    if not certificate:
        return client
    certified = CertifiedClient(client)
    certified.certificate = certificate
    return certified


async def _no_framework(_scope: Any, receive: Any, send: Any) -> None:
    """Answer Hypercorn's lifespan, which is all that it asks: requests are handed over."""
    while True:
        event = await receive()
        await send({"type": f"{event['type']}.complete"})
        if event["type"] == "lifespan.shutdown":
            return
