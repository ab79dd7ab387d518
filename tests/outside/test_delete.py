"""DELETE: every message of that topic, and of no other."""

import pytest

from tests.outside.consumer import Consumer, publish
from tests.outside.wire import Connection

pytestmark = pytest.mark.anyio


async def test_deleting_a_topic_leaves_topics_with_similar_names_alone(
    connection: Connection, topic: str
) -> None:
    await publish(connection, topic, b"gone", b"gone too")
    for neighbour in (f"{topic}bar", f"{topic}-ack", f"{topic}%20", topic[:-1]):
        await publish(connection, neighbour, b"stays")

    response = await connection.request("DELETE", f"/{topic}")

    assert response.status == 200
    await Consumer.waiting(connection, topic)
    for neighbour in (f"{topic}bar", f"{topic}-ack", f"{topic}%20", topic[:-1]):
        await Consumer.holding(connection, neighbour, b"stays")
        await connection.request("DELETE", f"/{neighbour}")


async def test_deleting_a_topic_that_never_was_is_no_error(
    connection: Connection, topic: str
) -> None:
    response = await connection.request("DELETE", f"/{topic}")

    assert response.status == 200


async def test_deleted_messages_stay_deleted_and_new_ones_come(
    connection: Connection, topic: str
) -> None:
    await publish(connection, topic, *[b"old"] * 30)
    await connection.request("DELETE", f"/{topic}")

    await publish(connection, topic, b"new")

    consumer = await Consumer.holding(connection, topic, b"new")
    await consumer.send("ACK")
    await consumer.expect_nothing()


async def test_messages_set_aside_are_deleted_too(connection: Connection, topic: str) -> None:
    await publish(connection, topic, b"old")
    consumer = await Consumer.holding(connection, topic, b"old")
    await consumer.send("DACK 1")
    await consumer.expect_nothing()

    await connection.request("DELETE", f"/{topic}")

    with pytest.raises(AssertionError, match=r"no line within 1\.3 s"):
        await consumer.receive(wait_seconds=1.3)


@pytest.mark.parametrize("command", ["ACK", "NACK", "BACK", "DACK 0"])
async def test_settling_after_the_delete_is_no_error_and_the_stream_goes_on(
    connection: Connection, topic: str, command: str
) -> None:
    await publish(connection, topic, b"old", b"older")
    consumer = await Consumer.holding(connection, topic, b"old")
    await connection.request("DELETE", f"/{topic}")

    await consumer.send(command)

    await consumer.expect_nothing()
    await publish(connection, topic, b"new")
    await consumer.expect(b"new")
