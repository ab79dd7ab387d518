"""Hidden topics of a process that is no more: gone when the database is opened, and their space."""

from pathlib import Path

import pytest

from miniqueue_py.broker.message import BatchCount, Publication
from miniqueue_py.broker.policy import TopicPolicy
from miniqueue_py.broker.storage import hide
from miniqueue_py.storage.ordered.layout import keys
from miniqueue_py.storage.ordered.offline.inspection import Inspection, inspect_database
from miniqueue_py.testing.storing import (
    ANY_NUMBER,
    NOW,
    bodies,
    lease,
    publish,
    publish_as,
    publish_in_batch,
)
from tests.storage.faulty import reopen
from tests.storage.raw import open_database

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("library")]

HIDDEN = hide("left behind")


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """Return a database with a hidden topic that has something of everything."""
    storage = reopen(tmp_path)
    await publish(storage, "a", b"1")
    await storage.set_policy(HIDDEN, TopicPolicy(lease=1.0))
    await publish(storage, HIDDEN, *[b"x"] * 3000)
    await publish_as(storage, HIDDEN, Publication([b"x"], delay_seconds=1.0))
    await publish_as(storage, HIDDEN, Publication([b"x"], ttl_seconds=1.0))
    await publish_as(storage, HIDDEN, Publication([b"x"], key="x"))
    await publish_in_batch(storage, HIDDEN, BatchCount("x", 1), b"x")
    await storage.aclose()
    return tmp_path


def look(path: Path) -> Inspection:
    return inspect_database(path, check=lambda _messages, _bytes: None)


async def test_nothing_of_it_is_there_when_the_database_is_opened(path: Path) -> None:
    storage = reopen(path)

    assert storage.topics() == ["a"]
    assert storage.totals()[:2] == (1, 1)
    assert not lease(storage, HIDDEN, 9)
    assert (await storage.release_due(NOW + 9, ANY_NUMBER))[:2] == (0, 0)
    await storage.aclose()


async def test_it_is_swept(path: Path) -> None:
    storage = reopen(path)
    storage.watch(lambda _topic: None)
    await storage._janitor.wait_idle()
    await storage.aclose()

    assert look(path).unswept == 0
    database = open_database(path)
    left = [key for key, _ in database if key >= keys.TOPICS]
    database.close()
    assert left == [keys.topic_key(1), keys.message_key(1, keys.MIDDLE)]


async def test_inspection_tells_it_as_deleted_and_finds_no_damage(path: Path) -> None:
    inspection = look(path)

    assert [topic.name for topic in inspection.topics] == ["a"]
    assert (inspection.unswept, inspection.damages) == (1, [])


async def test_inspection_understands_it_half_swept(path: Path) -> None:
    storage = reopen(path)
    storage.watch(lambda _topic: None)
    storage._janitor._is_closed = True  # killed before the sweep came to anything
    await storage.aclose()

    inspection = look(path)

    assert [topic.name for topic in inspection.topics] == ["a"]
    assert (inspection.unswept, inspection.damages) == (1, [])


async def test_the_next_of_that_name_begins_empty_and_outlives_the_sweep(path: Path) -> None:
    storage = reopen(path)
    new = await publish(storage, HIDDEN, b"new")
    assert new.id[0] == 3
    storage.watch(lambda _topic: None)
    storage.watch(lambda _topic: None)
    await storage._janitor.wait_idle()

    assert bodies(lease(storage, HIDDEN, 9)) == [b"new"]
    await storage.aclose()


async def test_two_of_one_name_are_left_when_no_sweep_began(path: Path) -> None:
    storage = reopen(path)
    await publish(storage, HIDDEN, b"of the next process")
    await storage.aclose()

    assert look(path).unswept == 2
    storage = reopen(path)
    storage.watch(lambda _topic: None)
    await storage._janitor.wait_idle()
    await storage.aclose()
    assert look(path).unswept == 0
