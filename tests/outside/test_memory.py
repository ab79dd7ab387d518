"""Whatever is sent, and whoever does not read: memory does not grow with it."""

import asyncio
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from miniqueue_py.broker.message import Publication
from miniqueue_py.storage.ordered.opening import open_ordered
from miniqueue_py.tls.paths import CertificatePaths
from tests.outside import slow_disk
from tests.outside.batch import BatchStream, publish_lines
from tests.outside.conftest import QUICK
from tests.outside.consumer import Consumer
from tests.outside.credit import CreditConsumer
from tests.outside.server import RunningBroker, StartBroker
from tests.outside.settler import LONG
from tests.outside.test_backlog import use_a_little
from tests.outside.wire import Connection

pytestmark = pytest.mark.anyio

MEGABYTE = 1 << 20
TOPIC = "waiting"

SENT_MEGABYTES = 100
FLAT_BYTES = 48 * MEGABYTE
"""Over what it had after the first megabytes: what is not durable yet, and buffers."""

OWN_BYTES = 24 * MEGABYTE
"""Likewise, without the tables that LevelDB maps: its write buffers are two of 8 MB."""

ROUNDS = 400
MOST_SENT = 12 * MEGABYTE
"""Of a stream that is not read any more: what the broker takes, and buffers on the way.
With a window of 64 KB a round it would be twice as much."""

WAITING = 15_000
BODY_BYTES = 10_000
HELD_BYTES = 64 * MEGABYTE
"""Of bodies, in flight to one consumer, however large its credit."""

HELD_COST_BYTES = 5 * HELD_BYTES
"""Beside the bodies there are buffers on the way, and LevelDB maps what it reads."""


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database with more than a consumer may hold."""
    path = tmp_path_factory.mktemp("waiting") / "db"
    asyncio.run(fill(path))
    return path


async def fill(path: Path) -> None:
    storage = open_ordered(path, fsync="never", fsync_interval_seconds=1)
    for _ in range(WAITING // 100):
        bodies = [os.urandom(BODY_BYTES) for _ in range(100)]
        await storage.append(TOPIC, [Publication(bodies)], time.time(), keep_keys_for=0)
    await storage.aclose()


@contextmanager
def stalled(broker: RunningBroker) -> Iterator[None]:
    stall = slow_disk.stall_of(broker.directory)
    stall.touch()
    try:
        yield
    finally:
        stall.unlink()


async def test_a_long_batch_into_a_slow_disk_costs_little_memory(
    start_broker: StartBroker, topic: str
) -> None:
    broker = start_broker("-fsync", "always", program=slow_disk.PROGRAM)
    megabyte = (b"x" * 1023 + b"\n") * 1024
    async with await Connection.open(broker.port, broker.ca) as connection:
        batch = await BatchStream.open(connection, topic)
        for _ in range(10):
            await batch.send(megabyte, LONG)
        before = broker.own_bytes()

        for _ in range(SENT_MEGABYTES - 10):
            await batch.send(megabyte, LONG)
            assert broker.own_bytes() - before < OWN_BYTES

        batch.stream.end()
        assert await batch.last_line(LONG) == {"published": SENT_MEGABYTES * 1024}


async def test_a_batch_into_a_disk_that_stalls_is_not_read_and_harms_no_neighbour(
    start_broker: StartBroker, topic: str
) -> None:
    broker = start_broker("-fsync", "always", program=slow_disk.PROGRAM)
    bodies = [b"%d" % number for number in range(ROUNDS)]
    piece, small = (b"x" * 999 + b"\n") * 16, b"x" * 99 + b"\n"
    async with await Connection.open(broker.port, broker.ca) as connection:
        await publish_lines(connection, f"{topic}2", bodies)
        batch = await BatchStream.open(connection, topic)
        neighbour = await Consumer.open(connection, f"{topic}2", "INIT")
        sent = lines = 0
        with stalled(broker):
            for body in bodies:
                # Small frames at last: it must be bytes that are counted, not frames.
                data = piece if sent < MOST_SENT // 2 else small
                while size := batch.stream.send_nowait(data):
                    sent += size
                    lines += data[:size].count(b"\n")
                await neighbour.expect(body)
                await neighbour.send("ACK")

        assert MOST_SENT // 2 < sent < MOST_SENT
        await batch.send(b"\n", LONG)
        batch.stream.end()
        assert await batch.last_line(LONG) == {"published": lines + 1}


async def test_lines_of_nothing_into_a_disk_that_stalls_cost_little_memory(
    start_broker: StartBroker, topic: str
) -> None:
    broker = start_broker("-fsync", "always", program=slow_disk.PROGRAM)
    async with await Connection.open(broker.port, broker.ca) as connection:
        batch = await BatchStream.open(connection, topic)
        await batch.send(b"\n")
        await batch.expect_confirmed(1)
        before = broker.own_bytes()
        with stalled(broker):
            for _ in range(ROUNDS):
                while batch.stream.send_nowait(b"\n" * 16_384):
                    continue
                assert (await connection.request("GET", "/healthz")).status == 200

            assert broker.own_bytes() - before < FLAT_BYTES


async def test_a_consumer_of_credit_that_stops_reading_costs_little_memory(
    waiting: Path, certificates: CertificatePaths
) -> None:
    with RunningBroker(waiting, certificates, QUICK) as broker:
        await use_a_little(broker)
        before = broker.own_bytes()
        async with (
            await Connection.open(broker.port, broker.ca, reading=False) as deaf,
            await Connection.open(broker.port, broker.ca) as connection,
        ):
            stream = await deaf.stream("POST", f"/subscribe/{TOPIC}")
            await stream.send(b'"INIT 1000000"')
            neighbour = await CreditConsumer.with_credit(connection, TOPIC, 1)

            for number in range(1, 1001):
                assert (await neighbour.take()).id == number
                await neighbour.send("NACK")

            assert broker.own_bytes() - before < OWN_BYTES


async def test_what_a_consumer_never_settles_is_bounded_in_bytes(
    waiting: Path, certificates: CertificatePaths
) -> None:
    with RunningBroker(waiting, certificates, QUICK) as broker:
        await use_a_little(broker)
        before = broker.rss_bytes()
        async with await Connection.open(broker.port, broker.ca) as connection:
            consumer = await CreditConsumer.with_credit(connection, TOPIC, 1_000_000)

            held = HELD_BYTES // BODY_BYTES
            for _ in range(held):
                assert len((await consumer.take()).body) == BODY_BYTES

            assert broker.rss_bytes() - before < HELD_COST_BYTES
            await consumer.send("FOO")
            more = 0
            while "error" not in await consumer.stream.read_line():
                more += 1
            assert more * BODY_BYTES < MEGABYTE
            await consumer.send(f"ACK ..{held}")
            await consumer.take()
