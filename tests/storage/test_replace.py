"""A topic in another's place, whatever happens on the way: the old or the new, and never half."""

import asyncio
import shutil
from pathlib import Path

import pytest

from miniqueue_py.broker.delivery import ACK, TO_BACK
from miniqueue_py.broker.message import Publication
from miniqueue_py.broker.policy import DEFAULT_POLICY, TopicPolicy
from miniqueue_py.broker.storage import Storage
from miniqueue_py.errors import StorageUnavailable
from miniqueue_py.storage import open_storage
from miniqueue_py.storage.ordered.layout import keys
from miniqueue_py.storage.ordered.offline.inspection import inspect_database
from miniqueue_py.testing.storing import ANY_SIZE, NOW, bodies, lease, publish, publish_as
from tests.storage.faulty import faulty, reopen
from tests.storage.raw import open_database

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("library")]

BROKEN = OSError(5, "Input/output error")
POLICY = TopicPolicy(lease=7.0)
OLD = [b"old %d" % number for number in range(300)]
NEW = [b"new %d" % number for number in range(200)]


async def fill(storage: Storage) -> None:
    """Make a topic "a" with a policy, and a topic "b" that is to replace it."""
    await storage.set_policy("a", POLICY)
    await publish(storage, "a", *OLD)
    await publish_as(storage, "a", Publication([b"delayed"], delay_seconds=9.0))
    await storage.set_policy("b", TopicPolicy(lease=9.0))
    await publish(storage, "b", *NEW)


async def state(storage: Storage) -> str:
    """Say which of the two "a" is, or fail: there is nothing in between."""
    found = [each.body for each in await storage.peek("a", 1000, ANY_SIZE, NOW)]
    assert storage.policy("a") == POLICY
    if found == OLD:
        assert storage.statistics("a").delayed == 1
        assert [each.body for each in await storage.peek("b", 1000, ANY_SIZE, NOW)] == NEW
        assert storage.policy("b") != POLICY
        assert storage.totals().messages == len(OLD) + 1 + len(NEW)
        return "old"
    assert found == NEW
    assert storage.statistics("a").delayed == 0
    assert not storage.knows("b")
    assert storage.policy("b") == DEFAULT_POLICY
    assert storage.totals().messages == len(NEW)
    return "new"


def damages(path: Path) -> list[str]:
    return inspect_database(path, check=lambda _messages, _bytes: None).damages


async def test_replacement_outlives_a_clean_stop(tmp_path: Path) -> None:
    storage = reopen(tmp_path)
    await fill(storage)
    await storage.replace("a", "b")
    await storage.aclose()
    assert damages(tmp_path) == []

    storage = reopen(tmp_path)

    assert await state(storage) == "new"
    await storage.aclose()


async def test_log_that_is_cut_anywhere_has_the_old_or_the_new(tmp_path: Path) -> None:
    # As after a crash of the machine: of what was not synced any part may be there.
    path = tmp_path / "database"
    storage = reopen(path)
    await fill(storage)
    [log] = path.glob("*.log")
    before = log.stat().st_size
    storage._janitor._is_closed = True  # the sweep is not of interest here
    await storage.replace("a", "b")
    after = log.stat().st_size
    storage._committer.fail(OSError("killed"))
    await storage.aclose()

    found = []
    for size in range(before, after + 1):
        copy = tmp_path / f"cut at {size}"
        shutil.copytree(path, copy)
        with (copy / log.name).open("r+b") as file:
            file.truncate(size)
        storage = open_storage(str(copy), fsync="never")  # type: ignore[assignment]
        found.append(await state(storage))
        await storage.aclose()
        shutil.rmtree(copy)

    assert found == ["old"] * (after - before) + ["new"]


async def test_process_that_ends_before_the_write_leaves_the_old(tmp_path: Path) -> None:
    storage, _, _ = faulty(tmp_path)
    await fill(storage)
    replacing = asyncio.create_task(storage.replace("a", "b"))
    storage._committer._schedule = lambda: None  # type: ignore[method-assign]  # killed
    await asyncio.sleep(0)
    storage._committer.fail(OSError("killed"))
    with pytest.raises(StorageUnavailable):
        await replacing
    await storage.aclose()

    storage = reopen(tmp_path)

    assert await state(storage) == "old"
    await storage.aclose()


