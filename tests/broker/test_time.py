"""Ticks: how time makes its moves, and goes on whatever happens."""

import asyncio
from itertools import pairwise

import pytest

from miniqueue_py.broker.broker import SLICE, Broker
from miniqueue_py.broker.storage import Moved
from miniqueue_py.broker.timekeeper import Timekeeper
from miniqueue_py.errors import StorageCorrupt
from miniqueue_py.storage.memory import MemoryStorage
from miniqueue_py.testing.clock import ManualClock
from tests.broker.scenes import Consume, bodies, places, publish, raise_it, texts

pytestmark = pytest.mark.anyio


async def test_time_goes_on_after_a_tick_that_failed(clock: ManualClock) -> None:
    class Stumbling(MemoryStorage):
        ticks = 0

        async def release_due(self, now: float, limit: int) -> Moved:
            self.ticks += 1
            if self.ticks == 1:
                raise StorageCorrupt("a record")
            return await super().release_due(now, limit)

    errors: list[Exception] = []
    storage = Stumbling()
    ticking = asyncio.create_task(Timekeeper(Broker(storage, clock), 1.0, errors.append).run())

    await clock.advance(0)
    await clock.advance(2.5)

    assert storage.ticks == 3
    assert [type(error) for error in errors] == [StorageCorrupt]
    ticking.cancel()


async def test_what_came_due_while_nobody_looked_is_done_at_the_first_tick(
    broker: Broker, consume: Consume, clock: ManualClock
) -> None:
    await publish(broker, b"one", delay_seconds=1)
    await clock.advance(1000)
    subscriber = consume()
    ticking = asyncio.create_task(Timekeeper(broker, 1.0, raise_it).run())

    await clock.advance(0)

    assert bodies(subscriber) == [b"one"]
    ticking.cancel()


async def test_many_that_are_due_at_once_come_in_slices_with_turns_for_others_in_between(
    broker: Broker, clock: ManualClock, storage: MemoryStorage
) -> None:
    await publish(broker, *[b"x"] * 3 * SLICE, delay_seconds=1)
    await clock.advance(1)
    ready: list[int] = []

    ticking = asyncio.create_task(broker.tick())
    while not ticking.done():
        await asyncio.sleep(0)
        ready.append(places(storage)[0])

    steps = [after - before for before, after in pairwise(ready)]
    assert max(steps) == SLICE
    assert places(storage) == (3 * SLICE, 0, 0)


async def test_slices_do_not_change_the_order(
    broker: Broker, consume: Consume, clock: ManualClock
) -> None:
    await publish(broker, b"last")
    for first in range(0, 3 * SLICE, 500):
        await publish(broker, *texts(500, first=first), delay_seconds=5 - first // SLICE)
    await clock.advance(5)

    await broker.tick()

    due = [*texts(SLICE, first=2 * SLICE), *texts(SLICE, first=SLICE), *texts(SLICE, first=0)]
    subscriber = consume(10 * SLICE)
    assert bodies(subscriber) + bodies(subscriber) == [*due, b"last"]


async def test_leases_that_were_begun_anew_are_passed_over_in_slices_too(
    broker: Broker, consume: Consume, clock: ManualClock
) -> None:
    await publish(broker, *[b"x"] * 3 * SLICE)
    streams = [consume(lease=10) for _ in range(3 * SLICE)]
    await clock.advance(9)
    for stream in streams:
        stream.take()
        stream.touch(clock.monotonic(), "TOUCH")
    await clock.advance(1)
    turns = 0

    ticking = asyncio.create_task(broker.tick())
    while not ticking.done():
        await asyncio.sleep(0)
        turns += 1

    assert turns > 3
    assert not any(stream.take_expired() for stream in streams)
    await clock.advance(9)
    await broker.tick()
    assert all(stream.take_expired() for stream in streams)
