"""What a replacement shows while it is under way, and when it comes to nothing."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from miniqueue_py.broker.clock import SystemClock
from miniqueue_py.broker.delivery import ACK
from miniqueue_py.broker.message import Publication
from miniqueue_py.broker.policy import TopicPolicy
from miniqueue_py.broker.snapshots import Snapshots
from miniqueue_py.broker.storage import TopicStatistics
from miniqueue_py.errors import StorageUnavailable
from miniqueue_py.storage.ordered.engine import OrderedStorage
from miniqueue_py.storage.ordered.layout import keys
from miniqueue_py.testing.storing import ANY_NUMBER, NOW, bodies, counts, lease, publish, publish_as
from tests.storage.faulty import FaultyDatabase, FaultySync, faulty
from tests.storage.raw import open_database

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("library")]

BROKEN = OSError(5, "Input/output error")

faults = pytest.mark.parametrize("fault", ["write", "fsync"])


def break_(fault: str, database: FaultyDatabase, sync: FaultySync) -> None:
    if fault == "write":
        database.error = "IO error: bad"
    else:
        sync.error = BROKEN


async def expect_refusal(replacing: "asyncio.Task[None]") -> None:
    with pytest.raises(StorageUnavailable):
        await asyncio.wait_for(replacing, 10)


async def begin(storage: OrderedStorage, topic: str, source: str) -> "asyncio.Task[None]":
    """Begin to replace; it is written when this returns, and not synced."""
    replacing = asyncio.create_task(storage.replace(topic, source))
    for _ in range(3):
        await asyncio.sleep(0)
    return replacing


async def test_nothing_of_it_is_told_or_dealt_before_it_is_durable(tmp_path: Path) -> None:
    storage, _, sync = faulty(tmp_path)
    heard: list[str] = []
    await publish(storage, "a", b"old")
    await publish(storage, "b", b"new")
    storage.watch(heard.append)
    with sync.held_back():
        replacing = await begin(storage, "a", "b")
        assert not lease(storage, "a", 9)
        assert heard == []

    await asyncio.wait_for(replacing, 10)

    assert heard == ["a"]
    assert bodies(lease(storage, "a", 9)) == [b"new"]
    await storage.aclose()


@faults
async def test_replacement_that_failed_leaves_all_as_it_was(tmp_path: Path, fault: str) -> None:
    storage, database, sync = faulty(tmp_path)
    policy = TopicPolicy(lease=7.0)
    await storage.set_policy("a", policy)
    await publish(storage, "a", b"1", b"2", b"3")
    await publish_as(storage, "a", Publication([b"due"], delay_seconds=1.0))
    await publish_as(storage, "a", Publication([b"mortal"], ttl_seconds=2.0))
    await publish_as(storage, "a", Publication([b"keyed"], key="k"))
    await publish(storage, "b", b"new", b"newer")
    held, acked = lease(storage, "a", 2)
    storage.settle([acked], ACK)
    [taken] = lease(storage, "b", 1)
    before, totals = storage.statistics("a"), storage.totals()
    heard: list[str] = []
    storage.watch(heard.append)
    break_(fault, database, sync)
    with sync.held_back():
        replacing = await begin(storage, "a", "b")
        if fault == "fsync":  # else it has failed by now
            await storage.release_due(NOW + 1.5, ANY_NUMBER)
    await expect_refusal(replacing)

    assert storage.statistics("a") == before._replace(ready=before.ready + 1, in_flight=0)
    assert (storage.totals(), storage.policy("a")) == (totals, policy)
    assert storage.settle([held], ACK) == [held], "as after a restart"
    assert "a" in heard
    assert (await storage.release_due(NOW + 1.5, ANY_NUMBER))[:2] == (1, 0)
    assert (await storage.release_due(NOW + 2.5, ANY_NUMBER))[:2] == (0, 1)
    assert bodies(lease(storage, "a", 9)) == [b"due", b"1", b"3", b"keyed"]
    assert not storage.settle([taken], ACK)
    assert bodies(lease(storage, "b", 9)) == [b"newer"]
    await storage.aclose()


@faults
async def test_topics_that_a_failed_replacement_made_are_not_there(
    tmp_path: Path, fault: str
) -> None:
    storage, database, sync = faulty(tmp_path)
    break_(fault, database, sync)

    await expect_refusal(asyncio.create_task(storage.replace("a", "b")))

    assert storage.topics() == []
    assert storage.statistics("a") == TopicStatistics()
    await storage.aclose()


async def test_publish_that_was_confirmed_meanwhile_is_shown_when_it_fails(tmp_path: Path) -> None:
    storage, _, sync = faulty(tmp_path)
    await publish(storage, "a", b"1")
    sync.error, sync.error_from = BROKEN, 3
    with sync.held_back():
        publishing = asyncio.create_task(publish(storage, "a", b"2"))
        await sync.wait_begun(2)
        replacing = await begin(storage, "a", "b")
        refused = asyncio.create_task(publish(storage, "a", b"behind"))
        await asyncio.sleep(0)
    await asyncio.wait_for(publishing, 10)
    await expect_refusal(replacing)
    with pytest.raises(StorageUnavailable):
        await refused

    assert bodies(lease(storage, "a", 9)) == [b"1", b"2"]
    assert counts(storage, "a") == (0, 2, 0)
    assert storage.totals()[:2] == (2, 2)
    await storage.aclose()


async def test_publish_that_is_confirmed_after_it_failed_is_shown(tmp_path: Path) -> None:
    storage, database, sync = faulty(tmp_path)
    await publish(storage, "a", b"1")
    with sync.held_back():
        publishing = asyncio.create_task(publish(storage, "a", b"2"))
        await sync.wait_begun(2)
        database.error = "IO error: bad"
        await expect_refusal(asyncio.create_task(storage.replace("a", "b")))
        assert bodies(lease(storage, "a", 9)) == [b"1"]
    await asyncio.wait_for(publishing, 10)

    assert bodies(lease(storage, "a", 9)) == [b"2"]
    await storage.aclose()


async def test_of_replacements_that_fail_one_upon_the_other_the_oldest_stays(
    tmp_path: Path,
) -> None:
    storage, _, sync = faulty(tmp_path)
    await publish(storage, "a", b"old")
    await publish(storage, "b", b"new")
    await publish(storage, "c", b"newest")
    sync.error = BROKEN
    with sync.held_back():
        one = await begin(storage, "a", "b")
        two = await begin(storage, "a", "c")
    await expect_refusal(one)
    await expect_refusal(two)

    assert bodies(lease(storage, "a", 9)) == [b"old"]
    assert bodies(lease(storage, "c", 9)) == [b"newest"]
    await storage.aclose()


async def test_topic_that_was_deleted_meanwhile_stays_so(tmp_path: Path) -> None:
    storage, _, sync = faulty(tmp_path)
    await publish(storage, "a", b"old")
    await publish(storage, "b", b"new")
    sync.error = BROKEN
    with sync.held_back():
        replacing = await begin(storage, "a", "b")
        deleting = asyncio.create_task(storage.purge("a"))
        await asyncio.sleep(0)
    await expect_refusal(replacing)
    await expect_refusal(deleting)

    assert not lease(storage, "a", 9)
    assert storage.totals()[:2] == (0, 0)
    await storage.aclose()


async def test_replacement_is_carried_out_though_whoever_wanted_it_left(tmp_path: Path) -> None:
    storage, _, sync = faulty(tmp_path)
    await publish(storage, "a", *[b"old"] * 3000)
    await publish(storage, "b", b"new")
    with sync.held_back():
        replacing = await begin(storage, "a", "b")
        replacing.cancel()
        await asyncio.wait([replacing])
    await storage.replace("c", "c too")  # behind the other

    assert bodies(lease(storage, "a", 9)) == [b"new"]
    await storage._janitor.wait_idle()
    await storage.aclose()
    database = open_database(tmp_path)
    assert database.entries(keys.DOOMED) == []
    database.close()


@faults
async def test_load_that_fails_serves_nothing_of_it(tmp_path: Path, fault: str) -> None:
    storage, database, sync = faulty(tmp_path)
    await publish(storage, "a", b"1", b"2")

    async def slices() -> AsyncIterator[Sequence[bytes]]:
        yield [b"new"] * 3
        break_(fault, database, sync)

    with pytest.raises(StorageUnavailable):
        await Snapshots(storage, SystemClock()).load("a", slices())

    assert storage.topics() == ["a"]
    assert storage.totals()[:2] == (2, 2)
    assert bodies(lease(storage, "a", 9)) == [b"1", b"2"]
    await storage.aclose()
