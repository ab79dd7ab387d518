"""Policies of a topic at work: attempts, backoff, dead letters, and the way back."""

import time
from typing import Any

import pytest

from tests.outside.consumer import Consumer, publish
from tests.outside.credit import CreditConsumer, rest_of
from tests.outside.pages import ask, expect_counts, set_policy, wait_counts
from tests.outside.server import StartBroker
from tests.outside.wire import Connection

pytestmark = pytest.mark.anyio


async def expect_dead(
    connection: Connection, topic: str, body: bytes, reason: str, attempts: int
) -> None:
    """The one dead letter of a topic."""
    undertaker = await CreditConsumer.with_credit(connection, f"{topic}.dead", 2)
    dead: dict[str, Any] = (await undertaker.expect_next(body, attempt=1)).line["dead"]
    assert 0 <= time.time() * 1000 - dead.pop("at") < 60_000
    assert dead == {"topic": topic, "reason": reason, "attempts": attempts}
    await undertaker.expect_nothing()
    await undertaker.leave()


@pytest.mark.parametrize("command", ["NACK", "BACK", "DACK 0"])
async def test_after_its_last_attempt_a_message_is_a_dead_letter(
    connection: Connection, topic: str, command: str
) -> None:
    await set_policy(connection, topic, maxDeliveries=3)
    await publish(connection, topic, b"1")
    consumer = await CreditConsumer.with_credit(connection, topic, 1)

    for attempt in (1, 2, 3):
        await consumer.expect_next(b"1", attempt=attempt)
        await consumer.send(command)
    await consumer.expect_nothing()

    await expect_dead(connection, topic, b"1", "maxDeliveries", 3)
    await expect_counts(connection, topic, published=1, delivered=3, deadLettered=1, consumers=1)


async def test_a_lease_that_runs_out_and_a_client_that_leaves_are_attempts_too(
    connection: Connection, topic: str
) -> None:
    await set_policy(connection, topic, maxDeliveries=2)
    await publish(connection, topic, b"1")
    leaver = await Consumer.holding(connection, topic, b"1")
    leaver.stream.reset()

    consumer = await CreditConsumer.with_credit(connection, topic, 1, lease="50ms")
    await consumer.expect_next(b"1", number=1, attempt=2)
    await consumer.expect_expired(1)
    await consumer.expect_nothing()

    await expect_dead(connection, topic, b"1", "maxDeliveries", 2)


async def test_a_plain_consumer_sees_no_more_of_a_dead_letter_than_that_it_comes_no_more(
    connection: Connection, topic: str
) -> None:
    await set_policy(connection, topic, maxDeliveries=2)
    await publish(connection, topic, b"1", b"2")
    consumer = await Consumer.holding(connection, topic, b"1")

    await consumer.send("NACK")
    await consumer.expect(b"1")
    await consumer.send("NACK")
    await consumer.expect(b"2")

    dead = await Consumer.holding(connection, f"{topic}.dead", b"1")
    await dead.send("ACK")
    await dead.expect_nothing()


async def test_release_is_no_attempt(connection: Connection, topic: str) -> None:
    await set_policy(connection, topic, maxDeliveries=2)
    await publish(connection, topic, b"1")
    consumer = await CreditConsumer.with_credit(connection, topic, 1)

    for _ in range(5):
        await consumer.expect_next(b"1", attempt=1)
        await consumer.send("RELEASE")

    await consumer.expect_next(b"1", attempt=1)


async def test_attempts_outlive_a_kill(start_broker: StartBroker, topic: str) -> None:
    broker = start_broker("-fsync", "always")
    async with await Connection.open(broker.port, broker.ca) as connection:
        await set_policy(connection, topic, maxDeliveries=3)
        await publish(connection, topic, b"1")

    for attempt in (1, 2, 3):
        async with await Connection.open(broker.port, broker.ca) as connection:
            consumer = await CreditConsumer.with_credit(connection, topic, 1)
            await consumer.expect_next(b"1", attempt=attempt)
            await consumer.send("CREDIT 0", "NACK")
            await consumer.expect_nothing()
            # Written when its turn is over; this publish is written behind it.
            await publish(connection, f"{topic}2", b"written")
        if attempt < 3:
            broker.restart()

    async with await Connection.open(broker.port, broker.ca) as connection:
        await expect_dead(connection, topic, b"1", "maxDeliveries", 3)


