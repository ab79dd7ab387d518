"""What opens, and what is refused in words."""

import multiprocessing
import os
from pathlib import Path
from time import monotonic

import pytest

from miniqueue_py.cli.inspect import inspect
from miniqueue_py.errors import DatabaseRefused
from miniqueue_py.storage import open_storage
from miniqueue_py.storage.keyvalue import room as rooms
from miniqueue_py.storage.keyvalue.libraries import LEVELDB, ROCKSDB
from miniqueue_py.storage.keyvalue.library import Library
from miniqueue_py.storage.keyvalue.log_sync import LogSync
from miniqueue_py.storage.keyvalue.room import RESERVE_BYTES, Room
from miniqueue_py.storage.ordered.layout import keys
from miniqueue_py.testing.storing import publish
from tests.storage.raw import open_database, raw

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("library")]


async def test_second_broker_on_one_directory_is_refused(tmp_path: Path) -> None:
    first = open_storage(str(tmp_path))

    with pytest.raises(DatabaseRefused, match="another broker has it open"):
        open_storage(str(tmp_path))

    await first.aclose()


def _open_and_wait(path: str, ready: "multiprocessing.synchronize.Event") -> None:
    storage = open_storage(path)  # which lets go when nobody refers to it
    ready.set()
    multiprocessing.Event().wait(30)
    del storage


def test_second_process_on_one_directory_is_refused(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    ready = context.Event()
    other = context.Process(target=_open_and_wait, args=(str(tmp_path), ready))
    other.start()
    try:
        assert ready.wait(30)

        with pytest.raises(DatabaseRefused, match="another broker has it open"):
            open_storage(str(tmp_path))
    finally:
        other.kill()
        other.join()


async def test_database_of_a_newer_version_is_refused(tmp_path: Path) -> None:
    with raw(tmp_path) as database:
        database.put(keys.VERSION_KEY, b"miniqueue 4")

    with pytest.raises(DatabaseRefused, match="newer version"):
        open_storage(str(tmp_path))


async def test_database_of_another_program_is_refused(tmp_path: Path) -> None:
    with raw(tmp_path) as database:
        database.put(b"t-foo-head", b"1")

    with pytest.raises(DatabaseRefused, match="written by another program"):
        open_storage(str(tmp_path))


async def test_folder_of_other_files_is_refused_and_left_alone(
    tmp_path: Path, library: Library
) -> None:
    (tmp_path / "letters.txt").write_text("dear")

    with pytest.raises(
        DatabaseRefused, match=rf"not a {library.name} database: it holds 'letters.txt'"
    ):
        open_storage(str(tmp_path))

    assert [path.name for path in tmp_path.iterdir()] == ["letters.txt"]


async def test_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("x")

    with pytest.raises(DatabaseRefused, match="is not a directory"):
        open_storage(str(path))


async def test_damaged_database_is_refused(tmp_path: Path) -> None:
    storage = open_storage(str(tmp_path))
    await publish(storage, "a", b"1")
    await storage.aclose()
    for manifest in tmp_path.glob("MANIFEST-*"):
        manifest.write_bytes(b"\x00" * 100)

    with pytest.raises(DatabaseRefused, match=str(tmp_path)):
        open_storage(str(tmp_path))


async def test_directory_of_a_start_that_was_killed_is_opened(tmp_path: Path) -> None:
    (tmp_path / "LOCK").touch()
    (tmp_path / "LOG").write_text("made and killed")
    (tmp_path / "lost+found").mkdir()

    await open_storage(str(tmp_path)).aclose()


async def test_directory_of_a_start_that_was_killed_in_its_middle_is_opened(
    tmp_path: Path, library: Library
) -> None:
    open_database(tmp_path / "other").close()
    (tmp_path / "other" / "CURRENT").unlink()
    for at in (tmp_path / "other").glob("*.log"):
        at.unlink()
    [manifest] = (tmp_path / "other").glob("MANIFEST-*")
    path = tmp_path / "db"
    path.mkdir()
    manifest.rename(path / "MANIFEST-000001")
    (path / "000001.dbtmp").touch()
    if library is ROCKSDB:  # it marks a directory before it makes anything else there
        (path / "IDENTITY").touch()

    await open_storage(str(path)).aclose()


@pytest.mark.parametrize("lost", [["CURRENT"], ["CURRENT", "MANIFEST-*"], ["CURRENT", "*.log"]])
async def test_part_of_a_database_is_refused_and_left_alone(
    tmp_path: Path, lost: list[str], library: Library
) -> None:
    storage = open_storage(str(tmp_path))
    await publish(storage, "a", b"1")
    await storage.aclose()
    await open_storage(str(tmp_path)).aclose()  # which makes a table of the log
    for pattern in lost:
        for at in tmp_path.glob(pattern):
            at.unlink()
    before = {at.name for at in tmp_path.iterdir()}
    assert any(name.endswith(library.table_suffix) for name in before)

    with pytest.raises(DatabaseRefused, match="and no file CURRENT; `miniqueue repair"):
        open_storage(str(tmp_path))

    assert {at.name for at in tmp_path.iterdir()} == before


async def test_log_that_is_missing_is_noticed(
    tmp_path: Path, library: Library, capsys: pytest.CaptureFixture[str]
) -> None:
    storage = open_storage(str(tmp_path))
    await publish(storage, "a", b"1")
    await storage.aclose()
    [log] = tmp_path.glob("*.log")
    log.unlink()
    # RocksDB's list names no log before a first table was made.
    name = log.name if library is LEVELDB else "the newest log"

    with pytest.raises(DatabaseRefused, match=f"{name} is missing"):
        open_storage(str(tmp_path))
    assert inspect([str(tmp_path)]) == 1
    assert f"{name} is missing" in capsys.readouterr().err


async def test_path_that_cannot_be_made_is_refused() -> None:
    with pytest.raises(DatabaseRefused, match="cannot be opened"):
        open_storage("/proc/miniqueue")


async def test_leveldb_writes_each_record_to_its_file_at_once(tmp_path: Path) -> None:
    # What LogSync relies on: bytes that are not in the file cannot be synced.
    with raw(tmp_path) as database:
        [log] = tmp_path.glob("*.log")
        for number in range(3):
            before = log.stat().st_size
            database.put(b"%d" % number, b"x" * 100)
            assert log.stat().st_size >= before + 100


async def test_log_sync_syncs_every_log_and_a_new_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink().name)
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)
    (tmp_path / "000003.log").touch()
    (tmp_path / "000002.ldb").touch()
    sync = LogSync(tmp_path)

    sync()
    sync()
    (tmp_path / "000004.log").touch()
    sync()

    name = tmp_path.name
    assert sorted(synced[:2]) == sorted(["000003.log", name])
    assert synced[2:3] == ["000003.log"]
    assert sorted(synced[3:]) == sorted(["000003.log", "000004.log", name])


