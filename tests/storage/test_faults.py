"""What a disk, a crash and a damaged file do to the engine, and what it does then."""

import asyncio
import os
from pathlib import Path

import pytest

from miniqueue_py.broker.delivery import ACK, TO_BACK, Delay
from miniqueue_py.errors import DatabaseRefused, StorageUnavailable
from miniqueue_py.storage.ordered.engine import OrderedStorage
from miniqueue_py.storage.ordered.layout import keys
from miniqueue_py.storage.ordered.opening import open_ordered
from miniqueue_py.testing.storing import bodies, lease, publish
from tests.storage.faulty import faulty, reopen
from tests.storage.raw import open_database, raw

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("library")]


def damage(path: Path) -> None:
    """Change bytes in the middle of a file."""
    data = bytearray(path.read_bytes())
    middle = len(data) // 2
    data[middle : middle + 50] = b"\xaa" * 50
    path.write_bytes(data)


async def test_publishers_who_came_during_an_fsync_get_one_of_their_own(tmp_path: Path) -> None:
    storage, _, sync = faulty(tmp_path)
    with sync.held_back():
        first = asyncio.create_task(publish(storage, "a", b"1"))
        await sync.wait_begun(1)
        second = asyncio.create_task(publish(storage, "a", b"2"))
        await asyncio.sleep(0)

    async with asyncio.timeout(10):
        await asyncio.gather(first, second)
    assert sync.count == 2
    await storage.aclose()


async def test_publishers_of_a_failed_fsync_are_told_though_a_write_failed_first(
    tmp_path: Path,
) -> None:
    storage, database, sync = faulty(tmp_path)
    with sync.held_back():
        first = asyncio.create_task(publish(storage, "a", b"1"))
        await sync.wait_begun(1)
        database.error = "IO error: bad"
        with pytest.raises(StorageUnavailable):
            await publish(storage, "a", b"2")
        sync.error = OSError(5, "Input/output error")

    with pytest.raises(StorageUnavailable, match="Input/output error"):
        await asyncio.wait_for(first, 10)
    await storage.aclose()


async def test_clean_stop_syncs_what_nobody_waited_for(tmp_path: Path) -> None:
    storage, _, sync = faulty(tmp_path)
    await publish(storage, "a", b"1")
    storage.settle(lease(storage, "a", 1), ACK)
    before = sync.count

    await storage.aclose()

    assert sync.count == before + 1


async def test_fsync_that_fails_at_the_end_is_told_and_the_database_closed(tmp_path: Path) -> None:
    storage, _, sync = faulty(tmp_path)
    await publish(storage, "a", b"1")
    storage.settle(lease(storage, "a", 1), ACK)
    sync.error = OSError(5, "Input/output error")

    with pytest.raises(StorageUnavailable, match="Input/output error"):
        await storage.aclose()

    await reopen(tmp_path).aclose()


async def test_sweep_that_cannot_write_refuses_publishing(tmp_path: Path) -> None:
    # Else what is confirmed behind a torn record is gone after a crash.
    storage, database, _ = faulty(tmp_path)
    await publish(storage, "a", *[b"x"] * 3000)
    await publish(storage, "b", b"kept")
    await storage.purge("a")
    database.error = "IO error: bad"

    await storage._janitor.wait_idle()

    with pytest.raises(StorageUnavailable):
        await publish(storage, "b", b"refused")
    await storage.aclose()
    storage = reopen(tmp_path)
    assert bodies(lease(storage, "b", 10)) == [b"kept"]
    await storage.aclose()


async def test_topic_is_swept_though_whoever_deleted_it_left(tmp_path: Path) -> None:
    storage, _, sync = faulty(tmp_path)
    await publish(storage, "a", *[b"x"] * 3000)
    with sync.held_back():
        deleting = asyncio.create_task(storage.purge("a"))
        await sync.wait_begun(2)
        deleting.cancel()
    await storage._janitor.wait_idle()
    await storage.aclose()

    database = open_database(tmp_path)
    assert [key for key, _ in database if key >= keys.TOPICS] == []
    database.close()


async def test_space_of_purged_delays_is_given_back(tmp_path: Path) -> None:
    storage = open_ordered(tmp_path, fsync="never", fsync_interval_seconds=0.05)
    storage.watch(lambda _topic: None)
    for _ in range(100):
        await publish(storage, "a", *[b"x" * 1000] * 200)
        storage.settle(lease(storage, "a", 200), Delay(1e9))
    await storage.purge("a")
    await storage._janitor.wait_idle()
    await storage.aclose()

    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 5 << 20, "of 20 MB"


