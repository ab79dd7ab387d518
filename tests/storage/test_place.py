"""The directory is held: nobody else gets in, and what happens to it is noticed."""

import gc
import os
from pathlib import Path

import pytest

from miniqueue_py.errors import DatabaseRefused, StorageUnavailable
from miniqueue_py.storage.keyvalue.libraries import LEVELDB
from miniqueue_py.storage.keyvalue.library import Library
from miniqueue_py.storage.keyvalue.place import Place
from miniqueue_py.testing.storing import bodies, lease, publish
from tests.storage.faulty import reopen

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("library")]


async def test_directory_that_is_moved_confirms_nothing_more(tmp_path: Path) -> None:
    path = tmp_path / "db"
    storage = reopen(path)
    await publish(storage, "a", b"1")

    path.rename(tmp_path / "elsewhere")

    with pytest.raises(StorageUnavailable, match=f"{path} was moved or replaced while it was open"):
        await publish(storage, "a", b"2")
    await storage.aclose()
    again = reopen(tmp_path / "elsewhere")
    assert bodies(lease(again, "a", 9))[:1] == [b"1"]
    await again.aclose()


async def test_directory_that_another_stands_in_for_confirms_nothing_more(tmp_path: Path) -> None:
    path = tmp_path / "db"
    storage = reopen(path)
    await publish(storage, "a", b"1")

    path.rename(tmp_path / "elsewhere")
    path.mkdir()

    with pytest.raises(StorageUnavailable, match="moved or replaced"):
        await publish(storage, "a", b"2")
    await storage.aclose()


async def test_link_that_is_pointed_elsewhere_changes_nothing(tmp_path: Path) -> None:
    (tmp_path / "first").mkdir()
    (tmp_path / "second").mkdir()
    link = tmp_path / "db"
    link.symlink_to(tmp_path / "first")
    storage = reopen(link)
    await publish(storage, "a", b"1")

    link.unlink()
    link.symlink_to(tmp_path / "second")
    for number in range(20):
        await publish(storage, "a", b"%d" % number * 1_000_000)  # the log is cut off twice
    await storage.aclose()

    assert not list((tmp_path / "second").iterdir())
    again = reopen(tmp_path / "first")
    assert again.statistics("a").ready == 21
    await again.aclose()


async def test_second_broker_is_refused_though_the_lock_file_is_gone(tmp_path: Path) -> None:
    storage = reopen(tmp_path)
    (tmp_path / "LOCK").unlink()
    gc.collect()  # it is the storage that holds it

    # LevelDB would know of another one in this process; a lock of ours is between any two.
    with pytest.raises(DatabaseRefused, match="another broker has it open"):
        Place(tmp_path)

    await storage.aclose()
    Place(tmp_path).close()


async def test_directory_that_was_refused_is_let_go(tmp_path: Path, library: Library) -> None:
    names = ["000005.ldb"] if library is LEVELDB else ["000005.sst", "IDENTITY"]
    for name in names:
        (tmp_path / name).touch()
    with pytest.raises(DatabaseRefused, match="no file CURRENT"):
        reopen(tmp_path)
    (tmp_path / names[0]).unlink()

    await reopen(tmp_path).aclose()


async def test_new_directories_are_synced_into_those_above(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    fsync = os.fsync

    def note(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        fsync(descriptor)

    monkeypatch.setattr(os, "fsync", note)

    await reopen(tmp_path / "var" / "db").aclose()

    assert synced[:2] == [tmp_path, tmp_path / "var"]


async def test_database_is_free_though_somebody_keeps_what_a_snapshot_showed(
    tmp_path: Path,
) -> None:
    """CPython 3.13 lets go of nothing that a generator was handed which never began."""
    storage = reopen(tmp_path)
    await publish(storage, "a", b"1")
    with storage.snapshot("a", 1.0) as messages:
        kept = messages
    await storage.aclose()

    again = reopen(tmp_path)

    assert bodies(lease(again, "a", 1)) == [b"1"]
    with pytest.raises(StorageUnavailable):
        next(iter(kept))
    await again.aclose()
