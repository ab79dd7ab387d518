"""Descriptors run out: connections wait, the store goes on, and so does the broker."""

import socket
import ssl
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from miniqueue_py.tls.paths import CertificatePaths
from tests.outside.conftest import QUICK, no_stumble
from tests.outside.consumer import publish
from tests.outside.server import RunningBroker, parse_fact
from tests.outside.wire import Connection

pytestmark = pytest.mark.anyio

DESCRIPTORS = 80
CLIENTS = 100


@pytest.fixture
def starved(tmp_path: Path, certificates: CertificatePaths) -> Iterator[RunningBroker]:
    """A broker that may open few files, with a dialect in the clear."""
    flags = (*QUICK, "-dialect", "zapq=0")
    broker = RunningBroker(tmp_path / "db", certificates, flags)
    broker.under = ("prlimit", f"--nofile={DESCRIPTORS}:{DESCRIPTORS}")
    with no_stumble(broker), broker:
        yield broker


async def test_with_no_descriptor_left_connections_wait_and_the_store_goes_on(
    starved: RunningBroker,
) -> None:
    async with await Connection.open(starved.port, starved.ca) as early:
        with ExitStack() as crowd:
            for number in range(CLIENTS):
                crowd.enter_context(silent(starved.port if number % 2 else dialect_port(starved)))
            late = crowd.enter_context(silent(dialect_port(starved)))
            late.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")

            for number in range(50):
                await publish(early, f"topic-{number}", b"x" * 100_000)

            assert opened(starved) < DESCRIPTORS - 10, "the store has none left"
            assert opened(starved) > DESCRIPTORS // 2, "it serves fewer than it could"

        late = socket.create_connection(("127.0.0.1", dialect_port(starved)), timeout=10)
        with late:
            late.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = late.recv(100)
        assert answer.startswith(b"HTTP/1.1 200 ")
        await publish(early, "topic", b"1")
    assert events(starved).count("connections.full") == 1


async def test_who_waits_is_served_when_others_leave(starved: RunningBroker) -> None:
    port = dialect_port(starved)
    with ExitStack() as crowd:
        for _ in range(CLIENTS):
            crowd.enter_context(silent(port))
        with silent(port) as late:
            late.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            crowd.close()

            assert late.recv(100).startswith(b"HTTP/1.1 200 ")


async def test_sigterm_ends_it_with_0_while_it_is_full(starved: RunningBroker) -> None:
    with ExitStack() as crowd:
        for number in range(CLIENTS):
            crowd.enter_context(silent(starved.port if number % 2 else dialect_port(starved)))

        starved.terminate()

        assert starved.wait() == 0


async def test_a_handshake_that_fails_holds_no_place(starved: RunningBroker) -> None:
    for _ in range(2 * DESCRIPTORS):
        with silent(starved.port) as client:
            client.sendall(b"\x16\x03\x01\x00\x05hello")
            client.recv(100)

    context = ssl.create_default_context(cafile=starved.ca)
    with (
        silent(starved.port) as client,
        context.wrap_socket(client, server_hostname="localhost") as secure,
    ):
        secure.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert secure.recv(100).startswith(b"HTTP/1.1 200 ")


def silent(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=15)


def dialect_port(broker: RunningBroker) -> int:
    for line in broker.log_lines():
        fact = parse_fact(line)
        if fact.get("event") == "dialect.listening":
            return int(fact["url"].rpartition(":")[2])
    raise AssertionError("no dialect listens")


def opened(broker: RunningBroker) -> int:
    return len(list(Path(f"/proc/{broker.pid}/fd").iterdir()))


def events(broker: RunningBroker) -> list[str]:
    return [parse_fact(line).get("event", "") for line in broker.log_lines()]
