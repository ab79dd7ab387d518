"""Settling by id: one, several, all up to one; and the words that a plain client does not say."""

import time
from collections.abc import Sequence

import pytest

from tests.outside.consumer import Consumer, publish
from tests.outside.credit import CreditConsumer, rest_of
from tests.outside.wire import Connection

pytestmark = pytest.mark.anyio

BODIES = [b"%d" % number for number in range(1, 21)]


@pytest.fixture
async def consumer(connection: Connection, topic: str) -> CreditConsumer:
    """Who holds 1 to 20, whose ids are the same."""
    await publish(connection, topic, *BODIES)
    consumer = await CreditConsumer.with_credit(connection, topic, 20)
    assert await consumer.take_bodies(20) == BODIES
    return consumer


def without(*gone: int) -> list[bytes]:
    return [body for body in BODIES if int(body) not in gone]


@pytest.mark.parametrize(
    ("commands", "gone"),
    [
        ("ACK", [1]),
        ("ACK 17", [17]),
        ("ACK 3 4 9", [3, 4, 9]),
        ("ACK 9 3 4", [3, 4, 9]),
        ("ACK ..17", range(1, 18)),
        ("ACK 2, ACK, ACK", [1, 2, 3]),
        ("ACK 5, ACK ..7, ACK 20", [1, 2, 3, 4, 5, 6, 7, 20]),
        ("ACK ..20", range(1, 21)),
    ],
)
async def test_an_ack_is_for_the_oldest_or_for_those_it_names(
    connection: Connection,
    topic: str,
    consumer: CreditConsumer,
    commands: str,
    gone: Sequence[int],
) -> None:
    await consumer.send(*commands.split(", "))

    await consumer.expect_nothing()
    await consumer.leave()
    assert await rest_of(connection, topic) == without(*gone)


@pytest.mark.parametrize("command", ["NACK 3 4 9", "NACK 9 4 3"])
async def test_several_nacked_messages_come_again_in_their_old_order(
    consumer: CreditConsumer, command: str
) -> None:
    await consumer.send(command)

    for number, body in enumerate((b"3", b"4", b"9"), 21):
        await consumer.expect_next(body, number=number, attempt=2)


async def test_a_nack_up_to_one_takes_all_before_it(consumer: CreditConsumer) -> None:
    await consumer.send("NACK ..2")

    await consumer.expect_next(b"1", number=21, attempt=2)
    await consumer.expect_next(b"2", number=22, attempt=2)


async def test_back_sends_behind_all_others(
    connection: Connection, topic: str, consumer: CreditConsumer
) -> None:
    await consumer.send("CREDIT 0", "BACK 5 1")
    await consumer.expect_nothing()
    await consumer.leave()

    assert await rest_of(connection, topic) == [*without(1, 5), b"5", b"1"]


async def test_dack_sets_aside_those_it_names_and_counts(consumer: CreditConsumer) -> None:
    await consumer.send("DACK 0 3 4", "DACK 0 ..1", "DACK 3600 9")

    again = sorted([await consumer.take() for _ in range(3)], key=lambda taken: taken.body)
    assert [taken.body for taken in again] == [b"1", b"3", b"4"]
    assert {taken.line["dackCount"] for taken in again} == {1}
    await consumer.expect_nothing()


async def test_dead_moves_to_the_dead_letter_topic_with_a_note(
    connection: Connection, topic: str, consumer: CreditConsumer
) -> None:
    await consumer.send("NACK 7", "DEAD 3")
    await consumer.expect_next(b"7", number=21, attempt=2)
    before = time.time() * 1000
    await consumer.send("DEAD 21")

    undertaker = await CreditConsumer.with_credit(connection, f"{topic}.dead", 5)
    three, seven = [await undertaker.take() for _ in range(2)]

    assert (three.body, seven.body, seven.attempt) == (b"3", b"7", 1)
    assert before - 1 <= seven.line["dead"].pop("at") <= time.time() * 1000
    assert seven.line["dead"] == {"topic": topic, "reason": "DEAD", "attempts": 2}
    await undertaker.expect_nothing()


