"""The machine's clock is set while the broker runs: what that changes, and what it does not."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from miniqueue_py.broker.administration import Administration
from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.events import ClockStepped, Event, Observers
from miniqueue_py.broker.policy import TopicPolicy
from miniqueue_py.broker.storage import Storage
from miniqueue_py.broker.timekeeper import STEP_SECONDS, Timekeeper
from miniqueue_py.storage.memory import MemoryStorage
from miniqueue_py.storage.ordered.engine import OrderedStorage
from miniqueue_py.testing.clock import ManualClock
from tests.broker.scenes import (
    Consume,
    bodies,
    places,
    publish,
    raise_it,
    receive,
    some_turns,
    texts,
)
from tests.storage.faulty import always_room
from tests.storage.raw import open_database

pytestmark = pytest.mark.anyio

HOUR = 3600.0


@pytest.fixture(params=["memory", "leveldb"])
async def storage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Storage]:
    storage: Storage = MemoryStorage()
    if request.param == "leveldb":
        database = open_database(tmp_path)
        storage = OrderedStorage(
            database, lambda: None, always_room, fsync="never", fsync_interval_seconds=1
        )
    yield storage
    await some_turns()
    await storage.aclose()


@pytest.fixture
def told() -> list[Event]:
    return []


@pytest.fixture
async def broker(storage: Storage, clock: ManualClock, told: list[Event]) -> Broker:
    return Broker(storage, clock, observers=Observers(told.append))


@pytest.fixture
async def administration(broker: Broker, storage: Storage) -> Administration:
    return Administration(broker, storage, Observers())


@pytest.fixture(autouse=True)
async def ticking(broker: Broker, clock: ManualClock) -> AsyncIterator[None]:
    ticking = asyncio.create_task(Timekeeper(broker, 1.0, raise_it).run())
    await clock.advance(0)
    yield
    ticking.cancel()


@pytest.mark.parametrize("step", [HOUR, -HOUR])
async def test_leases_are_as_long_as_they_were_said_to_be(
    administration: Administration,
    broker: Broker,
    consume: Consume,
    clock: ManualClock,
    step: float,
) -> None:
    await administration.set_policy("orders", TopicPolicy(max_deliveries=1))
    await publish(broker, *texts(3))
    subscriber = consume(2, lease=60)
    subscriber.take()
    [(receipt, _)] = await receive(broker, "orders", 1, lease_seconds=60)

    clock.set(step)
    await clock.advance(2)
    clock.set(-step)
    await clock.advance(57.5)
    assert not subscriber.take_expired()
    assert broker.receipts.touch("orders", [receipt]) == []
    await clock.advance(1.5)

    assert subscriber.take_expired() == [1, 2]
    assert broker.receipts.touch("orders", [receipt]) == []


@pytest.mark.parametrize("step", [5.0, -5.0])
async def test_what_is_stored_ends_sooner_or_later_by_the_step_and_nothing_is_lost(
    broker: Broker, consume: Consume, clock: ManualClock, step: float, storage: Storage
) -> None:
    await publish(broker, b"delayed", delay_seconds=30)
    await publish(broker, b"mortal", ttl_seconds=60, topic="mortals")
    await publish(broker, b"kept")
    subscriber = consume(9)
    assert bodies(subscriber) == [b"kept"]

    clock.set(step)
    await clock.advance(30 - step - 0.5)
    assert places(storage) == (0, 1, 1)
    await clock.advance(1.5)
    assert bodies(subscriber) == [b"delayed"]

    await clock.advance(60 - 30 - 1.5)
    assert places(storage, "mortals") == (1, 0, 0)
    await clock.advance(1.5)
    assert places(storage, "mortals") == (0, 0, 0)


async def test_step_that_is_taken_back_delays_nothing(
    broker: Broker, consume: Consume, clock: ManualClock
) -> None:
    subscriber = consume(9)
    clock.set(-HOUR)
    await publish(broker, b"delayed while the clock was wrong", delay_seconds=10)
    clock.set(HOUR)

    await clock.advance(10)

    assert bodies(subscriber) == [b"delayed while the clock was wrong"]


@pytest.mark.parametrize("step", [STEP_SECONDS, -HOUR])
async def test_step_is_told_once_at_the_tick(
    clock: ManualClock, told: list[Event], step: float
) -> None:
    await clock.advance(3)
    clock.set(step)
    await clock.advance(3)

    steps = [each.seconds for each in told if isinstance(each, ClockStepped)]
    assert steps == [pytest.approx(step)]


async def test_clock_that_is_corrected_bit_by_bit_is_no_step(
    clock: ManualClock, told: list[Event]
) -> None:
    for _ in range(20):
        clock.set(STEP_SECONDS / 2)
        await clock.advance(1)

    assert not told
