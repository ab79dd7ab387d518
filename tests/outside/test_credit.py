"""INIT n and CREDIT n: how many deliveries are in flight, and how they look."""

import time

import pytest

from tests.outside.batch import publish_lines
from tests.outside.consumer import Consumer, publish
from tests.outside.credit import ALWAYS, CreditConsumer, rest_of
from tests.outside.wire import Connection

pytestmark = pytest.mark.anyio

INIT_CREDIT = "invalid INIT credit argument at position [1]"
CREDIT_CREDIT = "invalid CREDIT credit argument at position [1]"
MANY = 20_000


async def test_as_many_deliveries_are_in_flight_as_there_is_credit(
    connection: Connection, topic: str
) -> None:
    await publish(connection, topic, b"a", b"b", b"c", b"d")
    consumer = await CreditConsumer.with_credit(connection, topic, 3)

    taken = [await consumer.take() for _ in range(3)]

    assert [(each.id, each.body, each.attempt) for each in taken] == [
        *((1, b"a", 1), (2, b"b", 1), (3, b"c", 1)),
    ]
    await consumer.expect_nothing()
    await consumer.send("ACK")
    await consumer.expect_next(b"d", number=4)


async def test_a_delivery_says_which_message_it_is_and_when_that_was_published(
    connection: Connection, topic: str
) -> None:
    consumer = await CreditConsumer.with_credit(connection, topic, 10)
    before = int(time.time() * 1000)

    response = await connection.request("POST", f"/publish/{topic}", b"a")

    line = (await consumer.take()).line
    assert line.keys() == ALWAYS
    assert line["messageId"] == response.headers["miniqueue-message-id"]
    assert before <= line["publishedAt"] <= time.time() * 1000


async def test_a_plain_init_shows_nothing_of_all_this(connection: Connection, topic: str) -> None:
    await publish(connection, topic, b"a", b"b")
    consumer = await Consumer.open(connection, topic, "INIT")

    assert await consumer.stream.read_line() == {"msg": "YQ=="}

    await consumer.send("ACK 1")
    assert await consumer.stream.read_line() == {"msg": "Yg=="}


async def test_credit_can_grow_and_shrink_and_pause(connection: Connection, topic: str) -> None:
    await publish(connection, topic, b"a", b"b", b"c", b"d")
    consumer = await CreditConsumer.with_credit(connection, topic, 1)
    await consumer.expect_next(b"a")

    await consumer.send("CREDIT 2")
    await consumer.expect_next(b"b")

    await consumer.send("CREDIT 0", "ACK ..2")
    await consumer.expect_nothing()

    await consumer.send("CREDIT 1")
    await consumer.expect_next(b"c", number=3)
    await consumer.expect_nothing()


async def test_what_is_in_flight_stays_so_when_credit_shrinks_below_it(
    connection: Connection, topic: str
) -> None:
    await publish(connection, topic, b"a", b"b", b"c", b"d")
    consumer = await CreditConsumer.with_credit(connection, topic, 3)
    assert await consumer.take_bodies(3) == [b"a", b"b", b"c"]

    await consumer.send("CREDIT 1", "ACK 1", "ACK 2")
    await consumer.expect_nothing()

    await consumer.send("ACK 3")
    await consumer.expect_next(b"d")


async def test_who_had_many_in_flight_and_goes_gives_them_back_in_their_order(
    connection: Connection, topic: str
) -> None:
    await publish(connection, topic, b"a", b"b", b"c", b"d", b"e")
    consumer = await CreditConsumer.with_credit(connection, topic, 4)
    await consumer.take_bodies(4)
    await consumer.send("ACK 2")
    await consumer.expect_next(b"e")
    heir = await Consumer.waiting(connection, topic)

    consumer.stream.reset()

    for body in (b"a", b"c", b"d", b"e"):
        await heir.expect(body)
        await heir.send("ACK")
    heir.stream.end()


async def test_a_command_and_its_init_may_be_sent_together_and_the_stream_closed(
    connection: Connection, topic: str
) -> None:
    await publish(connection, topic, b"a", b"b", b"c")
    consumer = await CreditConsumer.open(connection, topic, "INIT 2", "ACK ..2")
    consumer.stream.end()

    assert await consumer.take_bodies(2) == [b"a", b"b"]
    await consumer.stream.read_until_end()

    assert await rest_of(connection, topic) == [b"c"]


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("INIT 0", INIT_CREDIT),
        ("INIT -5", INIT_CREDIT),
        ("INIT 1e18", INIT_CREDIT),
        ("INIT 1000000000000000000", INIT_CREDIT),
        ("INIT 5 5", INIT_CREDIT),
        ("INIT five", INIT_CREDIT),
        ("CREDIT", "too few arguments provided to CREDIT"),
        ("CREDIT -1", CREDIT_CREDIT),
        ("CREDIT 1e3", CREDIT_CREDIT),
    ],
)
async def test_credit_that_is_none_ends_the_stream(
    connection: Connection, topic: str, command: str, text: str
) -> None:
    await publish(connection, topic, b"a")
    consumer = await Consumer.open(connection, topic, command)

    await consumer.expect_error(text)

    assert await consumer.stream.read_until_end() == b""
    assert consumer.stream.is_complete
    assert await rest_of(connection, topic) == [b"a"]


async def test_credit_before_init_is_an_error_and_the_stream_goes_on(
    connection: Connection, topic: str
) -> None:
    await publish(connection, topic, b"a")
    consumer = await CreditConsumer.open(connection, topic, "CREDIT 5")

    await consumer.expect_error("CREDIT received before INIT")

    await consumer.send("INIT 5")
    await consumer.expect_next(b"a")


async def test_a_second_init_is_an_error_and_changes_no_credit(
    connection: Connection, topic: str
) -> None:
    await publish(connection, topic, b"a", b"b")
    consumer = await CreditConsumer.with_credit(connection, topic, 1)
    await consumer.expect_next(b"a")

    await consumer.send("INIT 5")

    await consumer.expect_error()
    await consumer.expect_nothing()


async def test_a_thousand_deliveries_come_in_few_frames(connection: Connection, topic: str) -> None:
    bodies = [b"%d" % number for number in range(1000)]
    await publish_lines(connection, topic, bodies)
    consumer = await CreditConsumer.with_credit(connection, topic, 1000)

    assert await consumer.take_bodies(1000) == bodies

    # Some 90 KB, in frames of at most 16 KB; a window of 64 KB cuts once more.
    assert consumer.stream.data_frames < 20


async def test_many_messages_pass_through_a_stream_once_each_and_in_order(
    connection: Connection, topic: str
) -> None:
    bodies = [b"%d" % number for number in range(MANY)]
    await publish_lines(connection, topic, bodies)
    consumer = await CreditConsumer.with_credit(connection, topic, 1000)

    for number, body in enumerate(bodies, 1):
        await consumer.expect_next(body, number=number, attempt=1)
        if number % 300 == 0:
            await consumer.send(f"ACK ..{number}")
    await consumer.send(f"ACK ..{MANY}")
    await consumer.expect_nothing()

    await consumer.leave()
    assert await rest_of(connection, topic) == []
