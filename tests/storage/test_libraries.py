"""Which library opens a directory: by its files, as it is told, or the first there is."""

from pathlib import Path

import pytest

from miniqueue_py.errors import DatabaseRefused
from miniqueue_py.storage import open_storage
from miniqueue_py.storage.keyvalue import libraries
from miniqueue_py.storage.keyvalue.database import DatabaseClosed, write_batch
from miniqueue_py.storage.keyvalue.libraries import LEVELDB, LIBRARIES, ROCKSDB, library_of
from miniqueue_py.storage.keyvalue.library import Library
from miniqueue_py.testing.storing import bodies, lease, publish
from tests.storage.engines import skip_if_absent

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def both() -> None:
    for library in LIBRARIES:
        skip_if_absent(library.scheme)


OTHER: dict[Library, Library] = {LEVELDB: ROCKSDB, ROCKSDB: LEVELDB}


def files_of(path: Path) -> dict[str, int]:
    return {at.name: at.stat().st_mtime_ns for at in path.iterdir()}


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.scheme)
async def test_database_is_opened_by_what_is_in_it(tmp_path: Path, library: Library) -> None:
    storage = open_storage(f"{library.scheme}:{tmp_path}")
    await publish(storage, "a", b"1")
    await storage.aclose()

    assert library_of(tmp_path) is library
    storage = open_storage(str(tmp_path))
    assert bodies(lease(storage, "a", 9)) == [b"1"]
    await storage.aclose()


async def test_new_database_is_of_the_first_that_is_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await open_storage(str(tmp_path / "first")).aclose()
    monkeypatch.setattr(libraries, "is_installed", lambda library: library is ROCKSDB)
    await open_storage(str(tmp_path / "second")).aclose()

    assert library_of(tmp_path / "first") is LEVELDB
    assert library_of(tmp_path / "second") is ROCKSDB


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.scheme)
async def test_database_of_the_other_library_is_refused_and_left_alone(
    tmp_path: Path, library: Library
) -> None:
    await open_storage(f"{library.scheme}:{tmp_path}").aclose()
    before = files_of(tmp_path)

    with pytest.raises(DatabaseRefused) as refused:
        open_storage(f"{OTHER[library].scheme}:{tmp_path}")

    assert str(refused.value) == (
        f"-db: {tmp_path} is a {library.name} database: open it as "
        f"{library.scheme}:{tmp_path}, or move it with `miniqueue copy`"
    )
    assert files_of(tmp_path) == before


@pytest.mark.parametrize("scheme", ["", "leveldb:", "rocksdb:"])
async def test_files_of_both_are_refused_and_left_alone(tmp_path: Path, scheme: str) -> None:
    await open_storage(f"rocksdb:{tmp_path}").aclose()
    (tmp_path / "000042.ldb").touch()
    before = files_of(tmp_path)

    with pytest.raises(
        DatabaseRefused, match=r"holds '000042.ldb' of LevelDB and 'IDENTITY' of RocksDB"
    ):
        open_storage(f"{scheme}{tmp_path}")

    assert files_of(tmp_path) == before


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.scheme)
async def test_library_that_is_not_installed_is_named_and_nothing_is_made(
    tmp_path: Path, library: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    await open_storage(f"{library.scheme}:{tmp_path / 'old'}").aclose()
    monkeypatch.setattr(libraries, "is_installed", lambda each: each is not library)
    install = f"{library.package} is not installed: pip install 'miniqueue-py[{library.scheme}]'"

    for url in (str(tmp_path / "old"), f"{library.scheme}:{tmp_path / 'new'}"):
        with pytest.raises(DatabaseRefused) as refused:
            open_storage(url)
        assert str(refused.value).endswith(install)

    assert [at.name for at in tmp_path.iterdir()] == ["old"]


async def test_start_of_rocksdb_that_was_killed_early_is_gone_on_with(tmp_path: Path) -> None:
    for name in ("IDENTITY", "LOCK", "LOG", "rocksdict-config.json"):
        (tmp_path / name).touch()

    await open_storage(str(tmp_path)).aclose()

    assert library_of(tmp_path) is ROCKSDB


@pytest.mark.parametrize("library", LIBRARIES, ids=lambda library: library.scheme)
def test_database_is_closed_once_however_often_that_is_asked(
    tmp_path: Path, library: Library
) -> None:
    database = library.open(tmp_path)

    database.close()
    database.close()

    library.open(tmp_path).close()


def test_rocksdb_that_is_closed_says_so_to_who_writes(tmp_path: Path) -> None:
    database = ROCKSDB.open(tmp_path)
    database.close()

    with pytest.raises(DatabaseClosed):
        write_batch(database, database.batch())


def test_names_of_a_rocksdb_that_is_long_in_use_are_its_own() -> None:
    for name in ("LOG.old.1796095586855041", "OPTIONS-000015", "000019.sst", "000018.log"):
        assert ROCKSDB.owns(name)
    assert not ROCKSDB.owns("letters.txt")
    assert not LEVELDB.owns("OPTIONS-000015")
