"""Consuming without a stream: waiting, taking, and going away."""

from collections.abc import Callable
from typing import Any

import pytest

from miniqueue_py.broker import receipts
from miniqueue_py.broker.claims import RECEIVE_LEASE_SECONDS
from miniqueue_py.broker.message import Publication
from miniqueue_py.testing.clock import ManualClock
from tests.http.desk import Desk, value_of
from tests.http.exchanges import Exchange, settle

pytestmark = pytest.mark.anyio


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def desk(clock: ManualClock) -> Desk:
    return Desk(clock)


async def wait_for_messages(desk: Desk, query: str = "wait=20s") -> Exchange:
    """Begin to wait."""
    waiting = desk.begin("POST", f"/receive/orders?{query}")
    await waiting.say(b"", is_last=True)
    assert not waiting.is_begun
    return waiting


async def test_message_comes_with_a_receipt_that_settles_it(desk: Desk) -> None:
    await desk.publish("orders", b"hello", priority=3)

    [delivery] = await desk.value("POST", "/receive/orders")
    settled = await desk.value("POST", "/settle/orders", {"ack": [delivery["receipt"]]})

    assert delivery == {
        "msg": "aGVsbG8=",
        "receipt": delivery["receipt"],
        "attempt": 1,
        "messageId": "1-1",
        "publishedAt": 1_000_000_000,
        "priority": 3,
    }
    assert settled == {"expired": []}
    assert desk.counts() == (0, 0, 0)


async def test_one_message_is_received_if_nobody_says(desk: Desk) -> None:
    await desk.publish("orders", b"1", b"2", b"3")

    assert len(await desk.receive("orders", "")) == 1
    assert len(await desk.receive("orders", "max=1000")) == 2


async def test_large_messages_come_in_smaller_numbers(desk: Desk) -> None:
    await desk.publish("orders", *[b"x" * (1 << 17)] * 10)

    received = await desk.receive("orders")

    assert 1 < len(received) < 10
    assert desk.counts()[1] == len(received)


@pytest.mark.parametrize("http_version", ["1.1", "2"])
async def test_there_is_no_content_when_there_is_nothing(desk: Desk, http_version: str) -> None:
    answer = await desk.ask("POST", "/receive/orders", http_version=http_version)

    assert (answer.status, answer.body) == (204, b"")
    assert not answer.headers
    assert not desk.storage.topics()


async def test_who_waits_is_answered_as_soon_as_there_is_a_message(desk: Desk) -> None:
    waiting = await wait_for_messages(desk, "wait=20s&max=10")

    await desk.publish("orders", b"1", b"2")
    await waiting.answer()

    assert [each["msg"] for each in value_of(waiting)] == ["MQ==", "Mg=="]


async def test_who_waited_long_enough_is_told_that_there_is_nothing(
    desk: Desk, clock: ManualClock
) -> None:
    waiting = await wait_for_messages(desk)

    await clock.advance(19.0)
    assert not waiting.is_begun
    await clock.advance(1.0)
    await waiting.answer()

    assert waiting.status == 204
    await desk.publish("orders", b"1")
    assert desk.counts() == (1, 0, 0)


async def test_those_who_wait_are_served_in_their_order(desk: Desk) -> None:
    first, second = await wait_for_messages(desk), await wait_for_messages(desk)

    await desk.publish("orders", b"1")
    await first.answer()
    assert not second.is_begun
    await desk.publish("orders", b"2")
    await second.answer()

    assert value_of(first)[0]["msg"] == "MQ=="
    assert value_of(second)[0]["msg"] == "Mg=="


async def test_client_that_leaves_while_it_waits_takes_nothing(desk: Desk) -> None:
    waiting = await wait_for_messages(desk)

    await waiting.leave()
    await desk.publish("orders", b"1")

    assert desk.counts() == (1, 0, 0)
    assert desk.broker.subscriber_count == 0


async def test_client_that_leaves_as_its_message_comes_gives_it_back_at_once(desk: Desk) -> None:
    waiting = await wait_for_messages(desk)
    storing = desk.broker.publish("orders", [Publication([b"1"])])

    waiting.leave_nowait()
    await storing

    assert not waiting.is_begun
    assert desk.counts() == (1, 0, 0)
    assert (await desk.value("POST", "/receive/orders"))[0]["attempt"] == 1


class Crammed(Exchange):
    """Its client has not taken what it was sent before."""

    def __init__(self, desk: Desk, target: str) -> None:
        self.starts: list[Callable[[], None]] = []
        super().__init__(desk.door, "POST", target)

    def when_room(self, start: Callable[[], None]) -> None:
        self.starts.append(start)


async def test_nothing_is_taken_for_a_client_that_left_before_it_had_room(desk: Desk) -> None:
    await desk.publish("orders", b"1")
    staying, leaving = (Crammed(desk, "/receive/orders") for _ in range(2))
    await leaving.leave()

    for start in leaving.starts:
        start()
    await settle()
    assert desk.counts() == (1, 0, 0)
    for start in staying.starts:
        start()

    assert (await staying.answer()).status == 200
    assert desk.counts() == (0, 1, 0)


