"""How long a delivery may be held, when somebody says how long."""

import pytest

from tests.outside.consumer import Consumer, is_unrecognised, publish
from tests.outside.credit import CreditConsumer, rest_of
from tests.outside.curl import CurlSubscription
from tests.outside.pages import expect_counts, set_policy
from tests.outside.server import RunningBroker
from tests.outside.wire import Connection

pytestmark = pytest.mark.anyio

SHORT = "100ms"
LONG = "1h"

LATE = "it is not in flight any more; it was settled, or its lease ran out"


async def test_what_is_held_too_long_goes_to_another_and_its_late_ack_changes_nothing(
    connection: Connection, topic: str
) -> None:
    slow = await CreditConsumer.with_credit(connection, topic, 10, lease=SHORT)
    await publish(connection, topic, b"a", b"b")
    await slow.expect_next(b"a", number=1)
    await slow.expect_next(b"b", number=2)
    quick = await CreditConsumer.with_credit(connection, topic, 10)

    await slow.expect_expired(1)
    await slow.expect_expired(2)
    await quick.expect_next(b"a", number=1, attempt=2)
    await quick.expect_next(b"b", number=2, attempt=2)

    for late in ("ACK 1", "NACK 2"):
        await slow.send(late)
        await slow.expect_error(f"{late}: {LATE}")
    await slow.leave()
    await quick.send("ACK 2")
    await quick.expect_nothing()
    await quick.leave()
    assert await rest_of(connection, topic) == [b"a"]


async def test_what_expires_comes_again_to_the_same_consumer_when_nobody_else_waits(
    connection: Connection, topic: str
) -> None:
    await publish(connection, topic, b"a")
    consumer = await CreditConsumer.with_credit(connection, topic, 10, lease=SHORT)

    for number in (1, 2, 3):
        await consumer.expect_next(b"a", number=number, attempt=number)
        await consumer.expect_expired(number)


async def test_a_plain_consumer_with_a_lease_is_told_and_waits_until_it_has_spoken(
    connection: Connection, topic: str
) -> None:
    await publish(connection, topic, b"a", b"b")
    consumer = await Consumer.open(connection, topic, "INIT", lease=SHORT)
    await consumer.expect(b"a")

    assert await consumer.stream.read_line() == {"expired": 1}
    await consumer.expect_nothing()

    await consumer.send("ACK")
    late = {"error": "ACK came too late: the lease of the message ran out", "code": "expired"}
    assert await consumer.stream.read_line() == late
    await consumer.expect(b"a")


async def test_touch_keeps_what_is_held(connection: Connection, topic: str) -> None:
    await publish(connection, topic, b"kept", b"left")
    consumer = await CreditConsumer.with_credit(connection, topic, 2, lease="500ms")
    await consumer.expect_next(b"kept", number=1)

    # The other message tells how time goes: its lease runs out twice.
    for number in (2, 3):
        await consumer.expect_next(b"left", number=number)
        await consumer.send("TOUCH 1", "PING")
        while is_unrecognised(line := await consumer.stream.read_line()):
            await consumer.send("TOUCH 1", "PING")
        assert line == {"expired": number}

    await consumer.send("ACK 1")
    await consumer.expect_next(b"left", number=4)
    await consumer.leave()
    assert await rest_of(connection, topic) == [b"left"]


@pytest.mark.parametrize("command", ["TOUCH", "TOUCH 1", "TOUCH ..1"])
async def test_a_touch_that_comes_too_late_is_an_error(
    connection: Connection, topic: str, command: str
) -> None:
    await publish(connection, topic, b"a")
    consumer = await CreditConsumer.with_credit(connection, topic, 1, lease=SHORT)
    await consumer.expect_next(b"a", number=1)
    heir = await Consumer.waiting(connection, topic)
    await consumer.expect_expired(1)

    await consumer.send(command)

    if command != "TOUCH ..1":  # which names all that is held up to 1: that is nothing
        await consumer.expect_error()
    await consumer.expect_nothing()
    await heir.expect(b"a")


async def test_a_client_that_froze_holds_its_message_no_longer_than_its_lease(
    broker: RunningBroker, connection: Connection, topic: str
) -> None:
    await publish(connection, topic, b"a")
    url = f"https://localhost:{broker.port}/subscribe/{topic}?lease={SHORT}"
    async with await CurlSubscription.open(broker.ca, url) as curl:
        await curl.type('"INIT"')
        assert await curl.read_line() == b'{"msg":"YQ=="}\n'
        curl.freeze()

        heir = await CreditConsumer.with_credit(connection, topic, 1)

        await heir.expect_next(b"a", attempt=2)


async def test_a_client_that_never_reads_holds_nothing_longer_than_its_lease(
    broker: RunningBroker, connection: Connection, topic: str
) -> None:
    bodies = [b"%d" % number + b"x" * 1000 for number in range(200)]
    await publish(connection, topic, *bodies)
    async with await Connection.open(broker.port, broker.ca, reading=False) as deaf:
        await CreditConsumer.with_credit(deaf, topic, 10, lease=SHORT)

        heir = await CreditConsumer.with_credit(connection, topic, 1000, lease=LONG)
        assert sorted(await heir.take_bodies(200)) == sorted(bodies)

        await heir.send("ACK ..200")
        await heir.expect_nothing()
    await heir.leave()
    assert await rest_of(connection, topic) == []


async def test_the_lease_of_a_policy_binds_a_plain_consumer_too_and_shows_it_no_new_line(
    connection: Connection, topic: str
) -> None:
    await set_policy(connection, topic, lease="100ms")
    await publish(connection, topic, b"a", b"b")
    consumer = await Consumer.holding(connection, topic, b"a")
    heir = await Consumer.open(connection, topic, "INIT", lease=LONG)
    await heir.expect(b"b")
    await heir.send("ACK")

    await heir.expect(b"a")

    await consumer.expect_nothing()
    await consumer.send("ACK")
    await consumer.expect_error("ACK came too late: the lease of the message ran out")
    await heir.send("ACK")
    await heir.expect_nothing()
    await expect_counts(connection, topic, published=2, delivered=3, acknowledged=2, consumers=2)


async def test_a_lease_of_its_own_goes_before_that_of_the_policy(
    connection: Connection, topic: str
) -> None:
    await set_policy(connection, topic, lease=3600)
    await publish(connection, topic, b"a")
    consumer = await CreditConsumer.with_credit(connection, topic, 1, lease=SHORT)
    await consumer.expect_next(b"a", number=1)

    await consumer.expect_expired(1)


@pytest.mark.parametrize("lease", ["0", "0s", "-1s", "5", "x", "", "1000h", "1s&lease=2s", "%FF"])
async def test_a_lease_that_is_none_is_refused(
    connection: Connection, topic: str, lease: str
) -> None:
    stream = await connection.stream("POST", f"/subscribe/{topic}?lease={lease}")
    stream.end()

    assert await stream.status() == 400
    assert b"lease" in await stream.read_until_end()
