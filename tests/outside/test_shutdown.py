"""Start and stop: a signal drains, a kill loses nothing, and the next run has it all."""

import asyncio
import signal
import time

import pytest

from tests.outside.consumer import Consumer, publish
from tests.outside.server import StartBroker
from tests.outside.wire import Connection

pytestmark = pytest.mark.anyio

DRAINING = {"closing": "draining"}


async def test_sigterm_drains_100_subscriptions_and_keeps_what_they_held(
    start_broker: StartBroker, topic: str
) -> None:
    broker = start_broker("-drain", "1s")
    bodies = [b"%d" % number for number in range(50)]
    async with await Connection.open(broker.port, broker.ca) as connection:
        await publish(connection, topic, *bodies)
        consumers = [await Consumer.holding(connection, topic, body) for body in bodies]
        consumers += [await Consumer.open(connection, topic, "INIT") for _ in range(50)]

        start = time.monotonic()
        broker.terminate()

        for consumer in consumers:
            assert await consumer.expect_closing() == DRAINING
            assert await consumer.stream.read_until_end() == b""
            assert consumer.stream.is_complete
    assert await asyncio.to_thread(broker.wait) == 0
    assert time.monotonic() - start < 5
    broker.start()
    async with await Connection.open(broker.port, broker.ca) as connection:
        await expect_in_order(connection, topic, bodies)


async def test_what_is_settled_during_the_drain_counts(
    start_broker: StartBroker, topic: str
) -> None:
    broker = start_broker("-drain", "3s")
    async with await Connection.open(broker.port, broker.ca) as connection:
        await publish(connection, topic, b"1", b"2")
        consumer = await Consumer.holding(connection, topic, b"1")

        broker.terminate()
        assert await consumer.expect_closing() == DRAINING
        await consumer.send("ACK")
        await consumer.stream.read_until_end()
    assert await asyncio.to_thread(broker.wait) == 0
    broker.start()
    async with await Connection.open(broker.port, broker.ca) as connection:
        await expect_in_order(connection, topic, [b"2"])


async def test_last_fsync_that_fails_is_told_in_one_line(
    start_broker: StartBroker, topic: str
) -> None:
    broker = start_broker("-fsync", "never")
    async with await Connection.open(broker.port, broker.ca) as connection:
        await publish(connection, topic, b"1")
    broker.directory.rename(broker.directory.with_name("elsewhere"))

    broker.terminate()

    assert await asyncio.to_thread(broker.wait) == 1
    assert broker.log_lines()[-1] == (
        "miniqueue: what was written last could not be put on the disk: "
        f"{broker.directory} was moved or replaced while it was open"
    )
    assert not any("Traceback" in line for line in broker.log_lines())


async def test_publishing_is_refused_during_the_drain(
    start_broker: StartBroker, topic: str
) -> None:
    broker = start_broker("-drain", "3s")
    async with await Connection.open(broker.port, broker.ca) as connection:
        await publish(connection, topic, b"1")
        consumer = await Consumer.holding(connection, topic, b"1")

        broker.terminate()
        await consumer.expect_closing()

        response = await connection.request("POST", f"/publish/{topic}", b"2")
        assert response.status == 503
        assert "retry-after" in response.headers


async def test_an_idle_broker_ends_at_once(start_broker: StartBroker) -> None:
    broker = start_broker("-drain", "30s")

    broker.terminate()

    assert await asyncio.to_thread(broker.wait, 3) == 0


async def test_a_second_sigterm_ends_it_at_once(start_broker: StartBroker, topic: str) -> None:
    broker = start_broker("-drain", "30s")
    async with await Connection.open(broker.port, broker.ca) as connection:
        await publish(connection, topic, b"1")
        consumer = await Consumer.holding(connection, topic, b"1")
        broker.terminate()
        await consumer.expect_closing()

        broker.terminate()

        assert await asyncio.to_thread(broker.wait, 3) == 130
    broker.start()
    async with await Connection.open(broker.port, broker.ca) as connection:
        await expect_in_order(connection, topic, [b"1"])


async def test_kill_9_loses_nothing_confirmed_and_gives_back_what_was_in_flight(
    start_broker: StartBroker, topic: str
) -> None:
    broker = start_broker()
    bodies = [b"%d" % number for number in range(20)]
    async with await Connection.open(broker.port, broker.ca) as connection:
        await publish(connection, topic, *bodies)
        for body in bodies[:3]:
            await Consumer.holding(connection, topic, body)

        broker.kill()

    assert broker.wait() == -signal.SIGKILL
    broker.start()
    async with await Connection.open(broker.port, broker.ca) as connection:
        await expect_in_order(connection, topic, bodies)


async def expect_in_order(connection: Connection, topic: str, bodies: list[bytes]) -> None:
    """The topic holds these messages in this order, and no other."""
    consumer = await Consumer.open(connection, topic, "INIT")
    for body in bodies:
        await consumer.expect(body)
        await consumer.send("ACK")
    await consumer.expect_nothing()
