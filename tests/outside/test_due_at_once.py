"""A hundred thousand messages that come due in the same instant: nobody else waits for them."""

import asyncio
import time
from pathlib import Path

import pytest

from miniqueue_py.broker.message import Publication
from miniqueue_py.storage.ordered.opening import open_ordered
from miniqueue_py.tls.paths import CertificatePaths
from tests.outside.conftest import QUICK, no_stumble
from tests.outside.consumer import Consumer, publish
from tests.outside.credit import CreditConsumer
from tests.outside.pages import ask
from tests.outside.server import RunningBroker
from tests.outside.settler import LONG
from tests.outside.wire import Connection

pytestmark = pytest.mark.anyio

TOPIC = "delayed"
DELAYED = 100_000
DUE_AFTER = 4.0
"""Seconds in which the database is filled, and the broker started."""


async def fill(path: Path) -> None:
    storage = open_ordered(path, fsync="never", fsync_interval_seconds=1)
    now = time.time()
    for start in range(0, DELAYED, 1000):
        bodies = [b"%d" % number for number in range(start, start + 1000)]
        publication = Publication(bodies, delay_seconds=DUE_AFTER)
        await storage.append(TOPIC, [publication], now, keep_keys_for=0)
    await storage.aclose()


async def test_other_topics_are_served_while_many_messages_come_due(
    certificates: CertificatePaths, tmp_path: Path
) -> None:
    await fill(tmp_path / "db")
    broker = RunningBroker(tmp_path / "db", certificates, QUICK)
    with broker, no_stumble(broker):
        async with await Connection.open(broker.port, broker.ca) as connection:
            other = await Consumer.waiting(connection, "other")
            served_meanwhile = 0
            while left := await count_delayed(connection):
                await publish(connection, "other", b"x")
                await other.expect(b"x")
                await other.send("ACK")
                served_meanwhile += left < DELAYED

            assert served_meanwhile > 1
            consumer = await CreditConsumer.with_credit(connection, TOPIC, 1000)
            for number in range(DELAYED):
                await consumer.expect_next(b"%d" % number)
                if number % 500 == 0:
                    await consumer.send(f"ACK ..{number + 1}")


async def count_delayed(connection: Connection) -> int:
    async with asyncio.timeout(LONG):
        return int((await ask(connection, "GET", f"/topics/{TOPIC}"))["delayed"])
