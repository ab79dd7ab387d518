"""Consuming without a stream: /receive and /settle, with curl over both versions of HTTP."""

import asyncio
import base64
from typing import Any

import pytest

from tests.outside.consumer import Consumer, publish
from tests.outside.credit import CreditConsumer, rest_of
from tests.outside.curl import CurlPages
from tests.outside.pages import ask, expect_counts, expect_refused, set_policy, wait_counts
from tests.outside.server import RunningBroker, StartBroker
from tests.outside.wire import Connection

pytestmark = pytest.mark.anyio


@pytest.fixture(params=["--http1.1", "--http2"])
def pages(request: pytest.FixtureRequest, broker: RunningBroker) -> CurlPages:
    return CurlPages(broker, request.param)


def bodies_of(deliveries: list[dict[str, Any]]) -> list[bytes]:
    return [base64.b64decode(each["msg"]) for each in deliveries]


async def test_what_was_received_is_settled_by_its_receipt(
    pages: CurlPages, connection: Connection, topic: str
) -> None:
    bodies = [b"%d" % number for number in range(8)]
    await publish(connection, topic, *bodies)

    received = await pages.ask("POST", f"/receive/{topic}?max=10&lease=1h")

    assert bodies_of(received) == bodies
    for each in received:
        keys = {"msg", "receipt", "attempt", "messageId", "publishedAt"}
        assert (each.keys(), each["attempt"]) == (keys, 1)
    receipts = [each["receipt"] for each in received]
    settled = await pages.ask(
        *("POST", f"/settle/{topic}"),
        {
            "ack": [receipts[0], receipts[5], "no receipt"],
            "nack": [receipts[1]],
            "back": [receipts[2]],
            "dack": {receipts[3]: 3600, receipts[0]: 5},
            "dead": [receipts[4]],
            "release": [receipts[6]],
            "touch": [receipts[7]],
        },
    )
    assert settled == {"expired": ["no receipt", receipts[0]]}
    await expect_counts(
        *(connection, topic),
        ready=3,
        inFlight=1,
        delayed=1,
        bytes=5,
        published=8,
        delivered=8,
        acknowledged=2,
        deadLettered=1,
    )
    consumer = await CreditConsumer.with_credit(connection, topic, 3)
    taken = [await consumer.take() for _ in range(3)]
    assert [(each.body, each.attempt) for each in taken] == [(b"1", 2), (b"6", 1), (b"2", 2)]
    assert await rest_of(connection, f"{topic}.dead") == [b"4"]


async def test_receiving_waits_for_the_first_and_no_longer(
    pages: CurlPages, connection: Connection, topic: str
) -> None:
    assert await pages.ask("POST", f"/receive/{topic}", status=204) is None
    assert await pages.ask("POST", f"/receive/{topic}?wait=50ms&max=5", status=204) is None

    waiting = asyncio.create_task(pages.ask("POST", f"/receive/{topic}?wait=20s&max=5"))
    await asyncio.sleep(0)
    await publish(connection, topic, b"other")  # makes the topic, which can then be asked for
    assert bodies_of(await waiting) == [b"other"]

    waiting = asyncio.create_task(pages.ask("POST", f"/receive/{topic}?wait=20s&max=5"))
    await wait_counts(connection, topic, consumers=1)
    await publish(connection, topic, b"1")
    assert bodies_of(await waiting) == [b"1"]


async def test_who_waits_stands_in_line_with_the_streams(
    connection: Connection, topic: str
) -> None:
    stream = await Consumer.waiting(connection, topic)
    await publish(connection, topic, b"0")
    await stream.expect(b"0")
    waiting = asyncio.create_task(ask(connection, "POST", f"/receive/{topic}?wait=9s"))
    await wait_counts(connection, topic, consumers=2)
    await stream.send("ACK")
    await stream.expect_nothing()

    await publish(connection, topic, b"1", b"2")

    assert bodies_of(await waiting) == [b"1"]
    await stream.expect(b"2")


async def test_who_leaves_while_waiting_takes_nothing(connection: Connection, topic: str) -> None:
    await set_policy(connection, topic)
    stream = await connection.stream("POST", f"/receive/{topic}?wait=60s")
    stream.end()
    await wait_counts(connection, topic, consumers=1)

    stream.reset()
    await wait_counts(connection, topic, consumers=0)

    await publish(connection, topic, b"1")
    assert await rest_of(connection, topic) == [b"1"]


