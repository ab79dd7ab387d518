"""A compaction that a library did not do, while it got over a disk that was full."""

from pathlib import Path
from typing import Any

import pytest
from rocksdict import Options, Rdict

from miniqueue_py.storage.keyvalue.rocksdb.database import RocksDatabase
from miniqueue_py.storage.ordered.opening import open_ordered
from miniqueue_py.storage.ordered.writing import janitor
from tests.storage.engines import skip_if_absent

pytestmark = pytest.mark.anyio


class Stumbled:
    """As when a compaction of RocksDB's own has had no room; nothing is done until told."""

    does = False
    errors = 1

    def __init__(self, database: Rdict) -> None:
        self._database = database

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    def compact_range(self, start: bytes, stop: bytes) -> None:
        if self.does:
            self._database.compact_range(start, stop)

    def property_int_value(self, name: str) -> int:
        assert name == "rocksdb.background-errors"
        return self.errors


def test_rocksdb_tells_that_it_did_not_compact(tmp_path: Path) -> None:
    skip_if_absent("rocksdb")
    opened = Rdict(str(tmp_path), Options(raw_mode=True))
    shown: Any = Stumbled(opened)
    database = RocksDatabase(shown)
    for number in range(100):
        opened[b"%03d" % number] = b"x"
    opened.flush()
    for number in range(100):
        del opened[b"%03d" % number]
    opened.flush()

    assert not database.compact(b"0", b"2")
    assert database.compact(b"5", b"6"), "nothing is there"
    shown.errors = 0
    assert database.compact(b"0", b"2"), "nothing went wrong, whatever is there"
    shown.errors, shown.does = 1, True
    assert database.compact(b"0", b"2")
    database.close()


async def test_what_was_not_compacted_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    skip_if_absent("rocksdb")
    answers = [True, False, False]
    asked: list[tuple[bytes, bytes]] = []

    def compact(_database: RocksDatabase, start: bytes, stop: bytes) -> bool:
        asked.append((start, stop))
        return answers.pop()

    monkeypatch.setattr(janitor, "_AGAIN_SECONDS", 0.0)
    monkeypatch.setattr(RocksDatabase, "compact", compact)
    storage = open_ordered(tmp_path, fsync="never", fsync_interval_seconds=1, scheme="rocksdb")
    await storage._janitor._compact([(b"a", b"b")])
    await storage.aclose()

    assert asked == [(b"a", b"b")] * 3
