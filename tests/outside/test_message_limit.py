"""-max-message: a longer message is refused before it is read whole."""

import json
from collections.abc import Iterable

import pytest

from tests.outside.consumer import Consumer, publish
from tests.outside.stream import Stream
from tests.outside.wire import Connection, Header

pytestmark = pytest.mark.anyio


@pytest.fixture(scope="module")
def flags() -> tuple[str, ...]:
    return ("-fsync", "never", "-max-message", "1000")


async def test_a_message_of_exactly_the_limit_is_taken(connection: Connection, topic: str) -> None:
    await publish(connection, topic, b"x" * 1000)

    consumer = await Consumer.open(connection, topic, "INIT")

    await consumer.expect(b"x" * 1000)


@pytest.mark.parametrize("headers", [[("content-length", "1001")], []], ids=["told", "untold"])
async def test_a_longer_message_is_refused(
    connection: Connection, topic: str, headers: Iterable[Header]
) -> None:
    response = await connection.request("POST", f"/publish/{topic}", b"x" * 1001, headers)

    assert response.status == 413
    assert list(json.loads(response.body)) == ["error"]
    await publish(connection, topic, b"short")
    consumer = await Consumer.open(connection, topic, "INIT")
    await consumer.expect(b"short")


async def test_a_length_over_the_limit_is_refused_before_the_body(
    connection: Connection, topic: str
) -> None:
    stream = await connection.stream("POST", f"/publish/{topic}", [("content-length", "1001")])

    await expect_refusal(stream)


async def test_a_body_over_the_limit_is_refused_before_its_end(
    connection: Connection, topic: str
) -> None:
    stream = await connection.stream("POST", f"/publish/{topic}")
    await stream.send(b"x" * 600)
    await stream.send(b"x" * 600)

    await expect_refusal(stream)


async def test_refused_bodies_do_not_use_up_the_connection(
    connection: Connection, topic: str
) -> None:
    """What is thrown away must open the connection's window again."""
    for _ in range(20):
        response = await connection.request("POST", f"/publish/{topic}", b"x" * 60_000)
        assert response.status == 413

    await publish(connection, topic, b"short")


async def expect_refusal(stream: Stream) -> None:
    assert await stream.status() == 413
    assert list(json.loads(await stream.read_until_end())) == ["error"]
