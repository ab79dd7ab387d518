"""Our connections of HTTP/1.1 on a free port of this machine."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from miniqueue_py.http.door import Door
from miniqueue_py.http.servers.connections import ConnectionLimits, Connections
from miniqueue_py.http.servers.http1_connection import Http1Connection
from miniqueue_py.tls.paths import CertificatePaths


@asynccontextmanager
async def serve_http1(
    door: Door, certificates: CertificatePaths | None
) -> AsyncIterator[tuple[int, Connections]]:
    """Serve a door until the block ends; in clear without certificates."""
    connections = Connections(ConnectionLimits())
    trust = None
    if certificates is not None:
        trust = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        trust.load_cert_chain(certificates.certificate, certificates.key)
        trust.set_alpn_protocols(["http/1.1"])
    scheme = "http" if trust is None else "https"

    def connect() -> Http1Connection:
        return Http1Connection(door, connections, ("127.0.0.1", 1), scheme=scheme)

    loop = asyncio.get_running_loop()
    server = await loop.create_server(connect, "127.0.0.1", 0, ssl=trust)
    try:
        yield server.sockets[0].getsockname()[1], connections
    finally:
        connections.abort()
        server.close()
        await server.wait_closed()
        await wait_until(lambda: not len(connections))


async def wait_until(holds: Callable[[], bool], wait_seconds: float = 5.0) -> None:
    """Return when the condition holds; it is the peer's doing, so it is looked at anew."""
    async with asyncio.timeout(wait_seconds):
        while not holds():  # noqa: ASYNC110  no event tells of it
            await asyncio.sleep(0.001)
