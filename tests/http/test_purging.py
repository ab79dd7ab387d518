"""Purge removes messages and keeps the policy; DELETE removes all there is of a topic."""

import pytest

from miniqueue_py.testing.clock import ManualClock
from tests.http.desk import Desk

pytestmark = pytest.mark.anyio


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def desk(clock: ManualClock) -> Desk:
    return Desk(clock)


async def test_purge_removes_what_is_in_every_state_and_keeps_the_policy(
    desk: Desk, clock: ManualClock
) -> None:
    await desk.value("PUT", "/topics/orders", {"lease": 7, "maxDeliveries": 3})
    await desk.value("POST", "/topics/orders/pause")
    before = (await desk.value("GET", "/topics/orders"))["policy"]
    await desk.value("POST", "/topics/orders/resume")
    await desk.publish("orders", b"1", b"2")
    await desk.publish("orders", b"later", delay_seconds=5.0)
    await desk.publish("orders too", b"1")
    held = await desk.receive("orders", "max=1")
    await desk.value("POST", "/topics/orders/pause")

    told = await desk.value("POST", "/topics/orders/purge")

    assert (told["ready"], told["inFlight"], told["delayed"], told["bytes"]) == (0, 0, 0, 0)
    assert (told["policy"], told["paused"]) == (before, True)
    assert told == await desk.value("GET", "/topics/orders")
    await desk.value("POST", "/settle/orders", {"nack": held})
    await clock.advance(60)
    await desk.broker.tick()
    assert desk.counts() == (0, 0, 0)
    assert desk.counts("orders too") == (1, 0, 0)
    assert desk.administration.topics() == ["orders", "orders too"]


async def test_who_waits_gets_what_is_published_after_a_purge(desk: Desk) -> None:
    await desk.publish("orders", b"old")
    await desk.receive("orders")
    async with desk.begin("POST", "/receive/orders?wait=20s") as waiting:
        await waiting.say(b"", is_last=True)
        await desk.value("POST", "/topics/orders/purge")
        assert not waiting.is_begun

        await desk.publish("orders", b"new")
        await waiting.answer()

    assert b'"msg":"bmV3"' in waiting.body


async def test_purge_begins_the_counts_and_keys_anew(desk: Desk) -> None:
    await desk.publish("orders", b"1", key="k")

    told = await desk.value("POST", "/topics/orders/purge")

    assert (told["published"], told["delivered"]) == (0, 0)
    answer = await desk.ask("POST", "/publish/orders", b"1", headers={"idempotency-key": "k"})
    assert answer.status == 201


async def test_delete_removes_the_policy_too(desk: Desk) -> None:
    for path in ("/orders", "/topics/orders"):
        await desk.value("PUT", "/topics/orders", {"lease": 7})
        await desk.publish("orders", b"1")

        assert (await desk.ask("DELETE", path)).status == 200

        assert (await desk.refusal("GET", "/topics/orders"))[0] == 404


async def test_what_a_purge_needs_shows_nowhere_and_holds_no_name(desk: Desk) -> None:
    for _ in range(3):
        await desk.publish("orders", b"1")
        await desk.value("POST", "/topics/orders/purge")

    assert desk.administration.topics() == ["orders"]
    assert desk.storage.totals()[:2] == (0, 0)
