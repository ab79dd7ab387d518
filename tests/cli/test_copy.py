"""A database is moved to another library: all of it, verified, or nothing."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from miniqueue_py.broker.delivery import ACK, Bury, Delay
from miniqueue_py.broker.message import BatchCount, Publication
from miniqueue_py.broker.policy import TopicPolicy
from miniqueue_py.broker.storage import Storage, hide
from miniqueue_py.cli.copy import copy
from miniqueue_py.cli.inspect import inspect
from miniqueue_py.database_address import Address
from miniqueue_py.errors import BadSetting, DatabaseRefused
from miniqueue_py.storage import open_storage
from miniqueue_py.storage.keyvalue.database import Batch, Database, DatabaseFailed
from miniqueue_py.storage.keyvalue.libraries import LIBRARIES, library_of
from miniqueue_py.storage.keyvalue.rocksdb import opening
from miniqueue_py.storage.ordered.offline.copying import copying
from miniqueue_py.testing.storing import (
    ANY_NUMBER,
    NOW,
    bodies,
    lease,
    publish,
    publish_as,
    publish_in_batch,
)
from tests.cli.terminal import PROJECT
from tests.storage.hurting import flip, largest_table, put_in_tables

pytestmark = pytest.mark.anyio

Output = pytest.CaptureFixture[str]
BOTH = [("leveldb", "rocksdb"), ("rocksdb", "leveldb"), ("leveldb", "leveldb")]


async def fill(path: Path, scheme: str) -> None:
    """Make a database that has something of everything."""
    storage = open_storage(f"{scheme}:{path}")
    await publish(storage, "a", *[b"%d" % number * 50 for number in range(3000)])
    storage.settle(lease(storage, "a", 100), ACK)
    storage.settle(lease(storage, "a", 3), Bury("a.dead", "DEAD", int(NOW * 1000)))
    storage.settle(lease(storage, "a", 5), Delay(NOW + 60, is_dack=True))
    lease(storage, "a", 7)
    await publish_as(storage, "b", Publication([b"soon"], 9, 5.0, 1e6))
    await publish_as(storage, "b", Publication([b"once"], key="once"))
    await publish_in_batch(storage, "b", BatchCount("batch", 3), b"1", b"2", b"3")
    await storage.set_policy("b", TopicPolicy(lease=7.0, max_deliveries=3))
    await publish(storage, hide("half loaded"), b"x")
    await storage.purge("a.none")
    await storage.aclose()


async def all_of(path: Path) -> list[Any]:
    """Take everything there is, and tell it."""
    storage = open_storage(str(path))
    told: list[Any] = [sorted(storage.topics()), storage.policy("b"), storage.totals()]
    told += [storage.statistics(topic) for topic in ("a", "a.dead", "b")]
    told.append(await storage.batch_count("b", "batch", NOW))
    told.append((await publish_as(storage, "b", Publication([b"once"], key="once"))).is_duplicate)
    await storage.release_due(NOW + 100, ANY_NUMBER)
    told += [drained(storage, topic) for topic in ("a", "a.dead", "b")]
    await storage.aclose()
    return told


def drained(storage: Storage, topic: str) -> list[Any]:
    return [delivery.message for delivery in lease(storage, topic, 10_000)]


def files_of(path: Path) -> dict[str, tuple[int, bytes]]:
    return {at.name: (at.stat().st_mtime_ns, at.read_bytes()) for at in path.iterdir()}


@pytest.mark.parametrize(("scheme", "into"), BOTH)
async def test_copy_holds_all_that_the_database_holds(
    tmp_path: Path, capsys: Output, scheme: str, into: str
) -> None:
    source, target = tmp_path / "from", tmp_path / "deep" / "to"
    await fill(source, scheme)
    before = files_of(source)

    assert copy([str(source), f"{into}:{target}"]) == 0

    told = capsys.readouterr()
    assert told.err == ""
    assert told.out.startswith(f"{into}:{target} has all of {source}: 2,906 messages in 4 topics, ")
    assert files_of(source) == before
    copied_to = library_of(target)
    assert copied_to is not None
    assert copied_to.scheme == into
    assert [at.name for at in target.parent.iterdir()] == ["to"]
    assert inspect([str(target), "--check"]) == 0
    assert await all_of(target) == await all_of(source)


async def test_copy_is_on_the_disk_when_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(tmp_path / "from", "leveldb")
    target = tmp_path / "deep" / "to"
    synced: list[tuple[Path, bool]] = []
    fsync = os.fsync

    def fsync_and_tell(descriptor: int) -> None:
        fsync(descriptor)
        synced.append((Path(f"/proc/self/fd/{descriptor}").readlink(), target.exists()))

    monkeypatch.setattr(os, "fsync", fsync_and_tell)

    assert copy([str(tmp_path / "from"), f"leveldb:{target}"]) == 0

    assert synced[0] == (tmp_path, False), "the name of the directory above it"
    assert synced[-1] == (target.parent, True), "its own name"


async def test_empty_directory_is_taken_and_the_first_library(tmp_path: Path) -> None:
    await fill(tmp_path / "from", "rocksdb")
    (tmp_path / "to").mkdir()

    assert copy([str(tmp_path / "from"), str(tmp_path / "to")]) == 0

    assert library_of(tmp_path / "to") is LIBRARIES[0]


def _hold_a_file(path: Path) -> None:
    path.mkdir()
    (path / "letters.txt").write_text("dear")
    (path / "link").symlink_to("../from")


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (["from", "full"], "full is not empty: it holds 'letters.txt'; name a new directory"),
        (["from", "full/letters.txt"], "full/letters.txt is not a directory"),
        (["from", "from/to"], "from/to is inside from"),
        (["from", "full/../from/to"], "full/../from/to is inside from"),
        (["from", "full/link/to"], "full/link/to is inside from"),
        (["from", "from"], "from is not empty: it holds"),
        (["nowhere", "to"], "nowhere does not exist; name the directory"),
        (["full", "to"], "full is not a database: it holds 'letters.txt'"),
        (["rocksdb:from", "to"], "from is a LevelDB database: open it as leveldb:from"),
        (["memory:", "to"], "memory: has nothing that could be copied"),
        (["from", "memory:"], "memory: has nothing that could be copied"),
        (["postgresql://me:secret@host/x", "to"], "postgresql: names a server; copy goes from a"),
        (["from", "postgresql://me:secret@host/x"], "postgresql: names a server; copy goes from a"),
    ],
)
async def test_what_cannot_be_is_refused_in_one_line_and_nothing_is_made(
    tmp_path: Path,
    capsys: Output,
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    sentence: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    await fill(tmp_path / "from", "leveldb")
    _hold_a_file(tmp_path / "full")
    before = files_of(tmp_path / "from")

    assert copy(words) == 1

    told = capsys.readouterr()
    assert told.err.startswith(f"miniqueue: {sentence}")
    assert told.err.count("\n") == 1
    assert files_of(tmp_path / "from") == before
    assert sorted(at.name for at in tmp_path.iterdir()) == ["from", "full"]


def test_unknown_scheme_is_a_bad_word(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match="begins with 'redis:', which is none of leveldb:"):
        copy([str(tmp_path), "redis://localhost"])


@pytest.mark.parametrize("scheme", ["leveldb", "rocksdb"])
async def test_database_that_a_broker_has_open_is_refused(
    tmp_path: Path, capsys: Output, scheme: str
) -> None:
    await fill(tmp_path / "from", scheme)
    opened = open_storage(str(tmp_path / "from"))
    words = [str(tmp_path / "from"), str(tmp_path / "to")]
    command = [sys.executable, "-m", "miniqueue_py", "copy", *words]

    # A process does not see its own lock.
    done = await anyio.run_process(command, cwd=PROJECT, check=False)

    assert done.returncode == 1
    assert done.stderr.startswith(f"miniqueue: {words[0]} is in use: process ".encode())
    assert not (tmp_path / "to").exists()
    await opened.aclose()


@pytest.mark.parametrize("scheme", ["leveldb", "rocksdb"])
async def test_damaged_database_is_refused_for_a_repair(
    tmp_path: Path, capsys: Output, scheme: str
) -> None:
    await fill(tmp_path / "from", scheme)
    put_in_tables(tmp_path / "from")
    flip(largest_table(tmp_path / "from"), 100_000)

    assert copy([str(tmp_path / "from"), str(tmp_path / "to")]) == 1

    told = capsys.readouterr().err
    assert f"{tmp_path / 'from'} is damaged and was left untouched: " in told
    assert told.count("\n") == 1
    assert [at.name for at in tmp_path.iterdir()] == ["from"]


class FullDisk:
    """A real database that has no room for a second batch."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._batches = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    def write(self, batch: Batch) -> None:
        self._batches += 1
        if self._batches > 1:
            raise DatabaseFailed("IO error: No space left on device: /x/000004.log")
        self._database.write(batch)


