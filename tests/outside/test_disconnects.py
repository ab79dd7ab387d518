"""However a consumer leaves, its message is with another one at once."""

import pytest

from tests.outside.consumer import Consumer, publish
from tests.outside.server import RunningBroker
from tests.outside.wire import Connection

pytestmark = pytest.mark.anyio


async def test_the_end_of_the_body_gives_the_message_to_the_one_that_waits(
    connection: Connection, topic: str
) -> None:
    await publish(connection, topic, b"1")
    leaver = await Consumer.holding(connection, topic, b"1")
    heir = await Consumer.waiting(connection, topic)

    leaver.stream.end()

    await heir.expect(b"1", wait_seconds=1)
    assert await leaver.stream.read_until_end() == b""
    assert leaver.stream.is_complete


async def test_a_reset_gives_the_message_to_the_one_that_waits(
    connection: Connection, topic: str
) -> None:
    await publish(connection, topic, b"1")
    leaver = await Consumer.holding(connection, topic, b"1")
    heir = await Consumer.waiting(connection, topic)

    leaver.stream.reset()

    await heir.expect(b"1", wait_seconds=1)


async def test_a_lost_connection_gives_the_message_to_the_one_that_waits(
    broker: RunningBroker, connection: Connection, topic: str
) -> None:
    await publish(connection, topic, b"1")
    other = await Connection.open(broker.port, broker.ca)
    await Consumer.holding(other, topic, b"1")
    heir = await Consumer.waiting(connection, topic)

    other.abort()

    await heir.expect(b"1", wait_seconds=1)
    await other.close()


async def test_a_closed_connection_gives_every_message_back(
    broker: RunningBroker, connection: Connection, topic: str
) -> None:
    bodies = [b"%d" % number for number in range(10)]
    await publish(connection, topic, *bodies)
    other = await Connection.open(broker.port, broker.ca)
    for body in bodies:
        await Consumer.holding(other, topic, body)
    heirs = [await Consumer.waiting(connection, topic) for _ in bodies]

    await other.close()

    inherited = [await heir.receive(wait_seconds=1) for heir in heirs]
    assert sorted(inherited) == [(body, 0) for body in bodies]


@pytest.mark.parametrize("way", ["end", "reset"])
async def test_one_that_waited_and_left_gets_nothing_any_more(
    connection: Connection, topic: str, way: str
) -> None:
    leavers = [await Consumer.waiting(connection, topic) for _ in range(3)]
    heir = await Consumer.waiting(connection, topic)

    for leaver in leavers:
        leaver.stream.end() if way == "end" else leaver.stream.reset()
    await publish(connection, topic, b"1")

    await heir.expect(b"1", wait_seconds=1)


@pytest.mark.parametrize("way", ["end", "reset"])
async def test_a_message_set_aside_is_not_lost_when_its_consumer_leaves(
    connection: Connection, topic: str, way: str
) -> None:
    await publish(connection, topic, b"1")
    leaver = await Consumer.holding(connection, topic, b"1")
    await leaver.send("DACK 1")
    await leaver.expect_nothing()

    leaver.stream.end() if way == "end" else leaver.stream.reset()

    heir = await Consumer.open(connection, topic, "INIT")
    await heir.expect(b"1", dacks=1)
