"""Policies that cannot be, and the caps of those that can."""

import json

import pytest

from tests.outside.consumer import publish
from tests.outside.credit import rest_of
from tests.outside.pages import expect_refused, set_policy
from tests.outside.wire import Connection

pytestmark = pytest.mark.anyio

IMPOSSIBLE: dict[str, list[object]] = {
    "lease": [0, -1, "x", True, [], "-1s", 1e300],
    "maxDeliveries": [0, -1, 1.5, "3", 2**40],
    "maxMessages": [0, -1, "1"],
    "deadLetter": [1, "", "a/b", "x" * 256, "\n"],
    "backoff": [1, {"initial": 0}, {"factor": 0.5}, {"unknown": 1}],
    "unknown": [1],
}


async def test_a_topic_is_full_at_its_own_caps(connection: Connection, topic: str) -> None:
    await set_policy(connection, topic, maxMessages=2)
    await set_policy(connection, f"{topic}2", maxBytes=10)
    await publish(connection, topic, b"1", b"2")
    await publish(connection, f"{topic}2", b"123456789")

    for name, cap in ((topic, "maxMessages"), (f"{topic}2", "maxBytes")):
        response = await connection.request("POST", f"/publish/{name}", b"34")
        assert response.status == 429
        assert int(response.headers["retry-after"]) >= 1
        assert cap in json.loads(response.body)["error"]
    await publish(connection, f"{topic}3", b"others are not full")
    await publish(connection, f"{topic}2", b"3")

    assert await rest_of(connection, topic) == [b"1", b"2"]
    await publish(connection, topic, b"3")


@pytest.mark.parametrize(
    ("policy", "status", "word"),
    [
        *(({name: value}, 400, name) for name, values in IMPOSSIBLE.items() for value in values),
        ({"backoff": {"initial": 10, "max": 5}}, 409, "backoff.max"),
        ([], 400, "object"),
        ("", 400, "object"),
    ],
)
async def test_a_policy_that_cannot_be_is_refused_and_makes_no_topic(
    connection: Connection, topic: str, policy: object, status: int, word: str
) -> None:
    path = f"/topics/{topic}"

    error = await expect_refused(connection, "PUT", path, policy, status=status)

    assert word in error
    await expect_refused(connection, "GET", path, status=404)


async def test_dead_letters_that_would_come_back_are_refused(
    connection: Connection, topic: str
) -> None:
    a, b, c = (f"{topic}-{letter}" for letter in "abc")
    await set_policy(connection, a, deadLetter=b)
    await set_policy(connection, b, deadLetter=c)

    for name, target in ((a, a), (b, a), (c, a), (c, b), (f"{c}.dead", c)):
        body = {"deadLetter": target}
        error = await expect_refused(connection, "PUT", f"/topics/{name}", body, status=409)
        assert repr(name) in error

    # There is no name for its dead letters.
    path = f"/topics/{'x' * 252}"
    await expect_refused(connection, "PUT", path, {"maxDeliveries": 3}, status=409)
