"""When a settlement that somebody waits for is durable: as `-fsync` says of a publish."""

import asyncio
from pathlib import Path

import pytest

from miniqueue_py.broker.delivery import ACK
from miniqueue_py.errors import StorageUnavailable
from miniqueue_py.storage import Fsync
from miniqueue_py.storage.ordered.opening import open_ordered
from miniqueue_py.testing.storing import bodies, lease, publish
from tests.storage.faulty import INTERVAL_SECONDS, faulty, reopen

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("library")]

BROKEN = OSError(5, "Input/output error")


async def test_settled_waits_for_an_fsync_that_began_after(tmp_path: Path) -> None:
    storage, _, sync = faulty(tmp_path)
    await publish(storage, "a", b"1", b"2")
    [first, second] = lease(storage, "a", 2)
    with sync.held_back():
        storage.settle([first], ACK)
        one = storage.settled()
        await sync.wait_begun(2)
        storage.settle([second], ACK)
        two = storage.settled()
        await asyncio.sleep(0)
        assert not one.done()

    begun_at_the_end: list[int] = []
    two.add_done_callback(lambda _: begun_at_the_end.append(sync.count))
    await asyncio.wait_for(one, 10)
    await asyncio.wait_for(two, 10)
    await asyncio.sleep(0)
    assert begun_at_the_end == [3], "the second fsync began before"
    await storage.aclose()


@pytest.mark.parametrize("fsync", ["interval", "never"])
async def test_settled_waits_for_the_write_where_fsync_is_later(
    tmp_path: Path, fsync: Fsync
) -> None:
    storage = open_ordered(tmp_path, fsync=fsync, fsync_interval_seconds=INTERVAL_SECONDS)
    await publish(storage, "a", b"1", b"2")
    storage.settle(lease(storage, "a", 1), ACK)

    await storage.settled()

    storage._committer.fail(OSError("killed"))
    await storage.aclose()
    storage = reopen(tmp_path)
    assert bodies(lease(storage, "a", 9)) == [b"2"]
    await storage.aclose()


async def test_settled_tells_that_the_fsync_failed(tmp_path: Path) -> None:
    storage, _, sync = faulty(tmp_path)
    await publish(storage, "a", b"1")
    storage.settle(lease(storage, "a", 1), ACK)
    sync.error = BROKEN

    with pytest.raises(StorageUnavailable, match="Input/output error"):
        await storage.settled()
    with pytest.raises(StorageUnavailable, match="Input/output error"):
        await storage.settled()
    await storage.aclose()
