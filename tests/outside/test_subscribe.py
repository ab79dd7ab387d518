"""Subscribing: who gets which message, and in which order they come back."""

import asyncio
import time

import pytest

from tests.outside.consumer import Consumer, publish
from tests.outside.http1 import PlainConnection
from tests.outside.server import RunningBroker
from tests.outside.wire import Connection

pytestmark = pytest.mark.anyio


async def test_response_headers_come_before_any_message_and_any_command(
    connection: Connection, topic: str
) -> None:
    stream = await connection.stream("POST", f"/subscribe/{topic}")

    assert await stream.status(wait_seconds=1) == 200
    assert not stream.ended


async def test_a_message_published_later_reaches_the_one_that_waits(
    connection: Connection, topic: str
) -> None:
    consumer = await Consumer.waiting(connection, topic)

    await publish(connection, topic, b"hello")

    await consumer.expect(b"hello", wait_seconds=1)


async def test_the_next_message_comes_after_an_ack(connection: Connection, topic: str) -> None:
    await publish(connection, topic, b"1", b"2")
    consumer = await Consumer.holding(connection, topic, b"1")

    await consumer.send("ACK")

    await consumer.expect(b"2")


async def test_an_acknowledged_message_is_gone(connection: Connection, topic: str) -> None:
    await publish(connection, topic, b"1")
    consumer = await Consumer.holding(connection, topic, b"1")

    await consumer.send("ACK")

    await consumer.expect_nothing()
    await Consumer.waiting(connection, topic)


async def test_a_sole_consumer_gets_what_it_nacked_again(
    connection: Connection, topic: str
) -> None:
    await publish(connection, topic, b"1", b"2")
    consumer = await Consumer.holding(connection, topic, b"1")

    for _ in range(3):
        await consumer.send("NACK")
        await consumer.expect(b"1")


async def test_a_nacked_message_goes_to_the_one_that_waits(
    connection: Connection, topic: str
) -> None:
    await publish(connection, topic, b"1")
    first = await Consumer.holding(connection, topic, b"1")
    second = await Consumer.waiting(connection, topic)

    await first.send("NACK")

    await second.expect(b"1", wait_seconds=1)
    await first.expect_nothing()


async def test_back_puts_a_message_behind_the_others(connection: Connection, topic: str) -> None:
    await publish(connection, topic, b"1", b"2", b"3")
    consumer = await Consumer.holding(connection, topic, b"1")

    for command, following in [("BACK", b"2"), ("BACK", b"3"), ("ACK", b"1"), ("ACK", b"2")]:
        await consumer.send(command)
        await consumer.expect(following)


async def test_a_message_set_aside_returns_after_its_time_with_a_count(
    connection: Connection, topic: str
) -> None:
    await publish(connection, topic, b"1")
    consumer = await Consumer.holding(connection, topic, b"1")

    for dacks in (1, 2):
        start = time.monotonic()
        await consumer.send("DACK 1")
        await consumer.expect(b"1", dacks)
        assert 1 <= time.monotonic() - start < 2.5


async def test_a_message_set_aside_returns_to_the_front(connection: Connection, topic: str) -> None:
    await publish(connection, topic, b"1", b"2", b"3")
    consumer = await Consumer.holding(connection, topic, b"1")
    await consumer.send("DACK 1")
    await consumer.expect(b"2")

    await asyncio.sleep(1.4)  # nothing outside tells that a tick is over
    await consumer.send("ACK")

    await consumer.expect(b"1", dacks=1)


async def test_messages_set_aside_return_in_the_order_they_are_due(
    connection: Connection, topic: str
) -> None:
    await publish(connection, topic, b"1", b"2", b"3")
    consumer = await Consumer.holding(connection, topic, b"1")
    for following in (b"2", b"3"):
        await consumer.send("DACK 1")
        await consumer.expect(following)
    await consumer.send("DACK 1")

    for body in (b"1", b"2", b"3"):
        await consumer.expect(body, dacks=1)
        await consumer.send("ACK")


async def test_consumers_that_wait_are_served_in_the_order_they_came(
    connection: Connection, topic: str
) -> None:
    consumers = [await Consumer.waiting(connection, topic) for _ in range(5)]
    bodies = [b"%d" % number for number in range(5)]

    await publish(connection, topic, *bodies)

    for consumer, body in zip(consumers, bodies, strict=True):
        await consumer.expect(body)


async def test_one_message_is_with_one_consumer_only(connection: Connection, topic: str) -> None:
    bodies = [b"%d" % number for number in range(10)]
    consumers = [await Consumer.open(connection, topic, "INIT") for _ in range(10)]

    await publish(connection, topic, *bodies)

    deliveries = [(await consumer.receive())[0] for consumer in consumers]
    assert sorted(deliveries) == bodies


async def test_messages_of_several_consumers_come_back_in_their_old_order(
    connection: Connection, topic: str
) -> None:
    await publish(connection, topic, b"1", b"2", b"3", b"4")
    consumers = [await Consumer.holding(connection, topic, body) for body in (b"1", b"2", b"3")]

    for consumer in consumers:
        consumer.stream.end()
        await consumer.stream.read_until_end()

    heir = await Consumer.open(connection, topic, "INIT")
    for body in (b"1", b"2", b"3", b"4"):
        await heir.expect(body)
        await heir.send("ACK")


async def test_init_and_ack_in_one_complete_body_take_a_message(
    connection: Connection, topic: str
) -> None:
    await publish(connection, topic, b"1")

    response = await connection.request("POST", f"/subscribe/{topic}", b'"INIT""ACK"')

    assert response.status == 200
    assert response.body.rstrip(b"\n") == b'{"msg":"MQ=="}'
    await Consumer.waiting(connection, topic)


async def test_http_1_with_a_chunked_upload_is_duplex(broker: RunningBroker, topic: str) -> None:
    async with (
        await Connection.open(broker.port, broker.ca) as publisher,
        await PlainConnection.open(broker.port, broker.ca) as plain,
    ):
        await plain.ask("POST", f"/subscribe/{topic}", "Transfer-Encoding: chunked")
        status, headers = await plain.read_head()
        assert (status, headers["transfer-encoding"]) == (200, "chunked")
        await plain.send_chunk(b'"INIT"')
        await publish(publisher, topic, b"1", b"2")
        assert await plain.read_json_chunk() == {"msg": "MQ=="}
        await plain.send_chunk(b'"ACK"')
        assert await plain.read_json_chunk() == {"msg": "Mg=="}
        await plain.send(b"0\r\n\r\n")
        assert await plain.read_chunk() == b""
        await Consumer.holding(publisher, topic, b"2")


async def test_http_1_without_duplex_is_told_to_use_http_2(
    broker: RunningBroker, topic: str
) -> None:
    async with await PlainConnection.open(broker.port, broker.ca) as plain:
        await plain.ask("POST", f"/subscribe/{topic}", "Content-Length: 6")
        await plain.send(b'"INIT"')
        status, headers = await plain.read_head()
        assert status == 505
        assert b"HTTP/2" in await plain.read_body(headers)
