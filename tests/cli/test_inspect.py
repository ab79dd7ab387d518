"""A database is looked into from outside, whole or damaged, and not a byte of it changes."""

import hashlib
import json
import multiprocessing
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from miniqueue_py.broker.clock import SystemClock
from miniqueue_py.broker.delivery import Bury, Requeue
from miniqueue_py.broker.message import Publication
from miniqueue_py.broker.policy import TopicPolicy
from miniqueue_py.cli.inspect import inspect
from miniqueue_py.errors import BadSetting
from miniqueue_py.storage import open_storage
from miniqueue_py.storage.keyvalue.library import Library
from miniqueue_py.storage.ordered.layout import keys
from miniqueue_py.testing.storing import lease, publish, publish_as
from tests.storage.raw import open_database, raw

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("library")]

Output = pytest.CaptureFixture[str]

PROJECT = Path(__file__).resolve().parents[2]
HOUR = 3600.0


@pytest.fixture
async def database(tmp_path: Path) -> Path:
    """A database with one of everything, as a broker that was killed left it."""
    path = tmp_path / "db"
    storage = open_storage(str(path), fsync="never")
    await publish(storage, "orders", b"one", b"two", b"three \xff\x1b[31m\n")
    await publish_as(storage, "orders", Publication([b"late"], delay_seconds=HOUR))
    await publish_as(storage, "orders", Publication([b"urgent"], priority=9, key="order-17"))
    await storage.set_policy("orders", TopicPolicy(lease=30, max_deliveries=3, is_paused=True))
    await publish(storage, "swept", b"away")
    await storage.purge("swept")
    held = lease(storage, "orders", 3)
    storage.settle(held[:1], Bury("orders.dead", "maxDeliveries", at_ms=1_000_000))
    await storage.aclose()
    with raw(path) as opened:
        # So that it has a table, and a log with something in it.
        opened.put(keys.LAST_TOPIC_KEY, keys.topic_key(3))
    return path


async def test_nothing_in_the_directory_changes(
    database: Path, capsys: Output, library: Library
) -> None:
    (database / f"000099{library.table_suffix}").write_bytes(b"left over by a crash")
    before = everything_of(database)

    for words in ([], ["--json"], ["--topic", "orders"], ["--check"], ["--topic", "nothing"]):
        inspect([str(database), *words])

    assert everything_of(database) == before
    assert "orders" in capsys.readouterr().out


async def test_nothing_in_a_damaged_directory_changes(database: Path) -> None:
    flip_a_byte(table_of(database), at=200)
    flip_a_byte(last(database, "*.log"), at=10)
    before = everything_of(database)

    assert inspect([str(database), "--check"]) == 1

    assert everything_of(database) == before


async def test_a_leftover_with_the_number_of_the_next_table_is_not_written_to(
    tmp_path: Path, library: Library
) -> None:
    database = tmp_path / "db"
    with raw(database) as made:
        made.put(keys.VERSION_KEY, b"miniqueue 3")
    for number in range(1, 30):
        (database / f"{number:06}{library.table_suffix}").write_bytes(b"left over")
    before = everything_of(database)

    assert inspect([str(database)]) == 0

    assert everything_of(database) == before


