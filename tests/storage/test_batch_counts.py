"""Counts of batches on disk: written with their messages, replaced, bounded, and gone in time."""

from pathlib import Path

import pytest

from miniqueue_py.broker.message import BatchCount, Publication
from miniqueue_py.errors import StorageUnavailable
from miniqueue_py.storage.ordered import batch_counts
from miniqueue_py.storage.ordered.engine import OrderedStorage
from miniqueue_py.storage.ordered.layout import keys
from miniqueue_py.testing.storing import (
    ANY_NUMBER,
    NOW,
    bodies,
    counts,
    lease,
    publish,
    publish_in_batch,
)
from tests.storage.faulty import faulty, reopen

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("library")]

WINDOW = 300.0


def records(storage: OrderedStorage) -> tuple[int, int]:
    """Count what is on disk: counts, and their order."""
    counted, ordered, after = keys.BATCHES, keys.BATCH_ORDER, b"\x0b"
    storage._committer.flush()
    read = storage._database.read_strictly
    return len(list(read(counted, ordered))), len(list(read(ordered, after)))


async def expect(storage: OrderedStorage, counted: dict[str, int], now: float = NOW) -> None:
    found = {key: await storage.batch_count("a", key, now) for key in counted}
    assert found == counted


async def test_count_and_messages_are_durable_together_or_not_at_all(tmp_path: Path) -> None:
    stored = 0
    for written in (False, True, True, False, True):
        storage = reopen(tmp_path)
        assert await storage.batch_count("a", "k", NOW) == counts(storage, "a")[0] == stored
        new = [b"%d" % (stored + 1), b"%d" % (stored + 2)]
        batch = BatchCount("k", stored + 2)
        unconfirmed = storage.append("a", [Publication(new)], NOW, WINDOW, batch)

        if written:
            storage._committer.flush()
            stored += 2
        storage._committer.fail(OSError("killed"))
        await storage.aclose()
        assert written or unconfirmed.exception() is not None

    storage = reopen(tmp_path)
    assert await storage.batch_count("a", "k", NOW) == stored == 6
    assert bodies(lease(storage, "a", 99)) == [b"%d" % (n + 1) for n in range(6)]
    await storage.aclose()


async def test_count_is_told_when_it_is_durable_and_not_before(tmp_path: Path) -> None:
    storage, _, sync = faulty(tmp_path)
    with sync.held_back():
        begun = storage.append("a", [Publication([b"1"])], NOW, WINDOW, BatchCount("k", 1))
        await sync.wait_begun(1)
        asked = storage.batch_count("a", "k", NOW)
    assert await asked == 1
    assert begun.done()

    sync.error = OSError("bad disk")
    begun = storage.append("a", [Publication([b"2"])], NOW, WINDOW, BatchCount("k", 2))
    with pytest.raises(StorageUnavailable):
        await storage.batch_count("a", "k", NOW)
    assert begun.exception() is not None
    with pytest.raises(StorageUnavailable):
        await storage.batch_count("a", "unknown", NOW)
    sync.error = None
    await storage.aclose()


async def test_count_has_two_records_however_often_it_is_written(tmp_path: Path) -> None:
    storage = reopen(tmp_path)
    for number in range(1, 50):
        await publish_in_batch(storage, "a", BatchCount("k", number), b"x", now=NOW + number)

    assert records(storage) == (1, 1)
    assert storage._past.size == batch_counts.KEPT_BYTES
    await storage.aclose()


async def test_batch_that_goes_on_lets_those_behind_it_be_forgotten(tmp_path: Path) -> None:
    storage = reopen(tmp_path)
    await publish_in_batch(storage, "a", BatchCount("old", 1), b"x")
    for number in range(5):
        await publish_in_batch(storage, "a", BatchCount(f"{number}", 1), b"x", now=NOW + number)
    await publish_in_batch(storage, "a", BatchCount("old", 2), b"x", now=NOW + 100)

    while (await storage.release_due(NOW + WINDOW + 2, 1)).has_more:
        pass
    assert records(storage) == (3, 3)
    assert storage._past.size == 3 * batch_counts.KEPT_BYTES

    await storage.aclose()
    storage = reopen(tmp_path)
    assert storage._past.size == 3 * batch_counts.KEPT_BYTES
    await publish_in_batch(storage, "a", BatchCount("new", 1), b"x", now=NOW + WINDOW + 2)
    await expect(storage, {"old": 2, "2": 0, "3": 1, "4": 1, "new": 1}, NOW + WINDOW + 2)
    assert (await storage.release_due(NOW + WINDOW + 100, ANY_NUMBER)).has_more is False
    assert records(storage) == (1, 1)
    await expect(storage, {"new": 1}, NOW + WINDOW + 100)
    await storage.release_due(NOW + 3 * WINDOW, ANY_NUMBER)
    assert records(storage) == (0, 0)
    assert storage._past.size == 0
    await storage.aclose()


async def test_oldest_go_early_when_there_are_too_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = reopen(tmp_path)
    monkeypatch.setattr(batch_counts, "MAX_KEYS", 3)
    for number in range(10):
        await publish_in_batch(storage, "a", BatchCount(f"{number}", 1), b"x")

    await expect(storage, {"5": 0, "6": 1, "7": 1, "8": 1, "9": 1})
    assert records(storage) == (4, 4), "room is made before the next is written"
    await storage.aclose()


async def test_purge_sweeps_counts_of_its_topic_and_no_other(tmp_path: Path) -> None:
    storage = reopen(tmp_path)
    for topic in ("a", "b"):
        for key in "xyz":
            await publish_in_batch(storage, topic, BatchCount(key, 1), b"1")

    await storage.purge("b")
    assert storage._past.size == 3 * batch_counts.KEPT_BYTES
    await storage._janitor.wait_idle()

    assert records(storage) == (3, 3)
    await expect(storage, {"x": 1, "y": 1, "z": 1})
    await storage.aclose()


async def test_opening_costs_the_same_however_many_batches_a_topic_has(tmp_path: Path) -> None:
    reads = []
    for number in (1, 200):
        storage, database, _ = faulty(tmp_path)
        for batch in range(number):
            storage.append("a", [Publication([b"x"])], NOW, WINDOW, BatchCount(f"{batch}", 1))
        await publish(storage, "b", b"x")
        await storage.aclose()
        storage, database, _ = faulty(tmp_path)
        reads.append(database.reads)
        assert storage._past.size == number * batch_counts.KEPT_BYTES
        await storage.aclose()

    assert reads[0] == reads[1]