async def test_who_waits_is_no_answer_that_is_being_made(desk: Desk) -> None:
    waiting = Crammed(desk, "/receive/orders?wait=20s")
    await desk.publish("orders", b"1")

    assert (await waiting.answer()).status == 200
    assert not waiting.starts


async def test_client_that_does_not_read_its_answer_holds_its_message_no_longer_than_the_lease(
    desk: Desk, clock: ManualClock
) -> None:
    waiting = await wait_for_messages(desk, "wait=20s&lease=5s")
    waiting.stop_reading()
    await desk.publish("orders", b"1")
    await settle()

    await waiting.leave()
    assert desk.counts() == (0, 1, 0)
    await clock.advance(5.0)
    await desk.broker.tick()

    assert not waiting.pieces
    assert desk.counts() == (1, 0, 0)
    assert desk.broker.subscriber_count == 0


async def test_who_waits_is_told_that_the_broker_drains_and_so_is_who_comes(desk: Desk) -> None:
    waiting = await wait_for_messages(desk)

    desk.broker.drain()
    await waiting.answer()
    late = await desk.ask("POST", "/receive/orders")

    for answer in (waiting, late):
        assert answer.status == 503
        assert answer.headers["retry-after"] == "1"
    await desk.broker.wait_drained()


@pytest.mark.parametrize(
    ("query", "policy", "seconds"),
    [
        ("", {}, RECEIVE_LEASE_SECONDS),
        ("lease=5s", {}, 5.0),
        ("lease=5s", {"lease": 60}, 5.0),
        ("", {"lease": 60}, 60.0),
        ("lease=1ms", {}, 0.001),
        ("lease=24h", {}, 86400.0),
    ],
)
async def test_message_returns_when_its_lease_runs_out(
    desk: Desk, clock: ManualClock, query: str, policy: dict[str, Any], seconds: float
) -> None:
    await desk.value("PUT", "/topics/orders", policy)
    await desk.publish("orders", b"1")
    [receipt] = await desk.receive("orders", query)

    await clock.advance(seconds * 0.9)
    await desk.broker.tick()
    assert desk.counts() == (0, 1, 0)
    await clock.advance(seconds * 0.11)
    await desk.broker.tick()

    assert desk.counts() == (1, 0, 0)
    late = await desk.value("POST", "/settle/orders", {"ack": [receipt]})
    assert late == {"expired": [receipt]}
    assert (await desk.value("POST", "/receive/orders"))[0]["attempt"] == 2


@pytest.mark.parametrize(
    "query",
    [
        *("max=0", "max=1001", "max=-1", "max=x", "max=1&max=2", "max="),
        *("wait=-1s", "wait=20", "wait=60.1s", "wait=", "wait=%FF"),
        *("lease=0", "lease=0s", "lease=999us", "lease=24.1h", "lease=30"),
    ],
)
async def test_bad_parameter_is_refused_by_name_and_takes_nothing(desk: Desk, query: str) -> None:
    await desk.publish("orders", b"1")

    status, error = await desk.refusal("POST", f"/receive/orders?{query}")

    assert status == 400
    assert error.startswith(f"{query.partition('=')[0]} is ")
    assert desk.counts() == (1, 0, 0)


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/receive/orders", 405),
        ("HEAD", "/receive/orders", 405),
        ("PUT", "/settle/orders", 405),
        ("DELETE", "/settle/orders", 405),
        ("POST", "/receive", 405),
        ("POST", "/receive/", 404),
        ("POST", "/receive/a/b", 404),
        ("POST", "/settle/a/b", 404),
        ("POST", "/receive/a%2Fb", 400),
        ("POST", "/receive/%FF", 400),
        ("POST", "/settle/%00", 400),
    ],
)
async def test_what_is_not_there_is_told(desk: Desk, method: str, path: str, status: int) -> None:
    answer = await desk.ask(method, path, b"{}")

    assert answer.status == status
    assert ("allow" in answer.headers) == (status == 405)


async def test_one_address_leaves_room_for_others(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipts, "MOST_RECEIPTS", 10)
    for topic in ("a", "b", "c"):
        await desk.publish(topic, b"1", b"2")
        assert len(await desk.receive(topic, "max=2&lease=24h")) == 2

    refused = await desk.ask("POST", "/receive/d")

    assert refused.status == 429
    assert b"of this address" in refused.body


@pytest.mark.parametrize(("most", "asked", "waited"), [(5.0, "20s", 5), (300.0, "2m", 120)])
async def test_wait_is_bounded_by_what_the_operator_says(
    clock: ManualClock, most: float, asked: str, waited: float
) -> None:
    desk = Desk(clock, max_wait_seconds=most)
    waiting = await wait_for_messages(desk, f"wait={asked}")
    await clock.advance(waited - 0.5)
    assert not waiting.is_begun

    await clock.advance(0.5)

    assert waiting.status == 204