async def test_new_topic_never_gets_the_id_of_one_that_is_being_swept(tmp_path: Path) -> None:
    storage = reopen(tmp_path)
    await publish(storage, "a", b"old")
    storage._janitor._is_closed = True  # killed before the sweep came to anything
    await storage.purge("a")
    await storage.aclose()

    storage = reopen(tmp_path)
    await publish(storage, "b", b"new")
    storage.watch(lambda _topic: None)
    await storage._janitor.wait_idle()

    assert bodies(lease(storage, "b", 10)) == [b"new"]
    await storage.aclose()


async def test_dead_range_of_an_earlier_process_is_compacted_at_the_start(tmp_path: Path) -> None:
    storage = open_ordered(tmp_path, fsync="never", fsync_interval_seconds=0.05)
    storage._janitor._is_closed = True  # killed before it compacted
    for _ in range(300):
        await publish(storage, "a", *[os.urandom(1000) for _ in range(100)])
    while deliveries := lease(storage, "a", 100):
        storage.settle(deliveries, ACK)
        await asyncio.sleep(0)
    await storage.aclose()
    before = sum(path.stat().st_size for path in tmp_path.iterdir())

    storage = reopen(tmp_path)
    storage.watch(lambda _topic: None)
    await storage._janitor.wait_idle()
    await storage.aclose()

    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < before // 4


async def test_log_that_is_damaged_in_its_middle_is_refused(tmp_path: Path) -> None:
    storage = reopen(tmp_path)
    for number in range(100):
        await publish(storage, "a", b"%d" % number * 100)
    await storage.aclose()
    [log] = tmp_path.glob("*.log")
    damage(log)

    with pytest.raises(DatabaseRefused, match="damaged and was left untouched"):
        reopen(tmp_path)


async def test_log_that_was_cut_off_is_read_up_to_there(tmp_path: Path) -> None:
    storage = reopen(tmp_path)
    for number in range(100):
        await publish(storage, "a", b"%d" % number)
    await storage.aclose()
    [log] = tmp_path.glob("*.log")
    log.write_bytes(log.read_bytes()[:-7])

    storage = reopen(tmp_path)
    assert bodies(lease(storage, "a", 200)) == [b"%d" % number for number in range(99)]
    await storage.aclose()


@pytest.mark.parametrize(
    ("key", "value"),
    [(keys.topic_key(1), b"nonsense"), (b"\x04odd", b"")],
    ids=["topic record", "note of a sweep"],
)
async def test_record_that_makes_no_sense_is_refused(
    tmp_path: Path, key: bytes, value: bytes
) -> None:
    await reopen(tmp_path).aclose()
    with raw(tmp_path) as database:
        database.put(key, value)

    with pytest.raises(DatabaseRefused, match="cannot be read"):
        reopen(tmp_path)


async def test_message_that_cannot_be_read_stops_publishing_and_no_other_message(
    tmp_path: Path,
) -> None:
    storage = reopen(tmp_path)
    await publish(storage, "a", b"1", b"2", b"3")
    await storage.aclose()
    with raw(tmp_path) as database:
        database.put(keys.message_key(1, keys.MIDDLE + 1), b"\x07\x00what is this")

    storage = reopen(tmp_path)

    assert bodies(lease(storage, "a", 10)) == [b"1", b"3"]
    assert storage.failure is not None
    with pytest.raises(StorageUnavailable, match="which is no format"):
        await publish(storage, "a", b"4")
    await storage.aclose()


async def test_disk_that_cannot_be_asked_for_room_refuses_and_says_so(tmp_path: Path) -> None:
    def gone(_size: int) -> bool:
        raise FileNotFoundError(2, "No such file or directory")

    storage = OrderedStorage(
        open_database(tmp_path), lambda: None, gone, fsync="never", fsync_interval_seconds=1.0
    )

    with pytest.raises(StorageUnavailable, match="No such file or directory"):
        await publish(storage, "a", b"1")
    assert isinstance(storage.failure, StorageUnavailable)
    await storage.aclose()


async def test_memory_does_not_grow_with_moves_that_cannot_be_written(tmp_path: Path) -> None:
    storage, database, _ = faulty(tmp_path)
    await publish(storage, "a", b"1")
    database.error = "IO error: bad"
    with pytest.raises(StorageUnavailable):
        await publish(storage, "a", b"2")

    for _ in range(1000):
        storage.settle(lease(storage, "a", 1), TO_BACK)

    assert len(storage._committer._changes) < 10
    await storage.aclose()


async def test_last_write_that_fails_is_told_at_the_end(tmp_path: Path) -> None:
    storage, database, _ = faulty(tmp_path)
    await publish(storage, "a", b"1")
    storage.settle(lease(storage, "a", 1), ACK)
    database.error = "IO error: bad"

    with pytest.raises(StorageUnavailable, match="IO error: bad"):
        await storage.aclose()
