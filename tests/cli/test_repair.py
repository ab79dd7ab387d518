"""A damaged database is repaired beside it, told of, and put in its place if that is wanted."""

import os
import shutil
import sys
from collections.abc import Callable
from io import StringIO
from pathlib import Path

import pytest

from miniqueue_py.broker.delivery import ACK
from miniqueue_py.broker.message import Publication
from miniqueue_py.broker.policy import TopicPolicy
from miniqueue_py.cli.repair import repair
from miniqueue_py.errors import DatabaseRefused
from miniqueue_py.storage.keyvalue.database import Batch, Database
from miniqueue_py.storage.keyvalue.libraries import library_of
from miniqueue_py.storage.keyvalue.library import Library
from miniqueue_py.storage.ordered.offline.repair import repaired
from miniqueue_py.storage.ordered.offline.salvage import salvage
from miniqueue_py.testing.storing import bodies, lease, publish, publish_as
from tests.storage.faulty import reopen
from tests.storage.hurting import flip, largest_table, put_in_tables

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("library")]

Output = pytest.CaptureFixture[str]


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """A database with two topics in tables, and some messages in a log."""
    path = tmp_path / "db"
    storage = reopen(path)
    await publish(storage, "a", *[b"a%07d" % number + b"." * 100 for number in range(2000)])
    await storage.set_policy("b", TopicPolicy(max_deliveries=3))
    await publish_as(storage, "b", Publication((b"b",), delay_seconds=3600, key="once"))
    await storage.aclose()
    put_in_tables(path)
    storage = reopen(path)
    for number in range(20):
        await publish(storage, "a", b"late %d" % number + b"." * 100)
    storage.settle(lease(storage, "a", 5), ACK)
    await storage.aclose()
    return path


def hurt_a_block(path: Path) -> None:
    flip(largest_table(path), 100_000)


def hurt_the_topics(path: Path) -> None:
    flip(largest_table(path), 100)


def hurt_the_log(path: Path) -> None:
    [log] = path.glob("*.log")
    flip(log, 500)


def lose_current(path: Path) -> None:
    (path / "CURRENT").unlink()


def lose_the_log(path: Path) -> None:
    [log] = path.glob("*.log")
    log.unlink()


def hurt_the_manifest(path: Path) -> None:
    [manifest] = path.glob("MANIFEST-*")
    manifest.write_bytes(b"\x00" * 100)


def hurt_an_index(path: Path) -> None:
    table = largest_table(path)
    flip(table, table.stat().st_size - 48 - 20)


@pytest.mark.parametrize(
    ("hurt", "most_lost"),
    [
        (hurt_a_block, 40),
        (hurt_the_topics, 40),
        (hurt_the_log, 20),
        (lose_current, 0),
        (lose_the_log, 20),
        (hurt_the_manifest, 0),
        (hurt_an_index, 2000),
    ],
)
async def test_repaired_database_has_the_rest_and_exact_counts(
    path: Path, capsys: Output, hurt: Callable[[Path], None], most_lost: int
) -> None:
    hurt(path)

    assert repair([str(path), "--yes"]) == 0

    told = capsys.readouterr()
    assert told.err == ""
    assert f"{path} is repaired; as it was it is {path}.damaged, for you to delete" in told.out
    storage = reopen(path)
    assert storage.damages == ()
    [name] = [each for each in storage.topics() if each in {"a", "recovered-1"}]
    ready = storage.statistics(name).ready
    taken = bodies(lease(storage, name, 10_000))
    assert len(taken) == ready >= 2015 - most_lost
    assert len(set(taken)) == len(taken)
    await publish(storage, name, b"new")
    assert bodies(lease(storage, name, 9)) == [b"new"]
    policies = [storage.policy(each) for each in ("b", "recovered-2")]
    assert TopicPolicy(max_deliveries=3) in policies or hurt is hurt_an_index
    await storage.aclose()
    assert sorted(each.name for each in path.parent.iterdir()) == ["db", "db.damaged"]


async def test_what_would_be_lost_is_told_and_nothing_is_changed_unasked(
    path: Path, capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    hurt_a_block(path)
    before = {at.name: at.read_bytes() for at in path.iterdir()}
    monkeypatch.setattr(sys, "stdin", StringIO("y\n"))  # which is no terminal

    assert repair([str(path)]) == 1

    told = capsys.readouterr()
    assert "messages of topic 'a' from 1-" in told.out
    assert "messages would be lost" in told.out
    assert told.err == "miniqueue: nothing was changed; --yes puts the repair in place\n"
    assert {at.name: at.read_bytes() for at in path.iterdir()} == before
    assert [at.name for at in path.parent.iterdir()] == ["db"]


@pytest.mark.parametrize(("answer", "status"), [("y\n", 0), ("\n", 1), ("", 1)])
async def test_who_sits_at_a_terminal_is_asked(
    path: Path, monkeypatch: pytest.MonkeyPatch, answer: str, status: int
) -> None:
    class Terminal(StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setattr(sys, "stdin", Terminal(answer))

    assert repair([str(path)]) == status


async def test_second_repair_keeps_the_first_copy(path: Path) -> None:
    assert repair([str(path), "--yes"]) == 0
    assert repair([str(path), "-y"]) == 0

    assert sorted(at.name for at in path.parent.iterdir()) == ["db", "db.damaged", "db.damaged.2"]


async def test_database_in_use_is_not_repaired(path: Path, capsys: Output) -> None:
    storage = reopen(path)

    assert repair([str(path), "--yes"]) == 1

    assert "another broker has it open" in capsys.readouterr().err
    await storage.aclose()


def test_what_is_not_there_is_not_made(tmp_path: Path, capsys: Output) -> None:
    assert repair([str(tmp_path / "none"), "--yes"]) == 1

    assert "none does not exist" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


async def test_broker_names_the_command_that_helps(path: Path) -> None:
    hurt_the_log(path)
    with pytest.raises(DatabaseRefused, match=f"`miniqueue repair {path}`"):
        reopen(path)

    assert repair([str(path), "--yes"]) == 0
    await reopen(path).aclose()
    shutil.rmtree(path)


async def test_large_messages_are_written_one_by_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = reopen(tmp_path / "db")
    await publish(storage, "a", *[bytes(300_000)] * 3)
    await storage.aclose()
    grown: list[int] = []
    library = library_of(tmp_path / "db")
    assert library is not None
    opened = type(library).open

    def open_and_note(self: Library, path: Path) -> Database:
        database = opened(self, path)
        log = next(path.glob("*.log"))
        write = database.write

        def write_and_note(batch: Batch) -> None:
            before = log.stat().st_size
            write(batch)
            grown.append(log.stat().st_size - before)

        database.write = write_and_note  # type: ignore[misc]
        return database

    monkeypatch.setattr(type(library), "open", open_and_note)

    salvage(tmp_path / "db", tmp_path / "work")

    assert 300_000 < max(grown) < 400_000


async def test_repair_is_on_the_disk_before_it_takes_the_place(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    fsync = os.fsync

    def fsync_and_tell(descriptor: int) -> None:
        fsync(descriptor)
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())

    monkeypatch.setattr(os, "fsync", fsync_and_tell)

    with repaired(path) as made:
        [work] = path.parent.glob("db.repair-*/repaired")
        logs = set(work.glob("*.log"))
        made.put_in_place()

    assert logs <= set(synced)
    assert synced[-1] == path.parent
