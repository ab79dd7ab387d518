"""Snapshots of LevelDB's: what they cost, and what a damaged or closed database makes of them."""

import asyncio
import os
from pathlib import Path

import pytest

from miniqueue_py.broker.delivery import ACK, TO_FRONT
from miniqueue_py.broker.message import Publication
from miniqueue_py.errors import StorageUnavailable
from miniqueue_py.storage.ordered import window
from miniqueue_py.storage.ordered.layout import keys
from miniqueue_py.storage.ordered.opening import open_ordered
from miniqueue_py.testing.storing import NOW, bodies, lease, publish, publish_as
from tests.storage.faulty import faulty, reopen
from tests.storage.raw import raw

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("library")]

BODY_BYTES = 128 << 10


async def test_what_is_compacted_away_meanwhile_is_shown_all_the_same(tmp_path: Path) -> None:
    storage = open_ordered(tmp_path, fsync="never", fsync_interval_seconds=1.0)
    storage.watch(lambda _topic: None)
    sent = [os.urandom(1000) for _ in range(20_000)]
    for start in range(0, len(sent), 1000):
        await publish(storage, "a", *sent[start : start + 1000])
    with storage.snapshot("a", NOW) as messages:
        shown = [next(messages).body]
        while deliveries := lease(storage, "a", 1000):
            storage.settle(deliveries, ACK)
            await asyncio.sleep(0)
        await storage.purge("a")
        await storage._janitor.wait_idle()
        shown += [message.body for message in messages]

    assert shown == sent
    await storage.aclose()


async def test_backlog_of_large_messages_is_not_held_in_memory(tmp_path: Path) -> None:
    storage = open_ordered(tmp_path, fsync="never", fsync_interval_seconds=1.0)
    for _ in range(64):
        await publish(storage, "a", *[os.urandom(BODY_BYTES) for _ in range(16)])

    def anonymous_bytes() -> int:
        status = Path("/proc/self/status").read_text(encoding="ascii")
        [line] = [each for each in status.splitlines() if each.startswith("RssAnon")]
        return int(line.split()[1]) << 10

    before = most = anonymous_bytes()
    with storage.snapshot("a", NOW) as messages:
        for number, message in enumerate(messages, 1):
            assert len(message.body) == BODY_BYTES
            if number % 50 == 0:
                most = max(most, anonymous_bytes())
    assert number == 1024, "128 MiB"
    assert most - before < 16 << 20
    await storage.aclose()


async def test_snapshot_begins_behind_the_window_and_shows_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window, "MAX_ENTRIES", 3)
    storage = reopen(tmp_path)
    await publish(storage, "a", *[b"%d" % number for number in range(10)])
    deliveries = lease(storage, "a", 8)
    storage.settle([deliveries[1], deliveries[6]], TO_FRONT)

    with storage.snapshot("a", NOW) as messages:
        assert [message.body for message in messages] == [b"1", b"6", b"8", b"9"]
    await storage.aclose()


async def test_what_is_not_durable_yet_does_not_show(tmp_path: Path) -> None:
    storage, _, sync = faulty(tmp_path)
    await publish(storage, "a", b"1")
    with sync.held_back():
        publishing = asyncio.create_task(publish(storage, "a", b"2"))
        await sync.wait_begun(2)
        with storage.snapshot("a", NOW) as messages:
            assert [message.body for message in messages] == [b"1"]
    await publishing
    with storage.snapshot("a", NOW) as messages:
        assert [message.body for message in messages] == [b"1", b"2"]
    await storage.aclose()


async def test_message_that_cannot_be_read_ends_a_snapshot_with_an_error(tmp_path: Path) -> None:
    # To pass over it would be to tell a part of the topic as the whole.
    storage = reopen(tmp_path)
    await publish(storage, "a", b"1", b"2", b"3")
    await storage.aclose()
    with raw(tmp_path) as database:
        database.put(keys.message_key(1, keys.MIDDLE + 1), b"\x07\x00what is this")
    storage = reopen(tmp_path)

    with storage.snapshot("a", NOW) as messages:
        assert next(messages).body == b"1"
        with pytest.raises(StorageUnavailable, match="which is no format"):
            next(messages)

    assert storage.failure is not None
    with pytest.raises(StorageUnavailable), storage.snapshot("a", NOW):
        raise AssertionError
    await storage.aclose()


async def test_snapshot_of_a_database_that_is_closed_meanwhile_ends_with_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window, "MAX_ENTRIES", 1)
    storage = reopen(tmp_path)
    await publish(storage, "a", b"1", b"2", b"3")

    with storage.snapshot("a", NOW) as messages:
        assert [next(messages).body, next(messages).body] == [b"1", b"2"]
        await storage.aclose()
        with pytest.raises(StorageUnavailable, match="the database was closed"):
            next(messages)


async def test_snapshot_after_a_failed_write_is_refused(tmp_path: Path) -> None:
    storage, database, _ = faulty(tmp_path)
    await publish(storage, "a", b"1", b"2")
    storage.settle(lease(storage, "a", 1), ACK)
    database.error = "IO error: bad"

    with pytest.raises(StorageUnavailable, match="bad"), storage.snapshot("a", NOW):
        raise AssertionError
    await storage.aclose()


async def test_snapshot_that_is_left_early_lets_the_database_close(tmp_path: Path) -> None:
    storage = reopen(tmp_path)
    await publish(storage, "a", *[b"x"] * 3000)
    with storage.snapshot("a", NOW) as messages:
        next(messages)
    await storage.aclose()

    storage = reopen(tmp_path)
    assert len(bodies(lease(storage, "a", 9999))) == 3000
    await storage.aclose()


async def test_expired_messages_do_not_show_before_they_are_removed(tmp_path: Path) -> None:
    storage = reopen(tmp_path)
    await publish_as(storage, "a", Publication([b"x"] * 3000, ttl_seconds=1.0))
    await publish(storage, "a", b"immortal")
    with storage.snapshot("a", NOW + 1) as messages:
        assert [message.body for message in messages] == [b"immortal"]
    assert storage.statistics("a").ready == 3001
    await storage.aclose()