async def test_full_disk_leaves_nothing(
    tmp_path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(tmp_path / "from", "leveldb")
    opened = opening.open_database
    monkeypatch.setattr(opening, "open_database", lambda path: FullDisk(opened(path)))

    assert copy([str(tmp_path / "from"), f"rocksdb:{tmp_path / 'to'}"]) == 1

    assert capsys.readouterr().err == (
        f"miniqueue: {tmp_path / 'to'} cannot be written: "
        "IO error: No space left on device: 000004.log\n"
    )
    assert [at.name for at in tmp_path.iterdir()] == ["from"]


@contextmanager
def held(tmp_path: Path) -> Iterator[Any]:
    with copying(Address(None, tmp_path / "from"), Address("rocksdb", tmp_path / "to")) as made:
        yield made


@pytest.mark.parametrize("during", ["copying", "verifying"])
async def test_interrupted_copy_leaves_nothing(tmp_path: Path, during: str) -> None:
    await fill(tmp_path / "from", "leveldb")

    def bars(description: str) -> Callable[[int, int], None]:
        def advance(_messages: int, _size: int) -> None:
            if description == during:
                raise KeyboardInterrupt

        return advance

    with pytest.raises(KeyboardInterrupt), held(tmp_path) as made:
        made.make(bars)

    assert [at.name for at in tmp_path.iterdir()] == ["from"]
    storage = open_storage(str(tmp_path / "from"))
    assert bodies(lease(storage, "b", 1)) == [b"once"]
    await storage.aclose()


async def test_copy_that_lost_a_record_is_not_put_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await fill(tmp_path / "from", "leveldb")
    opened = opening.open_database

    def open_and_lose(path: Path) -> Database:
        database = opened(path)
        entry = next(database.read_strictly(b"\x02", None), None)
        if entry is not None:
            batch = database.batch()
            batch.delete(entry[0])
            database.write(batch)
        return database

    monkeypatch.setattr(opening, "open_database", open_and_lose)

    with pytest.raises(DatabaseRefused, match="is not what was read"), held(tmp_path) as made:
        made.make(lambda _description: lambda _messages, _size: None)

    assert [at.name for at in tmp_path.iterdir()] == ["from"]
