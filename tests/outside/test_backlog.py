"""A million waiting messages: they cost no memory, and no time when it starts."""

import asyncio
import os
import time
from pathlib import Path

import pytest

from miniqueue_py.broker.message import Publication
from miniqueue_py.storage.ordered.opening import open_ordered
from miniqueue_py.tls.paths import CertificatePaths
from tests.outside.conftest import QUICK
from tests.outside.consumer import Consumer, publish
from tests.outside.credit import CreditConsumer
from tests.outside.server import RunningBroker
from tests.outside.settler import LONG
from tests.outside.wire import Connection

pytestmark = pytest.mark.anyio

TOPIC = "backlog"
WAITING = 1_000_000
CONSUMED = 20_000
CREDIT = 100
BODY_BYTES = 100
BATCH = 1000

ALLOWED_BYTES = 64 << 20
"""Over an idle broker."""

FIRST_DELIVERY_SECONDS = 5
"""A start that reads the backlog would take longer on any machine."""


@pytest.fixture(scope="module")
def backlog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that somebody else has filled."""
    path = tmp_path_factory.mktemp("backlog") / "db"
    asyncio.run(fill(path))
    return path


async def fill(path: Path) -> None:
    storage = open_ordered(path, fsync="never", fsync_interval_seconds=1)
    for _ in range((WAITING + CONSUMED) // BATCH):
        bodies = [os.urandom(BODY_BYTES) for _ in range(BATCH)]
        await storage.append(TOPIC, [Publication(bodies)], time.time(), keep_keys_for=0)
    await storage.aclose()


async def test_a_million_waiting_messages_cost_less_than_64_megabytes(
    backlog: Path, certificates: CertificatePaths, tmp_path: Path
) -> None:
    with RunningBroker(tmp_path / "empty", certificates, QUICK) as idle:
        await use_a_little(idle)
        allowed = idle.rss_bytes() + ALLOWED_BYTES

    with RunningBroker(backlog, certificates, QUICK) as broker:
        await use_a_little(broker)
        assert broker.rss_bytes() < allowed

        async with await Connection.open(broker.port, broker.ca) as connection:
            consumer = await CreditConsumer.with_credit(connection, TOPIC, CREDIT)
            for number in range(1, CONSUMED + 1):
                assert len((await consumer.take(LONG)).body) == BODY_BYTES
                if number % (CREDIT // 2) == 0:
                    await consumer.send(f"ACK ..{number}")
            await consumer.leave()

            assert broker.rss_bytes() < allowed


async def test_the_first_message_of_a_million_is_delivered_soon_after_the_start(
    backlog: Path, certificates: CertificatePaths
) -> None:
    start = time.monotonic()

    with RunningBroker(backlog, certificates, QUICK) as broker:
        async with await Connection.open(broker.port, broker.ca) as connection:
            consumer = await Consumer.open(connection, TOPIC, "INIT")
            await consumer.receive()

            assert time.monotonic() - start < FIRST_DELIVERY_SECONDS


async def use_a_little(broker: RunningBroker) -> None:
    """Have it load whatever it loads late."""
    async with await Connection.open(broker.port, broker.ca) as connection:
        await publish(connection, "another", b"1")
        consumer = await Consumer.holding(connection, "another", b"1")
        await consumer.send("ACK")
        await consumer.expect_nothing()
        assert (await connection.request("GET", "/healthz")).status == 200
