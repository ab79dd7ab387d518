"""Two engines on one store."""

import asyncio

import pytest

from miniqueue_py.broker.delivery import ACK, TO_FRONT
from miniqueue_py.testing.check_shared import CHECKS, Check
from miniqueue_py.testing.storing import ANY_NUMBER, NOW, bodies, places, publish, take
from tests.storage.engines import new_database, open_shared

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_two_engines_keep_promise(check: Check) -> None:
    url = await new_database()
    one, other = await open_shared(url), await open_shared(url)
    try:
        await check(one, other)
    finally:
        await one.aclose()
        await other.aclose()


async def test_what_a_reaped_broker_held_goes_to_others_and_it_settles_nothing() -> None:
    url = await new_database()
    lost = asyncio.Event()
    gone, there = await open_shared(url, lease_seconds=1.0), await open_shared(url)
    gone.watch(lambda _: None, on_lost=lost.set)
    await publish(gone, "orders", *[b"%d" % number for number in range(5)])
    held = await take(gone, "orders", 3)
    gone.settle(held[1:2], ACK)
    await gone.settled()

    assert gone._presence._task is not None
    gone._presence._task.cancel()  # as one that is stopped
    async with asyncio.timeout(10):
        while (await places(there, "orders"))[1]:
            await there.release_due(NOW, ANY_NUMBER)
            await asyncio.sleep(0.05)
    assert bodies(await take(there, "orders", 2)) == [b"0", b"2"]
    gone.settle(held[:1], ACK)
    gone.settle(held[2:], TO_FRONT)
    async with asyncio.timeout(10):
        await lost.wait()

    assert await places(there, "orders") == (2, 2, 0)
    assert gone.settle(held, ACK) == held
    await gone.aclose()
    await there.aclose()