@pytest.mark.parametrize("turns", range(6))
async def test_process_that_ends_some_turns_after_leaves_the_old_or_the_new(
    tmp_path: Path, turns: int
) -> None:
    storage, _, sync = faulty(tmp_path)
    await fill(storage)
    with sync.held_back():
        replacing = asyncio.create_task(storage.replace("a", "b"))
        for _ in range(turns):
            await asyncio.sleep(0)
        storage._committer.fail(OSError("killed"))
    await asyncio.wait([replacing], timeout=10)
    was_written = turns >= 2  # one to begin, one to write; the rest waits for the disk
    assert isinstance(replacing.exception(), StorageUnavailable) != was_written
    await storage.aclose()

    storage = reopen(tmp_path)
    assert await state(storage) == ("new" if was_written else "old")
    storage.watch(lambda _topic: None)
    await storage._janitor.wait_idle()
    await storage.aclose()
    assert damages(tmp_path) == []


async def test_write_that_fails_refuses_and_the_old_stays(tmp_path: Path) -> None:
    storage, database, _ = faulty(tmp_path)
    await fill(storage)
    database.error = "IO error: bad"

    with pytest.raises(StorageUnavailable, match="bad"):
        await storage.replace("a", "b")
    with pytest.raises(StorageUnavailable, match="bad"):
        await storage.replace("a", "c")
    assert await state(storage) == "old"
    await storage.aclose()

    storage = reopen(tmp_path)
    assert await state(storage) == "old"
    await storage.aclose()


async def test_fsync_that_fails_refuses_and_the_old_stays_until_a_restart(tmp_path: Path) -> None:
    storage, _, sync = faulty(tmp_path)
    await fill(storage)
    sync.error = BROKEN

    with pytest.raises(StorageUnavailable, match="Input/output error"):
        await storage.replace("a", "b")
    await storage._janitor.wait_idle()
    assert await state(storage) == "old"
    assert bodies(lease(storage, "a", 999)) == OLD
    sync.error = None
    await storage.aclose()

    storage = reopen(tmp_path)
    await state(storage)
    await storage.aclose()


async def test_replacement_is_durable_when_it_returns(tmp_path: Path) -> None:
    storage, _, sync = faulty(tmp_path)
    await fill(storage)
    with sync.held_back():
        count = sync.count
        replacing = asyncio.create_task(storage.replace("a", "b"))
        await sync.wait_begun(count + 1)
        await asyncio.sleep(0)
        assert not replacing.done()
    await asyncio.wait_for(replacing, 10)
    await storage.aclose()


async def test_publish_under_way_to_the_old_is_confirmed_and_gone(tmp_path: Path) -> None:
    storage, _, sync = faulty(tmp_path)
    await fill(storage)
    with sync.held_back():
        count = sync.count
        publishing = [
            asyncio.create_task(publish(storage, topic, b"on its way")) for topic in ("a", "b")
        ]
        await sync.wait_begun(count + 1)
        replacing = asyncio.create_task(storage.replace("a", "b"))
        await asyncio.sleep(0)
        assert storage.statistics("a").arriving == 1

    async with asyncio.timeout(10):
        await asyncio.gather(*publishing, replacing)
    assert bodies(lease(storage, "a", 999)) == [*NEW, b"on its way"]
    await storage.aclose()
    assert damages(tmp_path) == []


async def test_all_that_was_before_is_swept(tmp_path: Path) -> None:
    storage = reopen(tmp_path)
    await fill(storage)
    await storage.replace("a", "b")
    await storage._janitor.wait_idle()
    storage.settle(lease(storage, "a", 999), ACK)
    await storage.aclose()

    database = open_database(tmp_path)
    left = [key for key, _ in database if key >= keys.TOPICS]
    database.close()
    assert left == [keys.topic_key(2), keys.policy_key(2)]


async def test_topic_in_anothers_place_is_consumed_and_stopped_as_any(tmp_path: Path) -> None:
    storage = reopen(tmp_path)
    await fill(storage)
    [held, late] = lease(storage, "b", 2)
    await storage.replace("a", "b")
    storage.settle([late], TO_BACK)
    storage.settle([held], ACK)
    await publish(storage, "a", b"behind")
    await storage.aclose()

    storage = reopen(tmp_path)

    assert bodies(lease(storage, "a", 999)) == [*NEW[2:], NEW[1], b"behind"]
    assert storage.statistics("a").acknowledged == 1
    await storage.aclose()


async def test_policy_that_cannot_be_stored_is_again_that_of_the_one_before(
    tmp_path: Path,
) -> None:
    storage, database, _ = faulty(tmp_path)
    await fill(storage)
    await storage.replace("a", "b")
    database.error = "IO error: bad"

    with pytest.raises(StorageUnavailable):
        await storage.set_policy("a", TopicPolicy(lease=1.0))

    assert storage.policy("a") == POLICY
    await storage.aclose()
