"""The pages of topics, asked for with curl: what is in them, by which rules, and what to do.

A long walk each, because that is how somebody types them.
"""

import base64
from typing import Any

import pytest

from tests.outside.batch import publish_lines
from tests.outside.consumer import Consumer, publish
from tests.outside.credit import CreditConsumer
from tests.outside.curl import CurlPages
from tests.outside.pages import ask, expect_counts, expect_refused, set_policy
from tests.outside.server import RunningBroker, StartBroker
from tests.outside.wire import Connection

pytestmark = pytest.mark.anyio

DEFAULT_POLICY = {
    **dict.fromkeys(["lease", "maxDeliveries", "deadLetter", "backoff", "ttl"]),
    **dict.fromkeys(["maxMessages", "maxBytes"]),
    "dedupeWindow": 300,
}
SET_POLICY: dict[str, Any] = {
    "lease": 30,
    "maxDeliveries": 3,
    "deadLetter": "graveyard",
    "ttl": 3600,
    "backoff": {"initial": 1, "factor": 2, "max": 60, "jitter": 0.1},
    "maxMessages": 10,
    "maxBytes": 1000,
    "dedupeWindow": 60,
}


@pytest.fixture(params=["--http1.1", "--http2"])
def pages(request: pytest.FixtureRequest, broker: RunningBroker) -> CurlPages:
    return CurlPages(broker, request.param)


def bodies_of(messages: list[dict[str, Any]]) -> list[bytes]:
    return [base64.b64decode(message["msg"]) for message in messages]


async def test_a_topic_counts_exactly_what_was_done(
    pages: CurlPages, connection: Connection, topic: str
) -> None:
    await publish(connection, topic, *(b"%d" % number for number in range(10)))
    await connection.request("POST", f"/publish/{topic}?delay=1h", b"later")
    await connection.request("POST", f"/publish/{topic}?priority=3", b"first")
    consumer = await CreditConsumer.with_credit(connection, topic, 5)
    await consumer.take_bodies(5)  # first, 0, 1, 2, 3
    await consumer.send("ACK ..2", "NACK 3", "DEAD 4", "DACK 3600 5")
    assert await consumer.take_bodies(5) == [b"4", b"5", b"1", b"6", b"7"]

    overview = await pages.ask("GET", f"/topics/{topic}")

    age = overview.pop("oldestAgeSeconds")
    assert 0 < age < 60
    assert overview == {
        "name": topic,
        "ready": 2,
        "inFlight": 5,
        "delayed": 2,
        "bytes": 13,
        "published": 12,
        "delivered": 10,
        "acknowledged": 2,
        "expired": 0,
        "deadLettered": 1,
        "consumers": 1,
        "paused": False,
        "policy": DEFAULT_POLICY,
        "deadLetterTopic": f"{topic}.dead",
    }
    await consumer.leave()
    await expect_counts(
        *(connection, topic),
        ready=7,
        delayed=2,
        bytes=13,
        published=12,
        delivered=10,
        acknowledged=2,
        deadLettered=1,
    )


async def test_the_list_goes_by_name_and_by_pages(
    pages: CurlPages, connection: Connection, topic: str
) -> None:
    names = [f"{topic}-{letter}" for letter in "abcde"]
    for name in reversed(names):
        await publish(connection, name, b"1")

    listed = await pages.ask("GET", f"/topics?after={topic}-&max=3")

    assert [each["name"] for each in listed["topics"]] == names[:3]
    assert [each["ready"] for each in listed["topics"]] == [1, 1, 1]
    assert listed["next"] == names[2]
    everything = [each["name"] for each in (await pages.ask("GET", "/topics"))["topics"]]
    assert everything == sorted(everything)
    assert set(names) <= set(everything)
    assert await pages.ask("DELETE", f"/topics/{names[0]}") is None
    assert (await pages.ask("GET", f"/topics/{names[0]}", status=404)).keys() == {"error"}


async def test_a_policy_is_set_and_shown_and_set_back(pages: CurlPages, topic: str) -> None:
    shown = await pages.ask("PUT", f"/topics/{topic}", SET_POLICY)
    assert shown["policy"] == SET_POLICY
    assert shown["deadLetterTopic"] == "graveyard"

    assert (await pages.ask("GET", f"/topics/{topic}"))["policy"] == SET_POLICY
    again = await pages.ask("PUT", f"/topics/{topic}", shown["policy"])
    assert again["policy"] == SET_POLICY

    shown = await pages.ask("PUT", f"/topics/{topic}", {})
    assert shown["policy"] == DEFAULT_POLICY


