"""The connection by hand tells at once that nobody is there any more."""

import asyncio
import ssl

import pytest

from miniqueue_py.tls.paths import CertificatePaths
from tests.outside.wire import Connection

pytestmark = pytest.mark.anyio


async def test_broker_that_goes_before_its_settings_is_no_wait(
    certificates: CertificatePaths,
) -> None:
    trust = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    trust.load_cert_chain(certificates.certificate, certificates.key)
    trust.set_alpn_protocols(["h2"])

    def go(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with await asyncio.start_server(go, "127.0.0.1", 0, ssl=trust) as server:
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(ConnectionResetError):
            await Connection.open(port, certificates.authority)
