"""Delay, priority and ttl: by query, and by a line of a batch."""

import time
from collections.abc import Awaitable, Callable

import pytest

from tests.outside.batch import JSON, entry, publish_lines
from tests.outside.consumer import Consumer, publish
from tests.outside.credit import CreditConsumer, rest_of
from tests.outside.pages import expect_counts, expect_refused, set_policy, wait_counts
from tests.outside.server import StartBroker
from tests.outside.wire import Connection

pytestmark = pytest.mark.anyio

Publish = Callable[..., Awaitable[None]]


async def by_query(connection: Connection, topic: str, body: bytes, **terms: object) -> None:
    query = "&".join(f"{name}={value}" for name, value in terms.items())
    response = await connection.request("POST", f"/publish/{topic}?{query}", body)
    assert (response.status, response.body) == (201, b""), response


async def by_line(connection: Connection, topic: str, body: bytes, **terms: object) -> None:
    await publish_lines(connection, topic, [entry(body, **terms)], JSON)


@pytest.fixture(params=[by_query, by_line])
def publish_with(request: pytest.FixtureRequest) -> Publish:
    way: Publish = request.param
    return way


async def test_a_delayed_message_lets_others_go_before_it(
    connection: Connection, topic: str, publish_with: Publish
) -> None:
    await publish_with(connection, topic, b"delayed", delay="1h")
    await publish(connection, topic, b"waits")
    consumer = await CreditConsumer.with_credit(connection, topic, 2)

    await consumer.expect_next(b"waits")

    await expect_counts(
        *(connection, topic), delayed=1, inFlight=1, bytes=12, published=2, delivered=1, consumers=1
    )


async def test_a_delayed_message_is_not_early_and_comes_before_those_that_wait(
    connection: Connection, topic: str, publish_with: Publish
) -> None:
    await publish(connection, topic, b"taken", b"waits")
    consumer = await CreditConsumer.with_credit(connection, topic, 1)
    await consumer.expect_next(b"taken")
    start = time.time()
    await publish_with(connection, topic, b"delayed", delay="300ms")
    await wait_counts(connection, topic, delayed=0)
    assert time.time() >= start + 0.3

    await consumer.send("CREDIT 2")

    await consumer.expect_next(b"delayed", attempt=1)


async def test_a_delayed_message_goes_to_the_one_that_waits_when_it_is_due(
    connection: Connection, topic: str, publish_with: Publish
) -> None:
    consumer = await CreditConsumer.with_credit(connection, topic, 1)
    await consumer.expect_nothing()

    start = time.time()
    await publish_with(connection, topic, b"delayed", delay="300ms")

    await consumer.expect_next(b"delayed", attempt=1)
    assert time.time() >= start + 0.3


async def test_delayed_messages_return_to_the_front(
    connection: Connection, topic: str, publish_with: Publish
) -> None:
    await publish_with(connection, topic, b"delayed", delay="50ms")
    await publish(connection, topic, b"1", b"2")

    await wait_counts(connection, topic, delayed=0)

    assert await rest_of(connection, topic) == [b"delayed", b"1", b"2"]


async def test_delayed_messages_come_in_the_order_in_which_they_are_due(
    connection: Connection, topic: str
) -> None:
    for body, milliseconds in ((b"c", 400), (b"a", 200), (b"d", 500), (b"b", 300)):
        await by_query(connection, topic, body, delay=f"{milliseconds}ms")

    consumer = await CreditConsumer.with_credit(connection, topic, 10)

    assert await consumer.take_bodies(4) == [b"a", b"b", b"c", b"d"]


async def test_equal_due_times_keep_the_order_of_publishing(
    connection: Connection, topic: str
) -> None:
    bodies = [b"%d" % number for number in range(500)]
    await publish_lines(connection, topic, [entry(body, delay=0.2) for body in bodies], JSON)
    await wait_counts(connection, topic, delayed=0)

    assert await rest_of(connection, topic) == bodies


async def test_higher_priorities_go_first_and_equal_ones_in_their_order(
    connection: Connection, topic: str, publish_with: Publish
) -> None:
    await publish(connection, topic, b"0 a")
    for body, priority in ((b"5 a", 5), (b"255 a", 255), (b"5 b", 5), (b"0 b", 0), (b"255 b", 255)):
        await publish_with(connection, topic, body, priority=priority)
    consumer = await CreditConsumer.with_credit(connection, topic, 10)

    taken = [await consumer.take() for _ in range(6)]

    assert [each.body for each in taken] == [b"255 a", b"255 b", b"5 a", b"5 b", b"0 a", b"0 b"]
    assert [each.line.get("priority") for each in taken] == [255, 255, 5, 5, None, None]


