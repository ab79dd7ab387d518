"""What LevelDB adds to the promises of every engine: it is still there afterwards."""

import asyncio
from pathlib import Path

import pytest

from miniqueue_py.broker.delivery import ACK, TO_BACK, Delay
from miniqueue_py.broker.message import Publication
from miniqueue_py.broker.storage import Moved
from miniqueue_py.errors import DiskFull, StorageUnavailable
from miniqueue_py.storage.keyvalue.sizes import WRITE_BUFFER_BYTES
from miniqueue_py.storage.ordered import kept_keys
from miniqueue_py.storage.ordered.layout import keys
from miniqueue_py.storage.ordered.opening import open_ordered
from miniqueue_py.storage.ordered.window import MAX_ENTRIES
from miniqueue_py.testing.storing import ANY_NUMBER, NOW, bodies, counts, lease, publish, publish_as
from tests.storage.faulty import faulty, reopen
from tests.storage.raw import open_database

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("library")]


async def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    storage = reopen(tmp_path)
    await publish(storage, "a", *(b"%d" % number for number in range(6)))
    await publish(storage, "b", b"x")
    acked, backed, delayed, _held = lease(storage, "a", 4)
    storage.settle([acked], ACK)
    storage.settle([backed], TO_BACK)
    storage.settle([delayed], Delay(50.0))
    await storage.aclose()

    storage = reopen(tmp_path)

    assert counts(storage, "a") == (4, 0, 1)
    assert storage.totals()[:2] == (6, 6)
    assert bodies(lease(storage, "a", 10)) == [b"3", b"4", b"5", b"1"]
    assert (await storage.release_due(50.0, ANY_NUMBER)).restored == 1
    [again] = lease(storage, "a", 10)
    assert (again.message.body, again.message.extras.dack_count) == (b"2", 1)
    assert bodies(lease(storage, "b", 10)) == [b"x"]
    await storage.aclose()


async def test_backlog_larger_than_the_window_keeps_its_order(tmp_path: Path) -> None:
    count = 3 * MAX_ENTRIES + 7
    storage = reopen(tmp_path)
    await publish(storage, "a", *(b"%d" % number for number in range(count)))
    await storage.aclose()
    storage = reopen(tmp_path)

    taken: list[bytes] = []
    while deliveries := lease(storage, "a", 500):
        taken += bodies(deliveries)
        storage.settle(deliveries, ACK)
        await asyncio.sleep(0)

    assert taken == [b"%d" % number for number in range(count)]
    await storage.aclose()


async def test_message_is_not_shown_before_it_is_durable(tmp_path: Path) -> None:
    storage, _, sync = faulty(tmp_path)
    with sync.held_back():
        publishing = asyncio.create_task(publish(storage, "a", b"1"))
        await sync.wait_begun(1)

        assert not lease(storage, "a", 1)
        assert storage.statistics("a").ready == 0
        assert not publishing.done()
    await publishing

    assert bodies(lease(storage, "a", 1)) == [b"1"]
    await storage.aclose()


async def test_one_fsync_serves_all_who_wait(tmp_path: Path) -> None:
    storage, _, sync = faulty(tmp_path)
    with sync.held_back():
        first = asyncio.create_task(publish(storage, "a", b"0"))
        await sync.wait_begun(1)
        others = [asyncio.create_task(publish(storage, "a", b"%d" % n)) for n in range(1, 50)]
        await asyncio.sleep(0)
    await asyncio.gather(first, *others)

    assert sync.count == 2
    await storage.aclose()


async def test_settlement_written_during_an_fsync_is_synced_by_another(tmp_path: Path) -> None:
    storage, _, sync = faulty(tmp_path, fsync_interval_seconds=0.001)
    await publish(storage, "a", b"1")
    [delivery] = lease(storage, "a", 1)
    before = sync.count
    with sync.held_back():
        publishing = asyncio.create_task(publish(storage, "a", b"2"))
        await sync.wait_begun(before + 1)
        storage.settle([delivery], ACK)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
    await publishing

    await sync.wait_begun(before + 2)
    await storage.aclose()


async def test_publisher_that_is_cancelled_does_not_keep_its_message_from_the_line(
    tmp_path: Path,
) -> None:
    storage, _, sync = faulty(tmp_path)
    ready: list[str] = []
    storage.watch(ready.append)
    with sync.held_back():
        publishing = asyncio.create_task(publish(storage, "a", b"1"))
        await sync.wait_begun(1)
        publishing.cancel()
    await publish(storage, "b", b"2")

    assert ready == ["a", "b"]
    assert bodies(lease(storage, "a", 1)) == [b"1"]
    await storage.aclose()


async def test_failed_fsync_refuses_all_who_waited_and_all_after(tmp_path: Path) -> None:
    storage, _, sync = faulty(tmp_path)
    await publish(storage, "a", b"confirmed")
    sync.error = OSError(5, "Input/output error")

    with pytest.raises(StorageUnavailable, match="Input/output error"):
        await publish(storage, "a", b"unconfirmed")
    sync.error = None
    with pytest.raises(StorageUnavailable):
        await publish(storage, "a", b"later")

    assert storage.failure is not None
    assert bodies(lease(storage, "a", 10)) == [b"confirmed"]
    await storage.aclose()


