"""What a page of another site gets of a broker on the user's machine: nothing."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Browser, Page

from miniqueue_py.tls.certificates import make_certificates
from miniqueue_py.tls.paths import CertificatePaths
from tests.dashboard.browser import PATIENCE_MS, chromium
from tests.outside.conftest import no_stumble
from tests.outside.dialects import dialect_url
from tests.outside.server import RunningBroker
from tests.outside.wire import Connection

pytestmark = pytest.mark.anyio

FLAGS = ("-fsync", "never", "-dialect", "zapq=0", "-dialect", "zoldyq=0")

TRIES = """
async ([tls, zapq, zoldyq]) => {
  const outcomes = {};
  const post = (url, how) => fetch(url, {method: "POST", mode: "no-cors", body: "evil", ...how})
    .then((answer) => answer.type, () => "refused");
  const image = (url) => new Promise((done) => {
    const element = new Image();
    element.onload = element.onerror = () => done("over");
    element.src = url;
  });
  const socket = (url) => new Promise((done) => {
    const opened = new WebSocket(url);
    opened.onopen = () => done("opened");
    opened.onerror = opened.onclose = () => done("refused");
  });
  for (const url of [`${tls}/publish/victims`, `${tls}/zapq/enqueue`, `${zapq}/enqueue`,
                     `${tls}/receive/victims`, `${tls}/topics/victims/purge`])
    await post(url);
  await post(`${zapq}/clear`, {headers: {"Content-Type": "text/plain"}});
  await image(`${zapq}/dequeue`);
  await image(`${tls}/zapq/dequeue`);
  outcomes.cors = await fetch(`${tls}/topics`).then(() => "read", () => "refused");
  const clear = zoldyq.replace("http", "ws"), secure = tls.replace("http", "ws");
  outcomes.sockets = [];
  for (const base of [clear, `${secure}/zoldyq`])
    for (const verb of ["enqueue", "dequeue"])
      outcomes.sockets.push(await socket(`${base}/queues/victims/${verb}`));
  return outcomes;
}
"""


@pytest.fixture
def certificates(tmp_path: Path) -> CertificatePaths:
    return make_certificates(tmp_path / "certs")


@pytest.fixture
def broker(certificates: CertificatePaths, tmp_path: Path) -> Iterator[RunningBroker]:
    running = RunningBroker(tmp_path / "db", certificates, FLAGS)
    with running as broker, no_stumble(broker):
        yield broker


@asynccontextmanager
async def page_of_another_site(browser: Browser) -> AsyncIterator[Page]:
    """A page that a web server on loopback serves, under a name that is not the broker's."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 4\r\n")
        writer.write(b"Connection: close\r\n\r\nevil")
        writer.close()

    async with (
        await asyncio.start_server(serve, "127.0.0.1", 0) as server,
        await browser.new_context(ignore_https_errors=True) as context,
    ):
        context.set_default_timeout(PATIENCE_MS)
        page = await context.new_page()
        await page.goto(f"http://localhost:{server.sockets[0].getsockname()[1]}/")
        yield page


async def counts(broker: RunningBroker) -> dict[str, float]:
    async with await Connection.open(broker.port, broker.ca) as connection:
        told = (await connection.request("GET", "/metrics")).body.decode()
    lines = [line.rsplit(" ", 1) for line in told.splitlines() if line.startswith("miniqueue_")]
    return {name: float(value) for name, value in lines}


async def test_it_cannot_publish_nor_dequeue_nor_open_a_socket(
    browser: Browser, broker: RunningBroker
) -> None:
    tls = f"https://127.0.0.1:{broker.port}"
    async with await Connection.open(broker.port, broker.ca) as connection:
        for path in ("/publish/victims", "/zapq/enqueue"):
            assert (await connection.request("POST", path, b"mine")).status in {201, 202}
    before = await counts(broker)

    async with page_of_another_site(browser) as page:
        urls = [tls, dialect_url(broker, "zapq"), dialect_url(broker, "zoldyq")]
        outcomes = await page.evaluate(TRIES, urls)

    after = await counts(broker)
    assert outcomes == {"cors": "refused", "sockets": ["refused"] * 4}
    assert after["miniqueue_messages"] == before["miniqueue_messages"] == 2
    for name in ("published_total", "delivered_total"):
        name = f"miniqueue_messages_{name}"  # noqa: PLW2901
        assert after[name] == before[name]
    assert after['miniqueue_foreign_requests_total{reason="origin"}'] >= 13


async def test_name_that_somebody_pointed_here_is_no_way_in(broker: RunningBroker) -> None:
    """As after DNS rebinding: to the browser this is the page's own origin."""
    port = urlsplit(dialect_url(broker, "zapq")).port
    async with (
        chromium("--host-resolver-rules=MAP evil.example 127.0.0.1") as browser,
        await browser.new_context() as context,
    ):
        page = await context.new_page()
        answer = await page.goto(f"http://evil.example:{port}/health")
        posted = await page.evaluate(
            "fetch('/enqueue', {method: 'POST', body: 'evil'}).then((answer) => answer.status)"
        )

    assert answer is not None
    assert (answer.status, posted) == (421, 421)
    assert (await counts(broker))["miniqueue_messages"] == 0
