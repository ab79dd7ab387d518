"""A test's database without an engine: read and written key by key."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from miniqueue_py.storage.keyvalue.database import Database, Entry
from miniqueue_py.storage.keyvalue.place import Place


class Raw:
    """An open database, and short words for what a test does to it."""

    def __init__(self, database: Database, place: Place) -> None:
        self._database = database
        self._place = place

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    def __iter__(self) -> Iterator[Entry]:
        return self._database.read_strictly(b"", None)

    def entries(self, space: bytes) -> list[Entry]:
        """Return all whose keys begin so."""
        return [entry for entry in self if entry[0].startswith(space)]

    def put(self, key: bytes, record: bytes) -> None:
        batch = self._database.batch()
        batch.put(key, record)
        self._database.write(batch)

    def delete(self, key: bytes) -> None:
        batch = self._database.batch()
        batch.delete(key)
        self._database.write(batch)

    def close(self) -> None:
        self._database.close()
        self._place.close()


def open_database(path: Path) -> Any:
    """Open or make a database of the library that the test is for; it must be closed."""
    place = Place(path)
    database, _ = place.open()
    return Raw(database, place)


@contextmanager
def raw(path: Path) -> Iterator[Raw]:
    """Open a database until the block ends."""
    database = open_database(path)
    try:
        yield database
    finally:
        database.close()
