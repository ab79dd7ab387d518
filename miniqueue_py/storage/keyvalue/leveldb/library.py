"""LevelDB: its files, and how a database of it is opened."""

import re
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from miniqueue_py.storage.keyvalue.copies import copied
from miniqueue_py.storage.keyvalue.database import Database
from miniqueue_py.storage.keyvalue.leveldb.manifest import read_manifest
from miniqueue_py.storage.keyvalue.log_tail import LOST
from miniqueue_py.storage.keyvalue.manifest import Manifest

_OWN = re.compile(
    rf"CURRENT|LOCK|LOG(\.old)?|MANIFEST-\d+|\d+\.(log|ldb|sst|dbtmp)|lost\+found|{LOST}"
)
_MARK = re.compile(r"\d+\.ldb")


class LevelLibrary:
    """The seam's `Library`; plyvel is imported when a database is opened."""

    name = "LevelDB"
    scheme = "leveldb"
    package = "plyvel"
    table_suffix = ".ldb"

    def owns(self, name: str) -> bool:
        return _OWN.fullmatch(name) is not None

    def marks(self, name: str) -> bool:
        return _MARK.fullmatch(name) is not None

    def read_manifest(self, path: Path) -> Manifest:
        return read_manifest(path)

    def open(self, path: Path) -> Database:
        from miniqueue_py.storage.keyvalue.leveldb.opening import open_database  # noqa: PLC0415

        return open_database(path)

    @contextmanager
    def look_into(
        self, path: Path, manifest: Manifest, *, passes_over_damage: bool
    ) -> Iterator[Database]:
        from miniqueue_py.storage.keyvalue.leveldb.opening import open_copy  # noqa: PLC0415

        with (
            copied(path, manifest) as copy,
            closing(open_copy(copy, passes_over_damage=passes_over_damage)) as database,
        ):
            yield database

    def open_damaged(self, links: Path, damages: list[str]) -> Database:
        from miniqueue_py.storage.keyvalue.leveldb.opening import open_damaged  # noqa: PLC0415

        return open_damaged(links, damages)

    def rebuild_manifest(self, links: Path) -> None:
        from miniqueue_py.storage.keyvalue.leveldb.opening import rebuild_manifest  # noqa: PLC0415

        rebuild_manifest(links)