async def test_what_is_in_a_database_is_told(database: Path, capsys: Output) -> None:
    assert inspect([str(database)]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == f"database  {database}"
    assert lines[1] == "format    miniqueue 3"
    assert lines[3] == "holds     5 messages in 2 topics"
    assert lines[4] == "deleted   1 topic, still taking space"
    assert lines[6].split() == ["topic", "ready", "delayed", "size", "oldest", "died", "keys"]
    assert lines[7].split()[:4] == ["orders", "3", "1", "23"]
    assert lines[7].split()[-2:] == ["1", "1"]
    assert lines[8].split()[:3] == ["orders.dead", "1", "0"]
    assert lines[-1] == "orders  paused, lease 30, maxDeliveries 3"


async def test_messages_of_a_topic_are_told_in_the_order_they_would_come(
    database: Path, capsys: Output
) -> None:
    assert inspect([str(database), "--topic", "orders"]) == 0

    lines = capsys.readouterr().out.splitlines()[-4:]
    assert [line.split()[0] for line in lines] == ["1-1", "1-2", "1-3", "1-4"]
    assert lines[2].endswith(r"three \xff\x1b[31m\n")
    assert "[due in 0.0s]  late" in lines[3]


async def test_a_dead_letter_says_where_it_came_from(database: Path, capsys: Output) -> None:
    assert inspect([str(database), "--topic", "orders.dead", "-n", "1"]) == 0

    last_line = capsys.readouterr().out.splitlines()[-1]
    assert "[priority 9, from orders (maxDeliveries)]  urgent" in last_line


async def test_json_has_the_names_of_the_wire(database: Path, capsys: Output) -> None:
    assert inspect([str(database), "--json", "--topic", "orders", "-n", "1"]) == 0

    told = json.loads(capsys.readouterr().out)
    [topic] = told["topics"]
    assert (told["format"], told["deletedTopics"], told["damages"]) == ("miniqueue 3", 1, [])
    assert topic["policy"]["maxDeliveries"] == 3
    assert (topic["ready"], topic["delayed"], topic["paused"], topic["keys"]) == (3, 1, True, 1)
    assert told["messages"] == [
        {"msg": "b25l", "attempt": 1, "messageId": "1-1", "publishedAt": 1_000_000}
    ]


async def test_a_whole_database_passes_the_check(database: Path, capsys: Output) -> None:
    assert inspect([str(database), "--check"]) == 0

    assert capsys.readouterr().err == ""


def _hold(path: str, is_held: "multiprocessing.synchronize.Event") -> None:
    database = open_database(Path(path))
    is_held.set()
    multiprocessing.Event().wait(30)
    del database


async def test_a_database_in_use_is_refused_and_stays_locked(
    database: Path, capsys: Output
) -> None:
    context = multiprocessing.get_context("spawn")
    is_held = context.Event()
    holder = context.Process(target=_hold, args=(str(database), is_held))
    holder.start()
    try:
        assert is_held.wait(30)
        before = everything_of(database)

        assert [inspect([str(database)]) for _ in range(2)] == [1, 1]

        assert everything_of(database) == before
    finally:
        holder.kill()
        holder.join()
    captured = capsys.readouterr()
    assert captured.out == ""
    assert f"is in use: process {holder.pid} has it open" in captured.err
    assert inspect([str(database)]) == 0


async def test_a_copy_without_a_lock_is_read(database: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(database, copy)
    (copy / "LOCK").unlink()

    assert inspect([str(copy)]) == 0


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda _: None, "does not exist; name the directory that the broker has as -db"),
        (lambda path: path.write_text("x"), "is not a directory"),
        (lambda path: path.mkdir(), "is not a database: it has no file CURRENT"),
        (lambda path: _with_file(path, "letter.txt"), "is not a database: it holds 'letter.txt'"),
        (lambda path: _with_record(path, b"t-foo", b"1"), "was written by another program"),
        (lambda path: _with_record(path, keys.VERSION_KEY, b"miniqueue 99"), "newer version"),
        (lambda path: _with_record(path, keys.VERSION_KEY, b"leopard"), "by another program"),
    ],
)
async def test_what_is_no_database_of_ours_is_refused_in_a_line(
    make: Callable[[Path], None], sentence: str, tmp_path: Path, capsys: Output
) -> None:
    path = tmp_path / "db"
    make(path)

    assert inspect([str(path)]) == 1

    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"miniqueue: {path} ")
    assert sentence in captured.err
    assert captured.err.count("\n") == 1


async def test_an_empty_database_is_told(tmp_path: Path, capsys: Output) -> None:
    with raw(tmp_path):
        ...

    assert inspect([str(tmp_path)]) == 0

    assert "none: nothing was ever written" in capsys.readouterr().out


async def test_a_topic_that_is_not_there_fails(database: Path, capsys: Output) -> None:
    assert inspect([str(database), "--topic", "nothing"]) == 1

    assert "there is no topic 'nothing'" in capsys.readouterr().err


def _cut_the_manifest(path: Path) -> None:
    only(path, "MANIFEST-*").write_bytes(b"\x00" * 100)


def _lose_the_manifest(path: Path) -> None:
    only(path, "MANIFEST-*").unlink()


def _lose_a_table(path: Path) -> None:
    table_of(path).unlink()


def _cut_a_table(path: Path) -> None:
    table = table_of(path)
    table.write_bytes(table.read_bytes()[:50])


@pytest.mark.parametrize(
    ("damage", "sentence"),
    [
        (_cut_the_manifest, "has nothing in it that can be read"),
        (_lose_the_manifest, "is missing"),
        (_lose_a_table, " is missing, a table of"),
        (_cut_a_table, " has 50 bytes, and was written with"),
    ],
)
async def test_damaged_files_are_named(
    damage: Callable[[Path], None], sentence: str, database: Path, capsys: Output
) -> None:
    damage(database)

    assert inspect([str(database)]) == 1

    error = capsys.readouterr().err
    assert f"{database} is damaged: " in error
    assert sentence in error


async def test_what_is_behind_a_damaged_place_in_a_log_is_passed_over_and_told(
    tmp_path: Path, capsys: Output
) -> None:
    storage = open_storage(str(tmp_path), fsync="never")
    await publish(storage, "orders", b"one")
    await publish(storage, "orders", b"two")
    await storage.aclose()
    log = last(tmp_path, "*.log")
    flip_a_byte(log, at=log.stat().st_size - 1)

    assert inspect([str(tmp_path), "--json"]) == 1

    captured = capsys.readouterr()
    told = json.loads(captured.out)
    assert [(topic["name"], topic["ready"]) for topic in told["topics"]] == [("orders", 1)]
    [damage] = told["damages"]
    assert "checksum mismatch" in damage