async def test_a_paused_topic_takes_messages_and_delivers_none(
    pages: CurlPages, connection: Connection, topic: str
) -> None:
    await publish(connection, topic, b"1", b"2")
    consumer = await Consumer.holding(connection, topic, b"1")

    assert (await pages.ask("POST", f"/topics/{topic}/pause"))["paused"] is True
    await consumer.send("ACK")
    await consumer.expect_nothing()
    await publish(connection, topic, b"3")
    await consumer.expect_nothing()
    await expect_counts(
        *(connection, topic),
        ready=2,
        bytes=2,
        published=3,
        delivered=1,
        acknowledged=1,
        consumers=1,
    )
    assert (await pages.ask("PUT", f"/topics/{topic}", {"ttl": 9}))["paused"] is True

    assert (await pages.ask("POST", f"/topics/{topic}/resume"))["paused"] is False
    for body in (b"2", b"3"):
        await consumer.expect(body)
        await consumer.send("ACK")


async def test_peek_looks_and_takes_nothing(
    pages: CurlPages, connection: Connection, topic: str
) -> None:
    await publish(connection, topic, *(b"%d" % number for number in range(12)))
    await connection.request("POST", f"/publish/{topic}?priority=3", b"first")
    await connection.request("POST", f"/publish/{topic}?delay=1h", b"later")

    for query, count in (("", 10), ("?max=2", 2), ("?max=1000", 13)):
        seen = await pages.ask("GET", f"/topics/{topic}/peek{query}")
        assert bodies_of(seen["messages"]) == [b"first", *(b"%d" % n for n in range(12))][:count]
        assert {each["attempt"] for each in seen["messages"]} == {1}

    await expect_counts(connection, topic, ready=13, delayed=1, bytes=24, published=14)


async def test_dead_letters_go_back_by_number_or_whole(
    pages: CurlPages, connection: Connection, topic: str
) -> None:
    dead = f"{topic}.dead"
    bodies = [b"%d" % number for number in range(10)]
    await publish(connection, topic, *bodies)
    consumer = await CreditConsumer.with_credit(connection, topic, 10)
    await consumer.take_bodies(10)
    await consumer.send("DEAD ..10", "CREDIT 0")
    await consumer.expect_nothing()
    await publish(connection, dead, b"no dead letter")

    assert await pages.ask("POST", f"/topics/{topic}/redrive") == {
        "redriven": 0,
        "hint": f"the dead letters of {topic!r} are in {dead!r}: POST /topics/{dead}/redrive",
    }
    assert await pages.ask("POST", f"/topics/{dead}/redrive?max=3") == {"redriven": 3}
    # Published is what was published here, delivered what was handed out, by a redrive too.
    await expect_counts(connection, dead, ready=8, bytes=21, published=1, delivered=3)
    assert await pages.ask("POST", f"/topics/{dead}/redrive") == {"redriven": 7}

    seen = await pages.ask("GET", f"/topics/{topic}/peek")
    assert bodies_of(seen["messages"]) == bodies
    assert all("dead" not in each and each["attempt"] == 1 for each in seen["messages"])
    seen = await pages.ask("GET", f"/topics/{dead}/peek")
    assert bodies_of(seen["messages"]) == [b"no dead letter"]
    await consumer.leave()


async def test_policies_and_pauses_and_counts_outlive_a_kill(
    start_broker: StartBroker, topic: str
) -> None:
    broker = start_broker("-fsync", "always")
    async with await Connection.open(broker.port, broker.ca) as connection:
        await set_policy(connection, topic, **SET_POLICY)
        await publish_lines(connection, topic, [b"1", b"2", b"3"])
        consumer = await Consumer.holding(connection, topic, b"1")
        await consumer.send("ACK")
        await consumer.expect(b"2")
        await ask(connection, "POST", f"/topics/{topic}/pause")

        broker.restart()  # with a message in flight

    async with await Connection.open(broker.port, broker.ca) as connection:
        overview = await ask(connection, "GET", f"/topics/{topic}")
        assert overview["policy"] == SET_POLICY
        assert overview["paused"] is True
        await expect_counts(
            *(connection, topic), ready=2, bytes=2, published=3, delivered=2, acknowledged=1
        )
        paused = await Consumer.waiting(connection, topic)
        await ask(connection, "POST", f"/topics/{topic}/resume")
        await paused.expect(b"2")


@pytest.mark.parametrize(
    ("method", "page"),
    [
        *(("GET", page) for page in ("", "/peek")),
        *(("POST", page) for page in ("/pause", "/resume", "/redrive")),
    ],
)
async def test_pages_of_no_topic_are_not_found(
    connection: Connection, topic: str, method: str, page: str
) -> None:
    error = await expect_refused(connection, method, f"/topics/{topic}{page}", status=404)

    assert repr(topic) in error
