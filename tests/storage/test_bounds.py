"""What the engine reads, and holds: no more than it was asked for, whatever the sizes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from miniqueue_py.broker.delivery import ACK
from miniqueue_py.broker.message import Publication
from miniqueue_py.storage.keyvalue.database import Entry
from miniqueue_py.storage.ordered import window
from miniqueue_py.storage.ordered.engine import OrderedStorage
from miniqueue_py.storage.ordered.layout import keys
from miniqueue_py.testing.storing import ANY_NUMBER, NOW, bodies, lease, publish, publish_as
from tests.storage.faulty import always_room, reopen
from tests.storage.raw import open_database

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("library")]

LARGE = b"x" * (window.MAX_BYTES // 4)


class CountingDatabase:
    """A real database that counts what is read of it."""

    def __init__(self, path: Path) -> None:
        self._database = open_database(path)
        self.entries = 0
        self.starts: list[bytes] = []

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    def read(self, start: bytes, stop: bytes) -> Iterator[Entry]:
        self.starts.append(start)
        for entry in self._database.read(start, stop):
            self.entries += 1
            yield entry


async def backlog(path: Path, *bodies: bytes) -> tuple[OrderedStorage, CountingDatabase]:
    """Open a database that has messages and has read none of them."""
    storage = reopen(path)
    await publish(storage, "a", *bodies)
    await storage.aclose()
    database = CountingDatabase(path)
    storage = OrderedStorage(
        database, lambda: None, always_room, fsync="never", fsync_interval_seconds=1.0
    )
    database.entries = 0
    return storage, database


@pytest.mark.parametrize("small", [0, 40])
async def test_window_stops_at_its_bytes_whatever_the_sizes(tmp_path: Path, small: int) -> None:
    sizes = [b"s"] * small + [LARGE] * 40
    storage, database = await backlog(tmp_path, *sizes)

    taken = bodies(lease(storage, "a", 1))

    assert taken == sizes[:1]
    assert len(storage._catalogue.open("a").window) <= small + 4
    assert database.entries <= small + 5
    assert bodies(lease(storage, "a", ANY_NUMBER)) == sizes[1:]
    await storage.aclose()


async def test_peek_reads_nothing_behind_its_bytes(tmp_path: Path) -> None:
    storage, database = await backlog(tmp_path, *[LARGE] * 40)

    assert len(await storage.peek("a", 1000, 2 * len(LARGE), NOW)) == 2

    assert database.entries <= 3
    await storage.aclose()


async def test_messages_that_are_being_written_are_skipped_where_they_stand(tmp_path: Path) -> None:
    storage = reopen(tmp_path)
    await publish(storage, "a", *[b"low"] * 3000)
    await publish_as(storage, "a", Publication([b"high"] * 3, priority=1))
    lease(storage, "a", 2)
    writing = storage.append("a", [Publication([b"later"], priority=1)], NOW, 0.0)
    storage._committer.flush()

    seen = [message.body for message in await storage.peek("a", 3000, 1 << 30, NOW)]

    assert seen == [b"high"] + [b"low"] * 2999
    await writing
    assert bodies(lease(storage, "a", 2)) == [b"high", b"later"]
    await storage.aclose()


@pytest.mark.parametrize("terms", [(0.0, None), (50.0, None), (0.0, 50.0), (50.0, 60.0)])
@pytest.mark.parametrize("is_restarted", [False, True])
async def test_purge_looks_for_a_topic_only_where_something_of_it_may_be(
    tmp_path: Path, terms: tuple[float, float | None], *, is_restarted: bool
) -> None:
    others = Publication([b"x"] * 100, delay_seconds=1e6, ttl_seconds=1e6)
    mortal = Publication([b"x"] * 100, ttl_seconds=1e6)
    storage, database = await backlog(tmp_path, b"kept")
    await storage.append("a", [others, mortal], NOW, 0.0)
    await publish_as(storage, "b", Publication([b"y"], 0, *terms))
    if is_restarted:
        storage._janitor._is_closed = True  # killed before the sweep came to anything
        await storage.purge("b")
        await storage.aclose()
        storage = reopen(tmp_path)
        storage.watch(lambda _topic: None)
    else:
        database.entries = 0
        await storage.purge("b")
    await storage._janitor.wait_idle()
    if terms == (0.0, None):
        assert database.entries < 100 or is_restarted
    await storage.aclose()

    left = open_database(tmp_path)
    spaces = [key[:1] for key, _ in left]
    left.close()
    assert keys.DOOMED not in spaces
    found = [spaces.count(each) for each in (keys.MESSAGES, keys.DELAYED, keys.EXPIRIES)]
    assert found == [101, 100, 100]


async def test_topic_that_an_early_version_purged_is_looked_for_everywhere(tmp_path: Path) -> None:
    storage = reopen(tmp_path)
    await publish_as(storage, "a", Publication([b"x"] * 10, delay_seconds=1e6))
    await publish_as(storage, "a", Publication([b"x"] * 10, ttl_seconds=1e6))
    storage._janitor._is_closed = True
    await storage.purge("a")
    await storage.aclose()
    database = open_database(tmp_path)
    database.put(keys.doomed_key(1), b"")
    database.close()

    storage = reopen(tmp_path)
    storage.watch(lambda _topic: None)
    await storage._janitor.wait_idle()
    await storage.aclose()

    database = open_database(tmp_path)
    assert [key for key, _ in database] == [keys.LAST_TOPIC_KEY, keys.VERSION_KEY]
    database.close()


async def test_refilled_window_is_handed_out_and_settled_in_order(tmp_path: Path) -> None:
    numbers = [b"%d" % number + LARGE for number in range(12)]
    storage, _ = await backlog(tmp_path, *numbers)

    taken: list[bytes] = []
    while deliveries := lease(storage, "a", 3):
        taken += bodies(deliveries)
        storage.settle(deliveries, ACK)

    assert taken == numbers
    await storage.aclose()


async def test_oldest_is_looked_for_behind_what_was_consumed_of_every_priority(
    tmp_path: Path,
) -> None:
    storage, database = await backlog(tmp_path, *[b"low"] * 3000)
    await publish_as(storage, "a", Publication([b"high"] * 2, priority=2), NOW + 1)
    await publish_as(storage, "a", Publication([b"middle"] * 2, priority=1), NOW + 2)
    await publish(storage, "a", b"last", now=NOW - 1)
    held, *others = lease(storage, "a", 2004)
    storage.settle(others, ACK)
    storage._committer.flush()
    database.starts.clear()

    assert storage.oldest_ms("a") == NOW * 1000

    assert len(database.starts) == 2
    assert keys.position_of(database.starts[-1]) >= keys.MIDDLE + 2000
    assert not storage.settle([held], ACK)
    await storage.aclose()
