"""Leases, when the broker itself was away: its process was stopped, or a turn took long."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from miniqueue_py.broker.administration import Administration
from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.policy import TopicPolicy
from miniqueue_py.broker.timekeeper import ABSENT_SECONDS, HEARING_SECONDS, Timekeeper
from miniqueue_py.storage.memory import MemoryStorage
from miniqueue_py.testing.clock import ManualClock
from tests.broker.scenes import Consume, attempts, places, publish, raise_it, receive

pytestmark = pytest.mark.anyio

ONCE = TopicPolicy(max_deliveries=1)


@pytest.fixture(autouse=True)
async def ticking(broker: Broker, clock: ManualClock) -> AsyncIterator[None]:
    """Have time make its moves, once a second."""
    ticking = asyncio.create_task(Timekeeper(broker, 1.0, raise_it).run())
    await clock.advance(0)
    yield
    ticking.cancel()


async def test_lease_that_its_holder_renews_at_once_outlives_an_absence(
    broker: Broker, administration: Administration, consume: Consume, clock: ManualClock
) -> None:
    await administration.set_policy("orders", ONCE)
    await publish(broker, b"one", b"two")
    subscriber = consume(1, lease=2)
    subscriber.take()
    [(receipt, _)] = await receive(broker, "orders", 1, lease_seconds=2)

    await clock.leap(4)
    subscriber.touch(clock.monotonic(), "TOUCH")  # it was in the socket all the time
    assert broker.receipts.touch("orders", [receipt]) == []
    await clock.advance(HEARING_SECONDS + 1.5)

    assert not subscriber.take_expired()
    assert broker.receipts.touch("orders", [receipt]) == []


async def test_lease_that_ended_in_an_absence_is_over_and_counts_no_attempt(
    broker: Broker,
    administration: Administration,
    consume: Consume,
    clock: ManualClock,
    storage: MemoryStorage,
) -> None:
    await administration.set_policy("orders", ONCE)
    await publish(broker, b"one", b"two")
    subscriber = consume(1, lease=2)
    subscriber.take()
    await receive(broker, "orders", 1, lease_seconds=2)
    subscriber.set_credit(0)

    await clock.leap(4)
    await clock.advance(HEARING_SECONDS)

    assert subscriber.take_expired() == [1]
    assert places(storage) == (2, 0, 0)
    assert attempts(consume(2)) == {b"one": 1, b"two": 1}


async def test_tick_that_is_a_little_late_is_no_absence(
    broker: Broker, consume: Consume, clock: ManualClock
) -> None:
    await publish(broker, b"one")
    subscriber = consume(1, lease=1)
    subscriber.take()
    subscriber.set_credit(0)

    await clock.leap(1 + ABSENT_SECONDS)

    assert subscriber.take_expired() == [1]
    assert attempts(consume(1)) == {b"one": 2}


async def test_absence_is_over_when_the_broker_is_back(
    broker: Broker, consume: Consume, clock: ManualClock
) -> None:
    await publish(broker, b"one")
    await clock.leap(4)
    await clock.advance(HEARING_SECONDS)
    subscriber = consume(1, lease=1)
    subscriber.take()
    subscriber.set_credit(0)

    await clock.advance(1)

    assert subscriber.take_expired() == [1]
    assert attempts(consume(1)) == {b"one": 2}
