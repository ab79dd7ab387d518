"""How long writes took: each batch and each fsync is counted once, and those that fail are not."""

import asyncio
from pathlib import Path
from time import perf_counter

import pytest

from miniqueue_py.broker.delivery import ACK
from miniqueue_py.broker.write_times import BOUNDS_SECONDS, Times
from miniqueue_py.errors import StorageUnavailable
from miniqueue_py.testing.storing import lease, publish
from tests.storage.faulty import faulty

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("library")]


@pytest.mark.parametrize("index", range(len(BOUNDS_SECONDS)))
def test_bound_belongs_to_what_it_bounds(index: int) -> None:
    times = Times()
    times.note(BOUNDS_SECONDS[index])
    times.note(BOUNDS_SECONDS[index] * 1.001)

    assert times.counts[index : index + 2] == [1, 1]
    assert sum(times.counts) == 2
    assert times.sum_seconds == pytest.approx(2.001 * BOUNDS_SECONDS[index])


def test_bounds_rise() -> None:
    assert sorted(set(BOUNDS_SECONDS)) == list(BOUNDS_SECONDS)


async def test_each_batch_and_each_fsync_is_counted(tmp_path: Path) -> None:
    storage, _, sync = faulty(tmp_path)
    commit, fsync = storage.write_times()
    for number in range(1, 6):
        await publish(storage, "a", b"1", b"2")
        assert (sum(commit.counts), sum(fsync.counts)) == (number, sync.count)
    storage.settle(lease(storage, "a", 1), ACK)
    await storage.aclose()

    assert (sum(commit.counts), sum(fsync.counts)) == (6, 6)
    assert commit.sum_seconds > 0
    assert fsync.sum_seconds > 0


async def test_what_fails_is_not_counted(tmp_path: Path) -> None:
    storage, database, sync = faulty(tmp_path)
    commit, fsync = storage.write_times()
    sync.error = OSError(5, "Input/output error")
    with pytest.raises(StorageUnavailable):
        await publish(storage, "a", b"1")
    assert (sum(commit.counts), sum(fsync.counts)) == (1, 0)
    await storage.aclose()

    storage, database, sync = faulty(tmp_path)
    commit, fsync = storage.write_times()
    database.error = "IO error: bad"
    with pytest.raises(StorageUnavailable):
        await publish(storage, "a", b"1")
    assert (sum(commit.counts), sum(fsync.counts)) == (0, 0)
    await storage.aclose()


@pytest.mark.parametrize("error", [None, OSError(5, "Input/output error")])
async def test_an_fsync_is_under_way_until_it_returns(
    tmp_path: Path, error: OSError | None
) -> None:
    storage, _, sync = faulty(tmp_path)
    sync.error = error
    fsync = storage.write_times().fsync
    assert fsync.under_way_seconds == 0
    earliest = perf_counter()
    with sync.held_back():
        publishing = asyncio.create_task(publish(storage, "a", b"1"))
        await sync.wait_begun(1)
        assert 0 < fsync.under_way_seconds <= perf_counter() - earliest
    await asyncio.wait([publishing])
    assert (publishing.exception() is not None) == (error is not None)

    assert fsync.under_way_seconds == 0
    await storage.aclose()
