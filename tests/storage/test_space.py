"""Disk use follows what lives: what is consumed gives its space back."""

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from miniqueue_py.broker.delivery import ACK, Delay
from miniqueue_py.broker.message import Publication
from miniqueue_py.storage.keyvalue.sizes import WRITE_BUFFER_BYTES
from miniqueue_py.storage.ordered.engine import OrderedStorage
from miniqueue_py.storage.ordered.layout import keys
from miniqueue_py.storage.ordered.opening import open_ordered
from miniqueue_py.testing.storing import ANY_NUMBER, NOW, lease, publish, publish_as
from tests.storage.raw import open_database

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("library")]

BATCH = 1000
BODY_BYTES = 200
RECORD_BYTES = BODY_BYTES + 20
"""With its key."""

TWO_BUFFERS = 2 * WRITE_BUFFER_BYTES
"""A write buffer, and the one before it that is being made a table."""


LOOKS = 100
"""At the disk, a twentieth of a second apart, until it is small."""


@pytest.fixture
async def storage(tmp_path: Path) -> AsyncIterator[OrderedStorage]:
    storage = open_ordered(tmp_path, fsync="never", fsync_interval_seconds=1)
    storage.watch(lambda _topic: None)
    yield storage
    await storage.aclose()


async def test_disk_use_stays_within_twice_the_live_data_over_ten_fills_and_drains(
    storage: OrderedStorage, tmp_path: Path
) -> None:
    messages = 50_000
    for _ in range(10):
        await fill(storage, messages)
        await expect_small(storage, tmp_path, live=messages)

        while deliveries := lease(storage, "t", BATCH):
            storage.settle(deliveries, ACK)
            await turn(storage)

        await expect_small(storage, tmp_path, live=0)


async def test_what_is_consumed_during_a_compaction_gives_its_space_back_too(
    storage: OrderedStorage, tmp_path: Path
) -> None:
    messages = 100_000
    await fill(storage, messages)

    # All in one turn of the loop: it cannot hear of the compaction's end before.
    storage.settle(lease(storage, "t", messages), ACK)

    await expect_small(storage, tmp_path, live=0)


async def test_disk_use_stays_within_twice_the_live_data_over_20000_delays(
    storage: OrderedStorage, tmp_path: Path
) -> None:
    messages = 2000
    await fill(storage, messages)

    for due in range(1, 11):
        for _ in range(messages // BATCH):
            storage.settle(lease(storage, "t", BATCH), Delay(until=float(due)))
            await turn(storage)
        assert (await storage.release_due(float(due), ANY_NUMBER)).restored == messages
        await turn(storage)

    await expect_small(storage, tmp_path, live=messages)


async def test_delays_expiries_and_keys_leave_nothing_behind_when_they_are_over(
    storage: OrderedStorage, tmp_path: Path
) -> None:
    await fill_specially(storage)
    while (await storage.release_due(NOW + 10, BATCH)).has_more:
        await turn(storage)
    while deliveries := lease(storage, "t", BATCH):
        storage.settle(deliveries, ACK)
        await turn(storage)

    await expect_small(storage, tmp_path, live=0)
    await storage.aclose()
    assert keys_left(tmp_path) == [keys.VERSION_KEY, keys.topic_key(1)]


async def test_delays_expiries_and_keys_leave_nothing_behind_when_they_are_purged(
    storage: OrderedStorage, tmp_path: Path
) -> None:
    await fill_specially(storage)
    await storage.purge("t")

    await expect_small(storage, tmp_path, live=0)
    await storage.aclose()
    assert keys_left(tmp_path) == [keys.LAST_TOPIC_KEY, keys.VERSION_KEY]


async def test_keys_give_their_space_back_when_they_are_forgotten(
    storage: OrderedStorage, tmp_path: Path
) -> None:
    for number in range(150):
        keyed = [Publication([b""], key=f"{number}/{other}") for other in range(BATCH)]
        await storage.append("t", keyed, NOW, 1.0)
        storage.settle(lease(storage, "t", BATCH), ACK)
    while (await storage.release_due(NOW + 1, BATCH)).has_more:
        await turn(storage)

    await expect_small(storage, tmp_path, live=0)


async def fill_specially(storage: OrderedStorage) -> None:
    """Publish messages that wait, that expire, that wait and expire, and that have keys."""
    for _ in range(20):
        bodies = [os.urandom(BODY_BYTES) for _ in range(BATCH)]
        for delay, ttl in ((5.0, None), (0.0, 5.0), (5.0, 6.0), (6.0, 5.0)):
            await publish_as(storage, "t", Publication(bodies, 7, delay, ttl))
        keyed = [Publication([body], key=body.hex()) for body in bodies]
        await storage.append("t", keyed, NOW, 5.0)


def keys_left(path: Path) -> list[bytes]:
    database = open_database(path)
    left = [key for key, _ in database]
    database.close()
    return left


async def fill(storage: OrderedStorage, messages: int) -> None:
    for _ in range(messages // BATCH):
        # Random: what LevelDB can compress takes no room.
        await publish(storage, "t", *[os.urandom(BODY_BYTES) for _ in range(BATCH)])


async def turn(storage: OrderedStorage) -> None:
    """Let the batch of this turn be written."""
    await storage._committer.durable(None)


async def expect_small(storage: OrderedStorage, path: Path, *, live: int) -> None:
    """Once the janitor rests; LevelDB's own thread may still be about to remove a file."""
    allowed = 2 * live * RECORD_BYTES + TWO_BUFFERS
    for _ in range(LOOKS):
        await storage._janitor.wait_idle()
        if disk_use(path) <= allowed:
            return
        await asyncio.sleep(0.05)
    files = {at.name: at.stat().st_size for at in path.iterdir()}
    pytest.fail(f"{sum(files.values())} bytes for {live} messages: {files}")


def disk_use(path: Path) -> int:
    used = 0
    for at in path.iterdir():
        with contextlib.suppress(FileNotFoundError):
            used += at.stat().st_size
    return used