async def test_log_sync_looks_for_logs_when_the_directory_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks, synced = 0, 0
    scandir, fsync = os.scandir, os.fsync

    def look(path: Path) -> object:
        nonlocal looks
        looks += 1
        return scandir(path)

    def note(descriptor: int) -> None:
        nonlocal synced
        synced += 1
        fsync(descriptor)

    (tmp_path / "000003.log").touch()
    os.utime(tmp_path, (1e9, 1e9))
    sync = LogSync(tmp_path)
    sync()
    monkeypatch.setattr(os, "scandir", look)
    monkeypatch.setattr(os, "fsync", note)

    sync()
    assert (looks, synced) == (0, 1)
    (tmp_path / "000004.log").touch()
    sync()
    assert (looks, synced) == (1, 4), "both logs, and the directory"
    (tmp_path / "000003.log").unlink()
    sync()
    assert (looks, synced) == (2, 5)
    sync()
    assert looks == 3, "it changed too lately to tell by its time if it changed again"


async def test_room_keeps_a_reserve(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Disk:
        f_frsize = 4096
        f_blocks = 1 << 20
        f_bavail = (RESERVE_BYTES + (1 << 20)) // 4096

    monkeypatch.setattr(os, "statvfs", lambda _path: Disk)
    room = Room(tmp_path)

    assert room(1000)
    assert not room(1 << 20)
    assert room(1000)
    Disk.f_bavail = RESERVE_BYTES // 4096
    monkeypatch.setattr(rooms, "monotonic", lambda: monotonic() + 0.01)
    assert not room(1)


async def test_room_counts_what_was_taken_since_the_disk_was_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Disk:
        f_frsize = 4096
        f_blocks = 1 << 20
        f_bavail = (RESERVE_BYTES + (1 << 20)) // 4096

    asked = 0

    def ask(_path: str) -> type[Disk]:
        nonlocal asked
        asked += 1
        return Disk

    monkeypatch.setattr(os, "statvfs", ask)
    monkeypatch.setattr(rooms, "monotonic", lambda: 1.0)
    room = Room(tmp_path)

    for _ in range(5):
        assert room(100_000)
    assert asked == 1
    Disk.f_bavail = RESERVE_BYTES // 4096
    assert not room(100_000), "it does not fit what is left, so the disk is asked"
    assert asked == 2