async def test_release_counts_no_attempt(consumer: CreditConsumer) -> None:
    await consumer.send("RELEASE 3 4")

    await consumer.expect_next(b"3", number=21, attempt=1)
    await consumer.expect_next(b"4", number=22, attempt=1)


async def test_touch_without_a_lease_changes_nothing(consumer: CreditConsumer) -> None:
    await consumer.send("TOUCH", "TOUCH 3 4", "TOUCH ..20")

    await consumer.expect_nothing()


@pytest.mark.parametrize("verb", ["ACK", "NACK", "BACK", "DEAD", "RELEASE", "TOUCH", "DACK 5"])
async def test_what_was_never_delivered_cannot_be_settled(
    connection: Connection, topic: str, consumer: CreditConsumer, verb: str
) -> None:
    word = verb.partition(" ")[0]

    await consumer.send(f"{verb} 99", f"{verb} ..99")

    for _ in range(2):
        await consumer.expect_error(f"{word} 99: no such delivery was made on this stream")
    await consumer.leave()
    assert await rest_of(connection, topic) == BODIES


async def test_an_id_twice_counts_once_and_is_an_error(
    connection: Connection, topic: str, consumer: CreditConsumer
) -> None:
    await consumer.send("ACK 5 5")

    line = await consumer.stream.read_line()
    assert line["error"].startswith("ACK 5: it is not in flight any more")
    await consumer.expect_nothing()
    await consumer.leave()
    assert await rest_of(connection, topic) == without(5)


async def test_those_that_are_in_flight_count_beside_one_that_is_not(
    connection: Connection, topic: str, consumer: CreditConsumer
) -> None:
    await consumer.send("ACK 1 99 2", "ACK 2 3")

    await consumer.expect_error("ACK 99: no such delivery was made on this stream")
    line = await consumer.stream.read_line()
    assert line["error"].startswith("ACK 2: it is not in flight any more")
    await consumer.leave()
    assert await rest_of(connection, topic) == without(1, 2, 3)


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("ACK x", "invalid ACK delivery argument at position [1]"),
        ("ACK ..0", "invalid ACK delivery argument at position [1]"),
        ("ACK ..", "invalid ACK delivery argument at position [1]"),
        ("ACK 0", "invalid ACK delivery argument at position [1]"),
        ("ACK -1", "invalid ACK delivery argument at position [1]"),
        ("ACK 1e1", "invalid ACK delivery argument at position [1]"),
        ("ACK 1 2 x", "invalid ACK delivery argument at position [3]"),
        ("NACK 1 0", "invalid NACK delivery argument at position [2]"),
        ("TOUCH 3 ..4", "invalid TOUCH delivery argument at position [2]"),
        ("DACK 5 x", "invalid DACK delivery argument at position [2]"),
        ("DACK 5 1 x", "invalid DACK delivery argument at position [3]"),
        ("DEAD 1 99999999999999999999", "invalid DEAD delivery argument at position [2]"),
    ],
)
async def test_an_id_that_is_none_settles_nothing_and_the_stream_goes_on(
    connection: Connection, topic: str, consumer: CreditConsumer, command: str, text: str
) -> None:
    await consumer.send(command)

    await consumer.expect_error(text)
    await consumer.expect_nothing()
    await consumer.leave()
    assert await rest_of(connection, topic) == BODIES


@pytest.mark.parametrize("verb", ["DEAD", "RELEASE", "TOUCH"])
async def test_the_new_words_need_something_in_flight(
    connection: Connection, topic: str, verb: str
) -> None:
    consumer = await Consumer.waiting(connection, topic)

    await consumer.send(verb)

    await consumer.expect_error(f"{verb} received with no message in flight")
    await consumer.expect_nothing()