async def test_what_comes_back_keeps_its_priority(connection: Connection, topic: str) -> None:
    await by_query(connection, topic, b"low")
    for body in (b"a", b"b"):
        await by_query(connection, topic, body, priority=7)
    consumer = await CreditConsumer.with_credit(connection, topic, 3)
    assert await consumer.take_bodies(3) == [b"a", b"b", b"low"]

    await consumer.send("CREDIT 0", "NACK 3 2", "BACK 1")
    await consumer.expect_nothing()
    await consumer.leave()

    assert await rest_of(connection, topic) == [b"b", b"a", b"low"]


async def test_a_plain_consumer_gets_the_highest_first_and_sees_nothing_of_it(
    connection: Connection, topic: str
) -> None:
    await by_query(connection, topic, b"low", ttl="1h")
    await by_query(connection, topic, b"high", priority=9, ttl="1h")
    consumer = await Consumer.open(connection, topic, "INIT")

    await consumer.expect(b"high")
    await consumer.send("ACK")
    await consumer.expect(b"low")


async def test_what_nobody_took_in_its_time_is_gone(
    connection: Connection, topic: str, publish_with: Publish
) -> None:
    await publish_with(connection, topic, b"short", ttl="100ms")
    await publish_with(connection, topic, b"long", ttl="1h")

    await wait_counts(connection, topic, expired=1)

    await expect_counts(connection, topic, ready=1, bytes=4, published=2, expired=1)
    assert await rest_of(connection, topic) == [b"long"]


async def test_what_is_in_flight_when_its_time_is_over_may_be_acknowledged_and_not_come_again(
    connection: Connection, topic: str
) -> None:
    for body in (b"a", b"b"):
        await by_query(connection, topic, body, ttl="200ms")
    await by_query(connection, f"{topic}2", b"clock", ttl="200ms")
    consumer = await CreditConsumer.with_credit(connection, topic, 2)
    await consumer.take_bodies(2)
    await wait_counts(connection, f"{topic}2", expired=1)

    await consumer.send("ACK 1", "NACK 2")

    await wait_counts(connection, topic, acknowledged=1, expired=1, ready=0, inFlight=0)
    await consumer.expect_nothing()


async def test_the_ttl_of_a_policy_is_for_those_that_have_none(
    connection: Connection, topic: str
) -> None:
    await set_policy(connection, topic, ttl=0.1)
    await publish(connection, topic, b"short")
    await by_query(connection, topic, b"long", ttl="1h")

    await wait_counts(connection, topic, expired=1)

    assert await rest_of(connection, topic) == [b"long"]


async def test_terms_last_beyond_a_kill(
    start_broker: StartBroker, topic: str, publish_with: Publish
) -> None:
    broker = start_broker("-fsync", "always")
    async with await Connection.open(broker.port, broker.ca) as connection:
        await publish_with(connection, topic, b"plain")
        await publish_with(connection, topic, b"short", ttl="1ms")
        await publish_with(connection, topic, b"high", priority=7, ttl="1h")
        await publish_with(connection, topic, b"held back", delay="1h")
        start = time.time()
        await publish_with(connection, topic, b"delayed", delay="1s")

    broker.restart()

    async with await Connection.open(broker.port, broker.ca) as connection:
        consumer = await CreditConsumer.with_credit(connection, topic, 10)
        high = await consumer.expect_next(b"high")
        assert high.line["priority"] == 7
        # A restart may take longer than the delay; then the delayed one is in front.
        came = {(await consumer.take()).body: time.time() for _ in range(2)}
        assert came.keys() == {b"plain", b"delayed"}
        assert came[b"delayed"] >= start + 1
        await wait_counts(connection, topic, expired=1, inFlight=3, delayed=1)


@pytest.mark.parametrize(
    "query",
    [
        *("priority=256", "priority=-1", "priority=x", "priority=1.5", "priority="),
        *("delay=-1s", "delay=1", "delay=soon", "delay=", "delay=1000000000h"),
        *("ttl=0", "ttl=0s", "ttl=-1s", "ttl=1", "ttl=%FF"),
        *("priority=1&priority=2", "delay=1s&delay=1s", "priority=0x10", "priority=%C2%B2"),
    ],
)
async def test_terms_that_are_none_are_refused(
    connection: Connection, topic: str, query: str
) -> None:
    error = await expect_refused(
        connection, "POST", f"/publish/{topic}?{query}", "body", status=400
    )

    assert query.partition("=")[0] in error
    assert await rest_of(connection, topic) == []


async def test_a_delay_that_outlasts_the_ttl_is_refused(connection: Connection, topic: str) -> None:
    path = f"/publish/{topic}?delay=1h&ttl=1m"

    error = await expect_refused(connection, "POST", path, "body", status=409)

    assert "3600" in error
    assert "60" in error


@pytest.mark.parametrize(
    "query", ["", "foo=bar", "foo=1&foo=2", "&&", "=", "Priority=999", "%FF=%FF"]
)
async def test_a_query_that_nobody_knows_changes_nothing(
    connection: Connection, topic: str, query: str
) -> None:
    response = await connection.request("POST", f"/publish/{topic}?{query}", b"1")

    assert (response.status, response.body) == (201, b"")
    assert await rest_of(connection, topic) == [b"1"]
