"""When an fsync begins: for what was written, and for nothing else."""

import asyncio
from pathlib import Path

import pytest

from miniqueue_py.broker.delivery import ACK
from miniqueue_py.errors import StorageUnavailable
from miniqueue_py.testing.storing import lease, publish
from tests.storage.faulty import faulty

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("library")]


async def test_flush_with_nothing_written_syncs_nothing(tmp_path: Path) -> None:
    storage, _, sync = faulty(tmp_path, fsync_interval_seconds=0)
    await publish(storage, "a", b"1")
    before = sync.count

    for _ in range(5):
        storage._committer.flush()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    await publish(storage, "a", b"2")
    assert sync.count == before + 1
    await storage.aclose()


async def test_wait_for_what_is_durable_already_syncs_nothing(tmp_path: Path) -> None:
    storage, _, sync = faulty(tmp_path)
    await publish(storage, "a", b"1")
    before = sync.count

    await storage.settled()

    assert sync.count == before
    await storage.aclose()


async def test_settlement_that_somebody_waits_for_is_synced_once(tmp_path: Path) -> None:
    storage, _, sync = faulty(tmp_path)
    await publish(storage, "a", b"1")
    storage.settle(lease(storage, "a", 1), ACK)
    before = sync.count

    await storage.settled()
    await storage.settled()

    assert sync.count == before + 1
    await storage.aclose()


@pytest.mark.parametrize("error", [None, OSError(5, "Input/output error")])
async def test_who_comes_during_an_fsync_and_wrote_nothing_is_served_by_it(
    tmp_path: Path, error: OSError | None
) -> None:
    storage, _, sync = faulty(tmp_path)
    with sync.held_back():
        publishing = asyncio.create_task(publish(storage, "a", b"1"))
        await sync.wait_begun(1)
        waiting = storage.settled()
        for _ in range(3):
            await asyncio.sleep(0)
        assert not waiting.done()
        sync.error = error

    await asyncio.wait_for(asyncio.wait([publishing]), 10)
    await asyncio.wait_for(asyncio.wait([waiting]), 10)
    if error is None:
        waiting.result()
        assert sync.count == 1
    else:
        with pytest.raises(StorageUnavailable, match="Input/output error"):
            waiting.result()
        assert isinstance(publishing.exception(), StorageUnavailable)
    await storage.aclose()