async def test_a_record_that_makes_no_sense_is_told_and_the_rest_is_shown(
    database: Path, capsys: Output
) -> None:
    with raw(database) as opened:
        opened.put(keys.topic_key(77), b"\x09 no format")
        opened.put(keys.policy_key(1), b"{}}")
        opened.put(keys.message_key(1, keys.MIDDLE), b"\x09 no format")

    assert inspect([str(database), "--topic", "orders"]) == 1

    captured = capsys.readouterr()
    assert "the topic under 010000004d cannot be read" in captured.err
    assert "the policy under 0800000001 cannot be read" in captured.err
    assert "a message of 'orders' under" in captured.err
    assert "1-2" in captured.out


async def test_the_check_finds_damaged_blocks_and_counts_that_are_wrong(
    database: Path, capsys: Output
) -> None:
    with raw(database) as opened:
        opened.delete(keys.message_key(1, keys.MIDDLE))
        opened.put(keys.delayed_key(1, 88, 1), b"of nobody")
    inspect([str(database), "--check"])
    counted = capsys.readouterr().err
    assert "topic 'orders' says ready 3, and has 2" in counted
    assert "topic 'orders' says bytes 23, and has 20" in counted
    assert "delayed messages of topic 88 are there, and the topic is not" in counted

    flip_a_byte(min((*database.glob("*.ldb"), *database.glob("*.sst"))), at=200)
    assert inspect([str(database), "--check"]) == 1
    assert "records between 01 and 02 cannot be read" in capsys.readouterr().err


async def test_the_page_shows_what_is_printed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Output
) -> None:
    monkeypatch.chdir(tmp_path)
    await make_shop(now=SystemClock().now())
    page = (PROJECT / "docs" / "cli.md").read_text()
    [told] = re.findall(
        r"^```text\n(\$ miniqueue inspect.*?\n)```$", page, re.MULTILINE | re.DOTALL
    )

    printed = ""
    for command in re.findall(r"^\$ miniqueue inspect (.*)$", told, re.MULTILINE):
        assert inspect(command.split()) == 0
        printed += f"$ miniqueue inspect {command}\n{capsys.readouterr().out}"

    assert re.sub(r"^size .*$", "size", printed, flags=re.MULTILINE) == (
        re.sub(r"^size .*$", "size", told, flags=re.MULTILINE)
    )


async def make_shop(now: float) -> None:
    """Make the database that the page looks into, two hours old."""
    then = now - 2 * HOUR
    storage = open_storage("shop", fsync="never")
    await publish(storage, "orders", b"one", b"two", now=then)
    await publish_as(storage, "orders", Publication([b"late"], delay_seconds=24 * HOUR), then)
    await publish_as(storage, "orders", Publication([b"urgent"], priority=9, key="k"), then)
    await storage.set_policy("orders", TopicPolicy(lease=30, max_deliveries=3, is_paused=True))
    urgent, one = lease(storage, "orders", 2, then)
    storage.settle([one], Bury("orders.dead", "maxDeliveries", at_ms=round(then * 1000)))
    storage.settle([urgent], Requeue(front=True, is_counted=False))
    await storage.aclose()


@pytest.mark.parametrize("words", [[], ["a", "b"], ["a", "--topics"], ["a", "-n", "many"]])
async def test_words_that_are_not_known_are_refused(words: list[str]) -> None:
    with pytest.raises(BadSetting):
        inspect(words)


def everything_of(path: Path) -> list[tuple[Any, ...]]:
    """What must not change: names, contents, times, owners and modes."""
    facts: list[tuple[Any, ...]] = [(".", path.stat().st_mtime_ns)]
    for at in sorted(path.iterdir()):
        status = at.lstat()
        digest = hashlib.sha256(at.read_bytes()).hexdigest()
        facts.append((at.name, digest, status.st_mtime_ns, status.st_ctime_ns, status.st_ino))
    return facts


def table_of(path: Path) -> Path:
    [found] = (*path.glob("*.ldb"), *path.glob("*.sst"))
    return found


def only(path: Path, pattern: str) -> Path:
    [found] = path.glob(pattern)
    return found


def first(path: Path, pattern: str) -> Path:
    return min(path.glob(pattern))


def last(path: Path, pattern: str) -> Path:
    return max(path.glob(pattern))


def flip_a_byte(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 0xFF
    path.write_bytes(data)


def _with_file(path: Path, name: str) -> None:
    path.mkdir()
    (path / name).touch()


def _with_record(path: Path, key: bytes, value: bytes) -> None:
    with raw(path) as database:
        database.put(key, value)


@pytest.mark.parametrize(
    "given", ["postgresql://me:secret@host/x?password=secret", "redis://me:secret@host/x"]
)
def test_a_server_is_no_directory_and_its_password_is_not_shown(given: str) -> None:
    with pytest.raises(BadSetting, match="DIR: ") as caught:
        inspect([given])

    assert "secret" not in str(caught.value)