async def test_a_receipt_is_good_for_as_long_as_its_lease(
    pages: CurlPages, connection: Connection, topic: str
) -> None:
    await publish(connection, topic, b"1")
    [first] = await pages.ask("POST", f"/receive/{topic}?lease=50ms")

    [again] = await pages.ask("POST", f"/receive/{topic}?wait=9s&lease=1h")

    assert (again["messageId"], again["attempt"]) == (first["messageId"], 2)
    for word in ("ack", "touch"):
        late = await pages.ask("POST", f"/settle/{topic}", {word: [first["receipt"]]})
        assert late == {"expired": [first["receipt"]]}
    assert await pages.ask("POST", f"/settle/{topic}", {"ack": [again["receipt"]]}) == {
        "expired": []
    }
    await expect_counts(connection, topic, published=1, delivered=2, acknowledged=1)


async def test_touch_keeps_what_was_received(connection: Connection, topic: str) -> None:
    await publish(connection, topic, b"kept", b"left")
    kept, left = await ask(connection, "POST", f"/receive/{topic}?max=2&lease=500ms")

    # The other message tells how time goes: its lease runs out twice.
    for _ in range(2):
        has_come_again = False
        while not has_come_again:
            touch = {"touch": [kept["receipt"]]}
            assert await ask(connection, "POST", f"/settle/{topic}", touch) == {"expired": []}
            response = await connection.request("POST", f"/receive/{topic}?lease=500ms")
            has_come_again = response.status == 200

    ack = {"ack": [kept["receipt"], left["receipt"]]}
    settled = await ask(connection, "POST", f"/settle/{topic}", ack)
    assert settled == {"expired": [left["receipt"]]}


async def test_the_lease_of_the_policy_is_for_who_asks_for_none(
    connection: Connection, topic: str
) -> None:
    await set_policy(connection, topic, lease=0.05)
    await publish(connection, topic, b"1")
    await ask(connection, "POST", f"/receive/{topic}")

    await ask(connection, "POST", f"/receive/{topic}?wait=9s&lease=1h")

    await expect_counts(connection, topic, inFlight=1, bytes=1, published=1, delivered=2)


async def test_a_receipt_is_of_its_own_topic_and_process(
    start_broker: StartBroker, topic: str
) -> None:
    broker = start_broker()
    async with await Connection.open(broker.port, broker.ca) as connection:
        await publish(connection, topic, b"1")
        await publish(connection, f"{topic}2", b"2")
        [received] = await ask(connection, "POST", f"/receive/{topic}?lease=1h")
        ack = {"ack": [received["receipt"]]}
        assert await ask(connection, "POST", f"/settle/{topic}2", ack) == {
            "expired": [received["receipt"]]
        }

    broker.restart()

    async with await Connection.open(broker.port, broker.ca) as connection:
        assert await ask(connection, "POST", f"/settle/{topic}", ack) == {
            "expired": [received["receipt"]]
        }
        assert await rest_of(connection, topic) == [b"1"]


async def test_a_broker_that_drains_sends_those_away_who_wait(
    start_broker: StartBroker, topic: str
) -> None:
    broker = start_broker()
    async with await Connection.open(broker.port, broker.ca) as connection:
        await set_policy(connection, topic)
        stream = await connection.stream("POST", f"/receive/{topic}?wait=60s")
        stream.end()
        await wait_counts(connection, topic, consumers=1)

        broker.terminate()

        headers = await stream.headers()
        assert (headers[":status"], "retry-after" in headers) == ("503", True)
        assert await asyncio.to_thread(broker.wait) == 0


@pytest.mark.parametrize(
    "query",
    [
        *("max=0", "max=1001", "max=-1", "max=x", "max=1&max=1", "wait=-1s", "wait=61s", "wait=5"),
        *("wait=x", "lease=0", "lease=25h", "lease=x", "lease="),
    ],
)
async def test_terms_of_receiving_that_are_none_are_refused(
    connection: Connection, topic: str, query: str
) -> None:
    await publish(connection, topic, b"1")

    error = await expect_refused(connection, "POST", f"/receive/{topic}?{query}", status=400)

    assert query.partition("=")[0] in error
    assert await rest_of(connection, topic) == [b"1"]


@pytest.mark.parametrize(
    ("body", "word"),
    [
        *(({"akc": []}, "akc"), ([], "object"), ({"ack": "x"}, "ack"), ({"ack": [1]}, "ack")),
        *(({"dack": []}, "dack"), ({"dack": {"x": -1}}, "dack"), ({"dack": {"x": "y"}}, "dack")),
    ],
)
async def test_a_settlement_that_is_none_settles_nothing(
    connection: Connection, topic: str, body: object, word: str
) -> None:
    await publish(connection, topic, b"1")
    [received] = await ask(connection, "POST", f"/receive/{topic}?lease=1h")
    if isinstance(body, dict):
        body = {"nack": [received["receipt"]]} | body

    error = await expect_refused(connection, "POST", f"/settle/{topic}", body, status=400)

    assert word in error
    await expect_counts(connection, topic, inFlight=1, bytes=1, published=1, delivered=1)
