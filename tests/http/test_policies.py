"""The page that sets a topic's policy."""

from typing import Any

import pytest

from miniqueue_py.errors import DiskFull
from miniqueue_py.storage.memory import MemoryStorage
from miniqueue_py.testing.clock import ManualClock
from tests.http.desk import Desk

pytestmark = pytest.mark.anyio

DEFAULTS = {
    "lease": None,
    "maxDeliveries": None,
    "deadLetter": None,
    "backoff": None,
    "ttl": None,
    "maxMessages": None,
    "maxBytes": None,
    "dedupeWindow": 300,
}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def desk(clock: ManualClock) -> Desk:
    return Desk(clock)


async def test_policy_replaces_the_whole_and_makes_the_topic(desk: Desk) -> None:
    first = await desk.value("PUT", "/topics/orders", {"lease": "30s", "maxDeliveries": 3})
    second = await desk.value("PUT", "/topics/orders", {"deadLetter": "graves", "ttl": 60})

    assert first["policy"] == DEFAULTS | {"lease": 30, "maxDeliveries": 3}
    assert second["policy"] == DEFAULTS | {"deadLetter": "graves", "ttl": 60}
    assert second["deadLetterTopic"] == "graves"
    assert await desk.value("GET", "/topics/orders") == second


async def test_policy_that_is_shown_can_be_set(desk: Desk) -> None:
    shown = await desk.value("PUT", "/topics/orders", {"backoff": {"initial": "500ms"}})

    again = await desk.value("PUT", "/topics/orders", shown["policy"])

    assert again["policy"] == shown["policy"]
    assert again["policy"]["backoff"] == {"initial": 0.5, "factor": 2, "max": 300, "jitter": 0.1}


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "the body is empty"),
        (b"{", "the body is not JSON from line 1, character 2 on"),
        (b'{"ttl":1}}', "the body is not JSON from line 1, character 10 on"),
        (b"\xff", "the body is not UTF-8"),
        (b'{"ttl":1,"ttl":2}', "the body has a key twice"),
        (b'{"ttl":NaN}', "the body has NaN in it"),
        (b'{"ttl":%b}' % (b"9" * 5000), "the body has a number of too many digits"),
        (b"[" * 100_000, "the body is nested too deeply"),
        (b"[]", "policy: it is not a JSON object"),
        (b'{"tll":1}', "policy: 'tll' is unknown; known are lease, maxDeliveries"),
        (b'{"ttl":0}', "policy: ttl is not longer than 0"),
        (b'{"lease":"-1s"}', "policy: lease is not a duration"),
        (b'{"maxDeliveries":0}', "policy: maxDeliveries is not a whole number from 1"),
        (b'{"maxDeliveries":true}', "policy: maxDeliveries is not a whole number from 1"),
        (b'{"deadLetter":"a/b"}', "policy: deadLetter is not the name of a topic"),
        (b'{"deadLetter":"\\ud800"}', "policy: deadLetter is not the name of a topic"),
        (b'{"backoff":{"factor":0}}', "policy: backoff.factor is not a number from 1"),
        (b'{"paused":true}', "policy: 'paused' is unknown"),
    ],
)
async def test_bad_policy_is_refused_in_words_and_nothing_is_made(
    desk: Desk, body: bytes, says: str
) -> None:
    status, error = await desk.refusal("PUT", "/topics/orders", body)

    assert status == 400
    assert error.startswith(says)
    assert not desk.storage.topics()


@pytest.mark.parametrize(
    ("topic", "policy"),
    [
        ("orders", {"deadLetter": "orders"}),
        ("orders.dead", {"deadLetter": "orders"}),
        ("c", {"deadLetter": "a"}),
        ("orders", {"backoff": {"initial": 10, "max": 5}}),
        ("x" * 251, {}),
    ],
)
async def test_policy_that_contradicts_itself_or_another_is_refused(
    desk: Desk, topic: str, policy: dict[str, Any]
) -> None:
    await desk.value("PUT", "/topics/a", {"deadLetter": "b"})
    await desk.value("PUT", "/topics/b", {"deadLetter": "c"})

    status, _error = await desk.refusal("PUT", f"/topics/{topic}", policy)

    assert status == 409
    assert desk.administration.topics() == ["a", "b"]


async def test_long_policy_is_refused(desk: Desk) -> None:
    status, error = await desk.refusal("PUT", "/topics/orders", b" " * (1 << 18) + b"{}")

    assert status == 413
    assert error == "the body is longer than 262144 bytes; send it in several requests"


async def test_storage_that_refuses_a_policy_is_told(clock: ManualClock) -> None:
    class FullStorage(MemoryStorage):
        async def set_policy(self, *_: object) -> None:
            raise DiskFull

    desk = Desk(clock, FullStorage())

    assert (await desk.refusal("PUT", "/topics/orders", {}))[0] == 507
