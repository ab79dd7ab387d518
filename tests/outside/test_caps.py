"""-max-msgs and -max-bytes: a full broker says so, and takes more when it has drained."""

import asyncio
import json

import pytest

from tests.outside.consumer import Consumer, publish
from tests.outside.server import StartBroker
from tests.outside.wire import Connection, Response

pytestmark = pytest.mark.anyio


async def test_at_the_cap_of_messages_publishing_is_refused_until_one_is_acknowledged(
    start_broker: StartBroker, topic: str
) -> None:
    broker = start_broker("-max-msgs", "3")
    async with await Connection.open(broker.port, broker.ca) as connection:
        await publish(connection, topic, b"1", b"2", b"3")

        await expect_full(connection, topic, b"4", "-max-msgs")
        await expect_full(connection, f"{topic}2", b"4", "-max-msgs")

        consumer = await Consumer.holding(connection, topic, b"1")
        await expect_full(connection, topic, b"4", "-max-msgs")
        await consumer.send("ACK")
        await consumer.expect(b"2")
        await publish(connection, topic, b"4")
        await expect_full(connection, topic, b"5", "-max-msgs")


async def test_at_the_cap_of_bytes_what_still_fits_is_taken(
    start_broker: StartBroker, topic: str
) -> None:
    broker = start_broker("-max-bytes", "100")
    async with await Connection.open(broker.port, broker.ca) as connection:
        await publish(connection, topic, b"x" * 60)

        await expect_full(connection, topic, b"y" * 41, "-max-bytes")
        await publish(connection, topic, b"y" * 40, b"")
        await expect_full(connection, topic, b"z", "-max-bytes")

        consumer = await Consumer.holding(connection, topic, b"x" * 60)
        await consumer.send("ACK")
        await consumer.expect(b"y" * 40)
        await publish(connection, topic, b"z" * 60)
        await expect_full(connection, topic, b"z", "-max-bytes")


async def test_many_publishers_at_once_do_not_get_past_the_cap(
    start_broker: StartBroker, topic: str
) -> None:
    broker = start_broker("-max-msgs", "10", "-fsync", "always")
    async with await Connection.open(broker.port, broker.ca) as connection:
        responses = await asyncio.gather(
            *(connection.request("POST", f"/publish/{topic}", b"x") for _ in range(50))
        )

    statuses = [response.status for response in responses]
    assert (statuses.count(201), statuses.count(429)) == (10, 40)


async def test_what_is_settled_otherwise_than_by_ack_stays_below_the_cap(
    start_broker: StartBroker, topic: str
) -> None:
    broker = start_broker("-max-msgs", "2")
    async with await Connection.open(broker.port, broker.ca) as connection:
        await publish(connection, topic, b"1", b"2")
        consumer = await Consumer.holding(connection, topic, b"1")

        for command, following in (("NACK", b"1"), ("BACK", b"2"), ("DACK 3600", b"1")):
            await consumer.send(command)
            await consumer.expect(following)
            await expect_full(connection, topic, b"3", "-max-msgs")


async def test_a_deleted_topic_makes_room(start_broker: StartBroker, topic: str) -> None:
    broker = start_broker("-max-msgs", "2", "-max-bytes", "10")
    async with await Connection.open(broker.port, broker.ca) as connection:
        await publish(connection, topic, b"12345", b"12345")
        await expect_full(connection, topic, b"", "-max-msgs")

        assert (await connection.request("DELETE", f"/{topic}")).status == 200

        await publish(connection, topic, b"12345", b"12345")


async def test_a_broker_that_was_full_is_full_when_it_starts_again(
    start_broker: StartBroker, topic: str
) -> None:
    broker = start_broker("-max-msgs", "2")
    async with await Connection.open(broker.port, broker.ca) as connection:
        await publish(connection, topic, b"1", b"2")
        await Consumer.holding(connection, topic, b"1")

    broker.restart()

    async with await Connection.open(broker.port, broker.ca) as connection:
        await expect_full(connection, topic, b"3", "-max-msgs")


async def expect_full(connection: Connection, topic: str, body: bytes, flag: str) -> None:
    response = await connection.request("POST", f"/publish/{topic}", body)
    assert response.status == 429
    assert int(response.headers["retry-after"]) >= 1
    assert flag in error_of(response)


def error_of(response: Response) -> str:
    assert response.headers["content-type"] == "application/json"
    problem = json.loads(response.body)
    assert list(problem) == ["error"]
    return str(problem["error"])
