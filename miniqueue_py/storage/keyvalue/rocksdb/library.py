"""RocksDB: its files, and how a database of it is opened."""

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from miniqueue_py.storage.keyvalue.copies import copied
from miniqueue_py.storage.keyvalue.database import Database
from miniqueue_py.storage.keyvalue.log_tail import LOST
from miniqueue_py.storage.keyvalue.manifest import Manifest
from miniqueue_py.storage.keyvalue.rocksdb.manifest import read_manifest

_MARK = re.compile(r"IDENTITY|OPTIONS-\d+|LOG\.old\.\d+|rocksdict-config\.json|\d+\.blob")
_OWN = re.compile(
    rf"{_MARK.pattern}|CURRENT|LOCK|LOG|MANIFEST-\d+|OPTIONS-\d+\.dbtmp"
    rf"|\d+\.(log|sst|dbtmp)|lost\+found|{LOST}"
)


class RocksLibrary:
    """The seam's `Library`; rocksdict is imported when a database is opened."""

    name = "RocksDB"
    scheme = "rocksdb"
    package = "rocksdict"
    table_suffix = ".sst"

    def owns(self, name: str) -> bool:
        return _OWN.fullmatch(name) is not None

    def marks(self, name: str) -> bool:
        return _MARK.fullmatch(name) is not None

    def read_manifest(self, path: Path) -> Manifest:
        return read_manifest(path)

    def open(self, path: Path) -> Database:
        from miniqueue_py.storage.keyvalue.rocksdb.opening import open_database  # noqa: PLC0415

        return open_database(path)

    @contextmanager
    def look_into(
        self, path: Path, manifest: Manifest, *, passes_over_damage: bool
    ) -> Iterator[Database]:
        from miniqueue_py.storage.keyvalue.rocksdb.opening import open_copy  # noqa: PLC0415

        with (
            copied(path, manifest) as copy,
            closing(open_copy(copy, passes_over_damage=passes_over_damage)) as database,
        ):
            yield database

    def open_damaged(self, links: Path, damages: list[str]) -> Database:
        from miniqueue_py.storage.keyvalue.rocksdb.opening import open_damaged  # noqa: PLC0415

        return open_damaged(links, damages)

    def rebuild_manifest(self, links: Path) -> None:
        from miniqueue_py.storage.keyvalue.rocksdb.opening import rebuild_manifest  # noqa: PLC0415

        rebuild_manifest(links)
