"""Other people's clients of HTTP/1.1 see the answer to what is too long, whatever they send."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import httpx
import pytest
import requests

from miniqueue_py.http.door import Door
from miniqueue_py.http.exchange import Exchange, Handler
from miniqueue_py.tls.certificates import make_certificates
from miniqueue_py.tls.paths import CertificatePaths
from tests.http.http1 import LONGEST, Echo
from tests.http.loopback import serve_http1

pytestmark = pytest.mark.anyio

TOO_LONG = b"x" * (50 * LONGEST)
PIECES = 500


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> CertificatePaths:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


def pieces() -> Iterator[bytes]:
    """Have a body in chunks, of no length that anybody knows."""
    for _ in range(PIECES):
        yield b"x" * (len(TOO_LONG) // PIECES)


def by_requests(url: str, ca: Path) -> list[int]:
    with requests.Session() as session:
        session.verify, session.trust_env = str(ca), False
        bodies = (TOO_LONG, pieces(), b"short")
        return [session.post(url, data=body).status_code for body in bodies]


def by_httpx(url: str, ca: Path) -> list[int]:
    with httpx.Client(verify=ssl.create_default_context(cafile=str(ca))) as client:
        bodies = (TOO_LONG, pieces(), b"short")
        return [client.post(url, content=body).status_code for body in bodies]


async def by_curl(url: str, ca: Path) -> list[int]:
    said = []
    command = ("curl", "-s", "--http1.1", "--cacert", str(ca), "-w", "%{response_code}", "-o", "-")
    for options in ["--data-binary", "@-"], ["-T", "-", "-X", "POST"], ["-T", "-", "-H", "Expect:"]:
        curl = await asyncio.create_subprocess_exec(
            *command, *options, url, stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
        )
        told, _ = await curl.communicate(TOO_LONG)
        assert curl.returncode == 0
        said.append(int(told[-3:]))
    return [*said[:2], 200]


async def in_thread(client: Callable[[str, Path], list[int]], url: str, ca: Path) -> list[int]:
    return await asyncio.to_thread(client, url, ca)


CLIENTS: dict[str, Callable[[str, Path], Awaitable[list[int]]]] = {
    "curl": by_curl,
    "requests": lambda url, ca: in_thread(by_requests, url, ca),
    "httpx": lambda url, ca: in_thread(by_httpx, url, ca),
}


@pytest.mark.parametrize("client", CLIENTS)
@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_client_sees_that_its_body_is_too_long(
    certificates: CertificatePaths, client: str, scheme: str
) -> None:
    def route(exchange: Exchange) -> Handler:
        handler = Echo(exchange, LONGEST)
        handler.check_declared()
        return handler

    errors: list[Exception] = []
    door = Door(route, on_error=lambda _path, error: errors.append(error))
    async with serve_http1(door, certificates if scheme == "https" else None) as (port, _):
        url = f"{scheme}://localhost:{port}/echo"
        async with asyncio.timeout(60):
            assert await CLIENTS[client](url, certificates.authority) == [413, 413, 200]
    assert errors == []
