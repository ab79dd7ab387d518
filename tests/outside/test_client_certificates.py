"""Clients that show a certificate, over each protocol, as their users run them."""

import asyncio
import os
import ssl
import subprocess
import sys
from pathlib import Path

import anyio
import httpx
import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus

from miniqueue_py.client import Client
from miniqueue_py.client.errors import CannotConnect, NotAuthenticated
from miniqueue_py.tls.paths import CertificatePaths
from tests.access.authority import Authority, Issued
from tests.outside.server import PROJECT, RunningBroker, StartBroker

pytestmark = pytest.mark.anyio

PATIENCE = 10.0


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


class Shop:
    """A broker that knows clients by the certificates of an authority."""

    def __init__(self, start: StartBroker, directory: Path, *flags: str) -> None:
        self.directory = directory
        self.authority = Authority("shop")
        self.ca_file = directory / "client-ca.pem"
        self.ca_file.write_bytes(self.authority.pem)
        self.tokens = directory / "tokens"
        self.tokens.write_text(
            "till cert=CN:till publish=* consume=*\nlooker cert=CN:looker inspect=*\n"
        )
        self.tokens.chmod(0o600)
        self.broker: RunningBroker = start(
            "-tokens", str(self.tokens), "-client-ca", str(self.ca_file), *flags
        )

    def context(self, shown: Issued | None) -> ssl.SSLContext:
        context = ssl.create_default_context(cafile=self.broker.ca)
        if shown is not None:
            context.load_cert_chain(*shown.write(self.directory))
        return context

    def http(self, shown: Issued | None, *, http2: bool = True) -> httpx.Client:
        url = f"https://localhost:{self.broker.port}"
        return httpx.Client(verify=self.context(shown), http2=http2, base_url=url)

    def client(self, shown: Issued | None) -> Client:
        url = f"https://localhost:{self.broker.port}"
        if shown is None:
            return Client(url, ca=self.broker.ca)
        certificate, key = shown.write(self.directory)
        return Client(url, ca=self.broker.ca, certificate=certificate, key=key)


@pytest.fixture
def shop(start_broker: StartBroker, tmp_path: Path) -> Shop:
    return Shop(start_broker, tmp_path)


@pytest.mark.parametrize("http2", [True, False])
def test_a_certificate_says_what_may_be_done(shop: Shop, *, http2: bool) -> None:
    till, looker = shop.authority.issue("till"), shop.authority.issue("looker")
    statuses = []
    for shown in (till, looker, shop.authority.issue("nobody"), None):
        with shop.http(shown, http2=http2) as http:
            published = http.post("/publish/orders", content=b"x")
            statuses.append((published.status_code, http.get("/topics/orders").status_code))

    assert statuses == [(201, 200), (403, 200), (401, 401), (401, 401)]


def test_a_stranger_is_refused_by_tls(shop: Shop) -> None:
    with (
        shop.http(Authority("stranger").issue("till")) as http,
        pytest.raises(httpx.TransportError),
    ):
        http.post("/publish/orders", content=b"x")


async def test_a_websocket_is_opened_by_a_certificate(shop: Shop) -> None:
    url = f"wss://localhost:{shop.broker.port}/zoldyq/queues/orders/enqueue"
    async with connect(url, ssl=shop.context(shop.authority.issue("till"))) as socket:
        await socket.send('{"payload":1}')
        assert await asyncio.wait_for(socket.recv(), PATIENCE)
    with pytest.raises(InvalidStatus, match="401"):
        await connect(url, ssl=shop.context(None))


async def test_streams_end_with_their_authority_and_lawful_ones_go_on(shop: Shop) -> None:
    other = Authority("other")
    shop.ca_file.write_bytes(shop.authority.pem + other.pem)
    with anyio.fail_after(PATIENCE):
        while True:
            try:
                async with shop.client(other.issue("till")) as there:
                    await there.publish("orders", b"1")
                    break
            except (CannotConnect, NotAuthenticated):  # it is read in a moment
                await anyio.sleep(0.05)
    async with (
        shop.client(shop.authority.issue("till")) as goes,
        shop.client(other.issue("till")) as stays,
        stays.subscribe("orders") as lawful,
    ):
        async with goes.subscribe("emails") as unlawful:
            shop.ca_file.write_bytes(other.pem)
            with anyio.fail_after(PATIENCE), pytest.raises((NotAuthenticated, CannotConnect)):
                await unlawful.receive()

        with anyio.fail_after(PATIENCE):
            delivery = await lawful.receive()
        assert delivery.body == b"1"
        await delivery.ack()


def test_both_are_wanted_where_that_is_said(start_broker: StartBroker, tmp_path: Path) -> None:
    shop = Shop(start_broker, tmp_path, "-require", "both")
    with shop.http(shop.authority.issue("till")) as http:
        assert http.post("/publish/orders", content=b"x").status_code == 401


@pytest.mark.parametrize(
    ("flags", "problem"),
    [
        (("-client-ca", "{ca}"), "-tokens: is missing; its lines with cert= say who may do what"),
        (("-require", "both"), "-client-ca: is missing; -require both wants its certificates"),
        (
            ("-tokens", "{tokens}", "-client-ca", "{ca}"),
            "-client-ca: {ca}: holds no certificates in PEM",
        ),
        (
            ("-tokens", "{tokens}", "-client-ca", "{ca}.none"),
            "-client-ca: {ca}.none: No such file or directory",
        ),
    ],
)
def test_what_cannot_be_is_told_in_a_line(
    tmp_path: Path, certificates: CertificatePaths, flags: tuple[str, ...], problem: str
) -> None:
    ca, tokens = tmp_path / "ca.pem", tmp_path / "tokens"
    ca.write_text("nothing")
    tokens.touch(0o600)
    names = {"ca": ca, "tokens": tokens}
    done = subprocess.run(
        [
            *(sys.executable, "-m", "miniqueue_py", "-db", "memory:"),
            *("-cert", str(certificates.certificate), "-key", str(certificates.key)),
            *(flag.format(**names) for flag in flags),
        ],
        cwd=PROJECT,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
        env={**os.environ, "MINIQUEUE_PORT": "0"},
    )

    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(f"miniqueue: {problem.format(**names)}")
