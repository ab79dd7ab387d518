"""A broker behind a proxy is as good as one that is not: docs/operating.md, "Behind a proxy"."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import NamedTuple

import pytest

from miniqueue_py import Client, Subscription
from miniqueue_py.errors import MessageTooLong
from miniqueue_py.tls.paths import CertificatePaths
from tests.outside.conftest import QUICK, no_stumble
from tests.outside.curl import CurlSubscription, run_curl
from tests.outside.proxies import Kind, free_port, kinds, running_proxy
from tests.outside.server import RunningBroker
from tests.outside.stream import PATIENCE

pytestmark = pytest.mark.anyio

KINDS = kinds()
VERSIONS = ("--http2", "--http1.1")


class Front(NamedTuple):
    """A broker, and what its clients take for it."""

    broker: RunningBroker
    kind: Kind
    certificates: CertificatePaths
    url: str

    @property
    def ca(self) -> Path:
        return self.broker.ca

    def client(self) -> Client:
        return Client(self.url, ca=self.ca)


@pytest.fixture(scope="module", params=list(KINDS))
def front(
    request: pytest.FixtureRequest,
    certificates: CertificatePaths,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Front]:
    directory = tmp_path_factory.mktemp("proxy")
    kind = KINDS[request.param]
    port = free_port()  # the same when it is started again
    flags = (*QUICK, "-port", str(port))
    with ExitStack() as stack:
        broker = stack.enter_context(RunningBroker(directory / "db", certificates, flags))
        stack.enter_context(no_stumble(broker))
        proxy = running_proxy(kind, port, certificates, directory / "proxy")
        yield Front(broker, kind, certificates, f"https://localhost:{stack.enter_context(proxy)}")


@pytest.mark.parametrize("version", VERSIONS)
async def test_curl_consumes_in_lock_step(front: Front, topic: str, version: str) -> None:
    url = f"{front.url}/subscribe/{topic}"
    async with await CurlSubscription.open(front.ca, url, version) as curl:
        await curl.type('"INIT"\n')
        for body, line in ((b"one", b'{"msg":"b25l"}\n'), (b"two", b'{"msg":"dHdv"}\n')):
            publish = ("--data-binary", "@-", f"{front.url}/publish/{topic}")
            await run_curl(front.ca, version, *publish, stdin=body)
            assert await curl.read_line() == line
            await curl.type('"ACK"\n')

        curl.end_input()
        assert await curl.wait_end() == 0


async def test_client_publishes_and_consumes_in_lock_step(front: Front, topic: str) -> None:
    async with front.client() as queue, queue.subscribe(topic) as deliveries:
        for number in range(20):
            await queue.publish(topic, f"{number}")
            delivery = await deliveries.receive()
            assert delivery.text == f"{number}"
            await delivery.ack()


async def test_client_uploads_a_batch_and_consumes_it_with_credit(front: Front, topic: str) -> None:
    async with front.client() as queue:
        async with queue.publisher(topic) as publisher:
            for number in range(20_000):
                await publisher.send(f"a message of some length, number {number}")
        assert publisher.confirmed == 20_000
        async with queue.subscribe(topic, credit=500) as deliveries:
            for number in range(20_000):
                delivery = await deliveries.receive()
                assert delivery.text.endswith(f" {number}")
                await delivery.ack()


@pytest.mark.parametrize("version", VERSIONS)
async def test_curl_uploads_a_batch(front: Front, topic: str, version: str) -> None:
    url = f"{front.url}/publish/{topic}/batch"

    said = await run_curl(
        front.ca, version, "--data-binary", "@-", url, stdin=b"a line\n" * 200_000
    )

    assert said.splitlines()[-1] == b'{"published":200000}'


REFUSALS = {
    "too long": (413, "/publish/x", b"x" * 4_000_000),
    "a bad priority": (400, "/publish/x?priority=256", b"x"),
    "no such page": (404, "/no/such/page", b"x" * 4_000_000),
}


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("upload", [("--data-binary", "@-"), ("-T", "-")], ids=["told", "untold"])
@pytest.mark.parametrize(("status", "path", "body"), REFUSALS.values(), ids=REFUSALS.keys())
async def test_a_refusal_is_read(  # noqa: PLR0913, PLR0917  a table of what is refused
    front: Front, version: str, upload: tuple[str, str], status: int, path: str, body: bytes
) -> None:
    written = ("-w", "%{http_code}", "-X", "POST", *upload, front.url + path)

    said = await run_curl(front.ca, version, *written, stdin=body)

    words, _, code = said.rpartition(b"\n")
    assert int(code) == status
    assert words.startswith(b'{"error": ')


async def test_client_is_refused_in_its_own_words(front: Front, topic: str) -> None:
    async with front.client() as queue:
        with pytest.raises(MessageTooLong):
            await queue.publish(topic, b"x" * 4_000_000)


async def test_whole_body_of_commands(front: Front, topic: str) -> None:
    await run_curl(front.ca, "-d", "hello", f"{front.url}/publish/{topic}")
    url = f"{front.url}/subscribe/{topic}"

    said = await run_curl(front.ca, "-w", "%{http_code}", "-d", '"INIT" "ACK"', url)

    if front.kind.name == "nginx proxy_pass":  # the one thing that it cannot do
        assert said.endswith(b"505")
    else:
        assert said == b'{"msg":"aGVsbG8="}\n200'


async def test_client_goes_on_when_the_broker_was_started_again(front: Front, topic: str) -> None:
    async with front.client() as queue, queue.subscribe(topic) as deliveries:
        await queue.publish(topic, "before")
        await (await deliveries.receive()).ack()

        await asyncio.to_thread(front.broker.restart)

        await queue.publish(topic, "behind")
        await expect_soon(deliveries, "behind")


async def test_client_waits_while_the_broker_is_down(front: Front, topic: str) -> None:
    async with front.client() as queue, queue.subscribe(topic) as deliveries:
        await queue.publish(topic, "before")
        await (await deliveries.receive()).ack()
        await asyncio.to_thread(front.broker.kill)
        publishing = asyncio.create_task(queue.publish(topic, "behind"))
        url = f"{front.url}/healthz"
        code = await run_curl(front.ca, "-o", "/dev/null", "-w", "%{http_code}", url)
        assert code == (b"503" if front.kind.program == "haproxy" else b"502")

        await asyncio.to_thread(front.broker.start)

        async with asyncio.timeout(PATIENCE):
            await publishing
        await expect_soon(deliveries, "behind")


async def expect_soon(deliveries: Subscription, text: str) -> None:
    """Receive it; before it what was acknowledged when the broker was killed may come again."""
    async with asyncio.timeout(PATIENCE):
        while (delivery := await deliveries.receive()).text != text:
            await delivery.ack()
    await delivery.ack()


CLOCKS = {
    "nginx grpc_pass": ["client_body_timeout", "grpc_read_timeout"],
    "nginx proxy_pass": ["client_body_timeout", "proxy_read_timeout"],
    "haproxy": ["timeout server"],
}


@pytest.mark.parametrize(
    ("name", "clock"), [(name, clock) for name, clocks in CLOCKS.items() for clock in clocks]
)
async def test_a_quiet_stream_lives_as_long_as_the_page_says(
    front: Front, tmp_path: Path, topic: str, name: str, clock: str
) -> None:
    """Each clock of the page is one that would end it: with a second there, it does."""
    if front.kind.name != name:
        pytest.skip("of another proxy")
    short = {f"{clock} 1d": f"{clock} 1s"}
    proxy = running_proxy(front.kind, front.broker.port, front.certificates, tmp_path / "p", short)
    with proxy as port:
        quiet = await CurlSubscription.open(front.ca, f"{front.url}/subscribe/{topic}")
        url = f"https://localhost:{port}/subscribe/{topic}"
        async with quiet, await CurlSubscription.open(front.ca, url) as ended:
            await quiet.type('"INIT"\n')
            await ended.type('"INIT"\n')

            await ended.wait_end()

            await run_curl(front.ca, "-d", "hello", f"{front.url}/publish/{topic}")
            assert await quiet.read_line() == b'{"msg":"aGVsbG8="}\n'
