"""Idempotency keys: what was published under one is not published again, for a while."""

import asyncio

import pytest

from tests.outside.batch import JSON, BatchStream, entry, publish_lines
from tests.outside.consumer import publish
from tests.outside.credit import rest_of
from tests.outside.pages import ask, set_policy
from tests.outside.server import StartBroker
from tests.outside.stream import PATIENCE
from tests.outside.wire import Connection, Response

pytestmark = pytest.mark.anyio

KEYS = 100_000
ALLOWED_BYTES = 48 << 20
"""Over a broker that has seen half as many: what is kept of a key is on disk."""


async def publish_under(connection: Connection, topic: str, key: str, body: bytes) -> Response:
    headers = [("idempotency-key", key)]
    response = await connection.request("POST", f"/publish/{topic}", body, headers)
    assert (response.body == b"") == (response.status in {200, 201}), response
    return response


async def expect_new(connection: Connection, topic: str, key: str, body: bytes) -> str:
    """Publish under a key; give the message's id."""
    response = await publish_under(connection, topic, key, body)
    assert response.status == 201
    assert "miniqueue-duplicate" not in response.headers
    return response.headers["miniqueue-message-id"]


async def expect_duplicate(connection: Connection, topic: str, key: str, of: str) -> None:
    response = await publish_under(connection, topic, key, b"1")
    assert response.status == 200
    assert response.headers["miniqueue-duplicate"] == "true"
    assert response.headers["miniqueue-message-id"] == of


async def test_a_key_that_was_seen_stores_nothing_and_names_the_first(
    connection: Connection, topic: str
) -> None:
    first = await expect_new(connection, topic, "k", b"1")

    await expect_duplicate(connection, topic, "k", of=first)
    await publish(connection, topic, b"2")
    await expect_duplicate(connection, topic, "k", of=first)

    assert await rest_of(connection, topic) == [b"1", b"2"]


async def test_a_key_outlives_its_message(connection: Connection, topic: str) -> None:
    first = await expect_new(connection, topic, "k", b"1")
    assert await rest_of(connection, topic) == [b"1"]

    await expect_duplicate(connection, topic, "k", of=first)

    assert await rest_of(connection, topic) == []


async def test_another_key_and_another_topic_are_not_affected(
    connection: Connection, topic: str
) -> None:
    ids = [
        await expect_new(connection, topic, "k", b"1"),
        await expect_new(connection, topic, "K", b"2"),
        await expect_new(connection, f"{topic}2", "k", b"3"),
    ]

    assert len(set(ids)) == 3


async def test_many_at_once_under_one_key_store_one(connection: Connection, topic: str) -> None:
    responses = await asyncio.gather(
        *(publish_under(connection, topic, "k", b"1") for _ in range(50))
    )

    assert sorted(response.status for response in responses) == [200] * 49 + [201]
    assert len({response.headers["miniqueue-message-id"] for response in responses}) == 1
    assert len(await rest_of(connection, topic)) == 1


async def test_a_key_is_refused_for_another_message(connection: Connection, topic: str) -> None:
    await expect_new(connection, topic, "k", b"1")

    response = await publish_under(connection, topic, "k", b"2")

    assert response.status == 422
    assert b"'k' was used for another message" in response.body
    assert await rest_of(connection, topic) == [b"1"]


async def test_a_line_of_a_batch_may_have_a_key(connection: Connection, topic: str) -> None:
    first = await expect_new(connection, topic, "a", b"1")
    lines = [entry(b"1", key="a"), entry(b"2", key="b"), entry(b"2", key="b")]

    await publish_lines(connection, topic, [*lines, entry(b"3")], JSON)

    await expect_duplicate(connection, topic, "a", of=first)
    assert await rest_of(connection, topic) == [b"1", b"2", b"3"]


async def test_a_key_is_known_after_a_kill(start_broker: StartBroker, topic: str) -> None:
    broker = start_broker("-fsync", "always")
    async with await Connection.open(broker.port, broker.ca) as connection:
        first = await expect_new(connection, topic, "k", b"1")

    broker.restart()

    async with await Connection.open(broker.port, broker.ca) as connection:
        await expect_duplicate(connection, topic, "k", of=first)
        assert await rest_of(connection, topic) == [b"1"]


@pytest.mark.parametrize("path", ["/{}", "/topics/{}"])
async def test_deleting_the_topic_forgets_its_keys(
    connection: Connection, topic: str, path: str
) -> None:
    first = await expect_new(connection, topic, "k", b"1")
    other = await expect_new(connection, f"{topic}2", "k", b"1")

    response = await connection.request("DELETE", path.format(topic))

    assert response.status == 200
    assert await expect_new(connection, topic, "k", b"2") != first
    await expect_duplicate(connection, f"{topic}2", "k", of=other)


async def test_a_key_is_forgotten_when_its_window_is_over(
    connection: Connection, topic: str
) -> None:
    await set_policy(connection, topic, dedupeWindow=0.3)
    first = await expect_new(connection, topic, "k", b"1")
    await expect_duplicate(connection, topic, "k", of=first)

    async with asyncio.timeout(PATIENCE):
        while (await publish_under(connection, topic, "k", b"2")).status == 422:
            continue

    assert await rest_of(connection, topic) == [b"1", b"2"]


async def test_without_a_window_no_key_is_kept(connection: Connection, topic: str) -> None:
    await set_policy(connection, topic, dedupeWindow=0)

    for body in (b"1", b"2"):
        await expect_new(connection, topic, "k", body)


@pytest.mark.parametrize("key", ["", "x" * 257, "é" * 129])
async def test_a_key_that_is_none_is_refused(connection: Connection, topic: str, key: str) -> None:
    headers = [("idempotency-key", key)]

    response = await connection.request("POST", f"/publish/{topic}", b"1", headers)

    assert response.status == 400
    assert b"Idempotency-Key" in response.body


async def test_100_000_keys_cost_little_memory(start_broker: StartBroker, topic: str) -> None:
    broker = start_broker()
    async with await Connection.open(broker.port, broker.ca) as connection:
        await publish_keys(connection, topic, range(KEYS // 2))
        before = broker.rss_bytes()

        await publish_keys(connection, topic, range(KEYS // 2, KEYS))

        assert broker.rss_bytes() - before < ALLOWED_BYTES
        await publish_keys(connection, topic, range(KEYS - 1000, KEYS))
        assert (await ask(connection, "GET", f"/topics/{topic}"))["ready"] == KEYS


async def publish_keys(connection: Connection, topic: str, numbers: range) -> None:
    batch = await BatchStream.open(connection, topic, JSON)
    for start in range(numbers.start, numbers.stop, 1000):
        some = range(start, min(start + 1000, numbers.stop))
        lines = (entry(b"x", key=f"key-{number}") for number in some)
        await batch.send(b"\n".join(lines) + b"\n")
    batch.stream.end()
    assert await batch.last_line() == {"published": len(numbers)}