@pytest.mark.parametrize(
    ("text", "kind"),
    [("IO error: No space left on device", DiskFull), ("IO error: bad", StorageUnavailable)],
)
async def test_failed_write_refuses_publishing_and_consuming_goes_on(
    tmp_path: Path, text: str, kind: type[StorageUnavailable]
) -> None:
    storage, database, _ = faulty(tmp_path)
    await publish(storage, "a", *(b"%d" % number for number in range(2 * MAX_ENTRIES)))
    database.error = text

    with pytest.raises(kind):
        await publish(storage, "a", b"refused")
    taken: list[bytes] = []
    while deliveries := lease(storage, "a", 100):
        taken += bodies(deliveries)
        storage.settle(deliveries[1:], ACK)
        if b"0" in bodies(deliveries[:1]) and taken.count(b"0") == 1:
            storage.settle(deliveries[:1], TO_BACK)
        else:
            storage.settle(deliveries[:1], ACK)
        await asyncio.sleep(0)

    assert sorted(taken) == sorted([b"%d" % n for n in range(2 * MAX_ENTRIES)] + [b"0"])
    assert counts(storage, "a") == (0, 0, 0)
    await storage.aclose()
    storage = reopen(tmp_path)
    assert storage.statistics("a").ready == 2 * MAX_ENTRIES, "nothing confirmed is lost"
    await storage.aclose()


async def test_almost_full_disk_refuses_until_there_is_room(tmp_path: Path) -> None:
    room = False
    storage, _, _ = faulty(tmp_path, has_room=lambda _size: room)

    with pytest.raises(DiskFull):
        await publish(storage, "a", b"1")
    assert isinstance(storage.failure, DiskFull)
    room = True
    assert storage.failure is None
    await publish(storage, "a", b"2")

    assert bodies(lease(storage, "a", 10)) == [b"2"]
    await storage.aclose()


async def test_purge_that_was_interrupted_goes_on_after_the_next_start(tmp_path: Path) -> None:
    storage = reopen(tmp_path)
    await publish(storage, "a", *(b"%d" % number for number in range(5000)))
    [delayed] = lease(storage, "a", 1)
    storage.settle([delayed], Delay(1e9))
    await storage.purge("a")
    await storage.aclose()

    storage = reopen(tmp_path)
    storage.watch(lambda _topic: None)
    await publish(storage, "a", b"new")
    assert bodies(lease(storage, "a", 10)) == [b"new"]
    await storage._janitor.wait_idle()
    await storage.aclose()

    database = open_database(tmp_path)
    left = [key for key, _ in database if key[:1] in (b"\x02", b"\x03", b"\x04")]
    database.close()
    assert len(left) == 1


async def test_lease_of_none_hands_out_none(tmp_path: Path) -> None:
    storage = reopen(tmp_path)
    await publish(storage, "a", b"1")
    assert bodies(lease(storage, "a", 2)) == [b"1"]
    await publish(storage, "a", b"2")

    assert not lease(storage, "a", 0)
    assert bodies(lease(storage, "a", 1)) == [b"2"]
    await storage.aclose()


async def test_space_of_ten_rounds_of_fill_and_drain_is_given_back(tmp_path: Path) -> None:
    storage = open_ordered(tmp_path, fsync="never", fsync_interval_seconds=0.05)
    for _ in range(10):
        for _ in range(10):
            await publish(storage, "a", *[b"x" * 1000] * 400)
        while deliveries := lease(storage, "a", 100):
            storage.settle(deliveries, ACK)
            await asyncio.sleep(0)
    await asyncio.wait_for(storage._janitor.wait_idle(), 60)
    await storage.aclose()

    used = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert used < 2 * WRITE_BUFFER_BYTES, "40 MB went through; two write buffers may be left"


async def test_tick_with_nothing_due_reads_nothing(tmp_path: Path) -> None:
    storage, database, _ = faulty(tmp_path)
    await publish_as(storage, "a", Publication([b"x"] * 100, 0, 50.0, 60.0))
    await storage.append("a", [Publication([b"x"], key="k")], NOW, 100.0)
    await storage.release_due(NOW + 1, ANY_NUMBER)
    before = database.reads

    for tick in range(2, 50):
        assert await storage.release_due(NOW + tick, ANY_NUMBER) == Moved()

    assert database.reads == before
    await storage.aclose()


async def test_keys_of_a_topic_are_bounded_and_the_last_are_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_keys, "MAX_KEYS", 100)
    monkeypatch.setattr(kept_keys, "SLACK", 10)
    storage = reopen(tmp_path)
    every = [Publication([b"x"], key=f"{number}") for number in range(500)]
    for number in range(0, 500, 50):
        await storage.append("a", every[number : number + 50], NOW, 1e6)

    last = await storage.append("a", every[-100:], NOW, 1e6)
    assert all(stored.is_duplicate for stored in last)
    await storage.aclose()

    database = open_database(tmp_path)
    kept = [key for key, _ in database if keys.KEPT_KEYS <= key < keys.POLICIES]
    database.close()
    assert len(kept) <= 2 * 110
