"""Being called later."""

import asyncio

import pytest

from miniqueue_py.broker.clock import Clock, SystemClock
from miniqueue_py.testing.clock import ManualClock

pytestmark = pytest.mark.anyio


async def pass_time(clock: Clock, seconds: float) -> None:
    if isinstance(clock, ManualClock):
        await clock.advance(seconds)
    else:
        await clock.sleep(seconds)


@pytest.mark.parametrize("clock", [SystemClock(), ManualClock()], ids=["system", "manual"])
async def test_who_is_to_be_called_later_is_called_unless_he_is_not(clock: Clock) -> None:
    called: list[float] = []
    begun = clock.now()
    clock.call_later(0.02, lambda: called.append(clock.now()))
    dropped = clock.call_later(0.02, lambda: called.append(-1))
    at_once = clock.call_later(0, lambda: called.append(clock.now()))
    assert not called, "not before it returns"
    at_once.cancel()
    at_once.cancel()
    dropped.cancel()

    await pass_time(clock, 0.05)

    [at] = called
    assert begun + 0.01 < at


async def test_sleepers_of_the_manual_clock_wake_each_at_its_own_instant() -> None:
    clock = ManualClock(100.0)
    woken: list[float] = []

    async def sleep(seconds: float) -> None:
        await clock.sleep(seconds)
        woken.append(clock.now())

    sleepers = [asyncio.ensure_future(sleep(seconds)) for seconds in (3, 1, 2)]
    await asyncio.sleep(0)
    await clock.advance(2.5)

    assert woken == [101.0, 102.0]
    sleepers[0].cancel()
