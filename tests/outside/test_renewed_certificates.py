"""A certificate is renewed under streams that are running: none of them notices."""

import asyncio
import http.client
import os
import signal
import socket
import ssl
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from miniqueue_py.tls.certificates import make_certificates
from miniqueue_py.tls.paths import CertificatePaths
from tests.outside.conftest import QUICK, no_stumble
from tests.outside.consumer import Consumer, publish
from tests.outside.server import RunningBroker
from tests.outside.wire import Connection

pytestmark = pytest.mark.anyio

CHANGES = 10
CONNECTIONS = 4
STREAMS = 50
"""On each of them."""


@pytest.fixture
def own(tmp_path: Path) -> CertificatePaths:
    return make_certificates(tmp_path / "certs")


@pytest.fixture
def broker(own: CertificatePaths, tmp_path: Path) -> Iterator[RunningBroker]:
    with RunningBroker(tmp_path / "db", own, QUICK) as broker, no_stumble(broker):
        yield broker


def shown_by(broker: RunningBroker) -> bytes:
    """Return the certificate that a new connection sees, which verifies."""
    trust = ssl.create_default_context(cafile=broker.ca)
    with (
        socket.create_connection(("127.0.0.1", broker.port), timeout=10) as plain,
        trust.wrap_socket(plain, server_hostname="localhost") as tls,
    ):
        return tls.getpeercert(binary_form=True) or b""


def status_for(host: str, broker: RunningBroker) -> int:
    """Return what a request gets that is for that host."""
    trust = ssl.create_default_context(cafile=broker.ca)
    asking = http.client.HTTPSConnection("localhost", broker.port, timeout=10, context=trust)
    try:
        asking.request("GET", "/topics", headers={"Host": host})
        return asking.getresponse().status
    finally:
        asking.close()


def on_disk(paths: CertificatePaths) -> bytes:
    return ssl.PEM_cert_to_DER_cert(paths.certificate.read_text())


async def test_ten_changes_beside_200_streams_end_none_of_them(
    broker: RunningBroker, own: CertificatePaths
) -> None:
    async with AsyncExitStack() as stack:
        connections = [
            await stack.enter_async_context(await Connection.open(broker.port, broker.ca))
            for _ in range(CONNECTIONS)
        ]
        consumers = {
            f"t{number}": await Consumer.open(
                connections[number % CONNECTIONS], f"t{number}", "INIT"
            )
            for number in range(CONNECTIONS * STREAMS)
        }
        seen = {shown_by(broker)}

        for change in range(CHANGES):
            make_certificates(own.certificate.parent)
            os.kill(broker.pid, signal.SIGHUP)
            await asyncio.to_thread(broker.wait_for_fact, "certificate.reloaded")
            shown = await asyncio.to_thread(shown_by, broker)
            assert shown == on_disk(own)
            seen.add(shown)
            for topic, consumer in consumers.items():
                if change:
                    await consumer.send("ACK")
                await publish(connections[change % CONNECTIONS], topic, b"%d" % change)
                await consumer.expect(b"%d" % change)

        assert len(seen) == CHANGES + 1
        assert all(connection.is_alive for connection in connections)


async def test_new_files_are_noticed_without_a_signal(
    broker: RunningBroker, own: CertificatePaths
) -> None:
    assert await asyncio.to_thread(status_for, "queue.example", broker) == 421
    make_certificates(own.certificate.parent, ("localhost", "queue.example"))

    fact = await asyncio.to_thread(broker.wait_for_fact, "certificate.reloaded")

    assert await asyncio.to_thread(shown_by, broker) == on_disk(own)
    assert fact["level"] == "info"
    assert await asyncio.to_thread(status_for, "queue.example", broker) == 200


async def test_broken_new_one_is_told_and_the_old_one_stays(
    broker: RunningBroker, own: CertificatePaths, tmp_path: Path
) -> None:
    good, key = shown_by(broker), own.key.read_bytes()
    own.key.write_bytes(make_certificates(tmp_path / "other").key.read_bytes())

    fact = await asyncio.to_thread(broker.wait_for_fact, "certificate.not_reloaded")
    assert "does not belong to" in fact["problem"]
    assert await asyncio.to_thread(shown_by, broker) == good

    own.key.write_bytes(key)
    await asyncio.to_thread(broker.wait_for_fact, "certificate.reloaded")