async def test_what_failed_waits_longer_each_time(connection: Connection, topic: str) -> None:
    backoff = {"initial": 0.1, "factor": 3, "max": 0.5, "jitter": 0}
    await set_policy(connection, topic, backoff=backoff)
    await publish(connection, topic, b"1")
    consumer = await CreditConsumer.with_credit(connection, topic, 1)

    for attempt, wait_seconds in ((1, 0.1), (2, 0.3), (3, 0.5)):
        await consumer.expect_next(b"1", attempt=attempt)
        start = time.time()
        await consumer.send("NACK")
        await consumer.expect_nothing()
        await wait_counts(connection, topic, inFlight=1)
        assert time.time() >= start + wait_seconds


async def test_others_are_served_while_what_failed_waits(
    connection: Connection, topic: str
) -> None:
    await set_policy(connection, topic, backoff={"initial": 3600, "max": 3600})
    await publish(connection, topic, b"1", b"2", b"3")
    consumer = await Consumer.holding(connection, topic, b"1")

    await consumer.send("NACK")

    await consumer.expect(b"2")
    await consumer.send("ACK")
    await consumer.expect(b"3")
    await expect_counts(
        *(connection, topic),
        inFlight=1,
        delayed=1,
        bytes=2,
        published=3,
        delivered=3,
        acknowledged=1,
        consumers=1,
    )


async def test_a_dead_letter_topic_of_ones_own_is_a_topic_like_all(
    connection: Connection, topic: str
) -> None:
    graveyard = f"{topic}-graveyard"
    await set_policy(connection, topic, maxDeliveries=1, deadLetter=graveyard)
    waiting = await Consumer.waiting(connection, graveyard)
    await publish(connection, topic, b"1")
    consumer = await Consumer.holding(connection, topic, b"1")

    await consumer.send("NACK")

    await waiting.expect(b"1")
    await waiting.send("ACK")
    await publish(connection, graveyard, b"2")
    await waiting.expect(b"2")


async def test_who_is_redriven_has_all_attempts_again_and_may_die_again(
    connection: Connection, topic: str
) -> None:
    await set_policy(connection, topic, maxDeliveries=1)
    await publish(connection, topic, b"1")
    consumer = await CreditConsumer.with_credit(connection, topic, 1)

    for _ in range(3):
        taken = await consumer.expect_next(b"1", attempt=1)
        assert "dead" not in taken.line
        await consumer.send("NACK")
        await consumer.expect_nothing()
        redriven = await ask(connection, "POST", f"/topics/{topic}.dead/redrive")
        assert redriven == {"redriven": 1}

    await consumer.expect_next(b"1", attempt=1)
    await expect_counts(
        *(connection, topic),
        inFlight=1,
        bytes=1,
        published=1,
        delivered=4,
        deadLettered=3,
        consumers=1,
    )


async def test_dead_letters_wait_where_they_are_and_do_not_expire(
    connection: Connection, topic: str
) -> None:
    bodies = [b"%d" % number for number in range(5)]
    await set_policy(connection, topic, maxDeliveries=1, ttl=1)
    await publish(connection, topic, *bodies)
    consumer = await CreditConsumer.with_credit(connection, topic, 5)
    await consumer.take_bodies(5)
    await consumer.send("NACK ..5")
    await consumer.expect_nothing()
    await consumer.leave()
    # Dead letters live on when the time of their topic is over.
    await publish(connection, topic, b"clock")
    await wait_counts(connection, topic, expired=1)

    assert await rest_of(connection, f"{topic}.dead") == bodies
