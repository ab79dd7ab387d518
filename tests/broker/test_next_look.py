"""A lease is over at its end, whenever the next tick would be."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.timekeeper import LOOKS_APART_SECONDS, Timekeeper
from miniqueue_py.storage.memory import MemoryStorage
from miniqueue_py.testing.clock import ManualClock
from tests.broker.scenes import Consume, places, publish, raise_it, receive, texts

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
async def ticking(broker: Broker, clock: ManualClock) -> AsyncIterator[None]:
    """Have time make its moves, once an hour."""
    ticking = asyncio.create_task(Timekeeper(broker, 3600.0, raise_it).run())
    await clock.advance(0)
    yield
    ticking.cancel()


async def test_lease_of_any_kind_is_over_at_its_instant(
    broker: Broker, consume: Consume, clock: ManualClock, storage: MemoryStorage
) -> None:
    await publish(broker, *texts(2))
    subscriber = consume(1, lease=8)
    subscriber.take()
    await receive(broker, "orders", 1, lease_seconds=4)
    subscriber.set_credit(0)

    await clock.advance(3.999)
    assert places(storage) == (0, 2, 0)
    await clock.advance(0.001)
    assert places(storage) == (1, 1, 0)
    await clock.advance(3.999)
    assert places(storage) == (1, 1, 0)
    await clock.advance(0.001)
    assert places(storage) == (2, 0, 0)


async def test_lease_that_is_begun_later_and_ends_first_brings_the_look_forward(
    broker: Broker, clock: ManualClock, storage: MemoryStorage
) -> None:
    await publish(broker, *texts(3))
    for seconds in (8, 2, 4):
        await receive(broker, "orders", 1, lease_seconds=seconds)

    for ready in (1, 2):
        await clock.advance(2)
        assert places(storage)[0] == ready
    await clock.advance(4)

    assert places(storage) == (3, 0, 0)


async def test_lease_that_was_renewed_is_over_at_its_new_end(
    broker: Broker, clock: ManualClock, storage: MemoryStorage
) -> None:
    await publish(broker, b"one")
    [(receipt, _)] = await receive(broker, "orders", 1, lease_seconds=4)
    await clock.advance(3)
    broker.receipts.touch("orders", [receipt])

    await clock.advance(3.5)
    assert places(storage) == (0, 1, 0)
    await clock.advance(0.5)
    assert places(storage) == (1, 0, 0)


async def test_many_leases_cost_no_more_looks_than_their_time_has_room_for(
    broker: Broker, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish(broker, *texts(1000))
    for number in range(1000):
        await receive(broker, "orders", 1, lease_seconds=10 + number / 1e5)
    ticks = 0
    tick = broker.tick

    async def count(*arguments: float | None) -> None:
        nonlocal ticks
        ticks += 1
        await tick(*arguments)

    monkeypatch.setattr(broker, "tick", count)
    assert len(clock.timers()) == 1

    await clock.advance(11)

    assert 2 <= ticks <= 2 + 0.01 / LOOKS_APART_SECONDS
    assert len(clock.timers()) == 1


async def test_what_was_settled_before_its_lease_ends_sets_no_timer_anew(
    broker: Broker, clock: ManualClock, consume: Consume, storage: MemoryStorage
) -> None:
    await publish(broker, *texts(100))
    for _ in range(100):
        [(receipt, _)] = await receive(broker, "orders", 1, lease_seconds=30)
        assert broker.receipts.acknowledge("orders", receipt)

    assert len(clock.timers()) == 1
    await clock.advance(31)

    assert places(storage) == (0, 0, 0)
    assert broker.expiry.next_look == float("inf")
