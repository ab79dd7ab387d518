"""A database on the disk becomes an engine, or is refused in a sentence."""

import struct
from pathlib import Path

from miniqueue_py.errors import DatabaseRefused, StorageCorrupt
from miniqueue_py.storage.fsync import Fsync
from miniqueue_py.storage.keyvalue.database import DatabaseFailed, RecordDamaged
from miniqueue_py.storage.keyvalue.log_sync import LogSync
from miniqueue_py.storage.keyvalue.place import Place
from miniqueue_py.storage.keyvalue.room import Room
from miniqueue_py.storage.keyvalue.words import damaged, words_of
from miniqueue_py.storage.ordered.engine import OrderedStorage
from miniqueue_py.storage.ordered.layout.version import check_version

_NO_SENSE = (DatabaseFailed, StorageCorrupt, struct.error, UnicodeDecodeError)


def open_ordered(
    directory: Path, *, fsync: Fsync, fsync_interval_seconds: float, scheme: str | None = None
) -> OrderedStorage:
    """Open the database in a directory, with the library of that scheme or the one it is of.

    Raises DatabaseRefused.
    """
    place = Place(directory, scheme)
    try:
        database, mended = place.open()
    except BaseException:
        place.close()
        raise
    path = place.path
    try:
        check_version(database, path)
        return OrderedStorage(
            database,
            LogSync(path),
            Room(path),
            fsync=fsync,
            fsync_interval_seconds=fsync_interval_seconds,
            mended=mended,
            on_closed=place.close,
        )
    except BaseException as error:
        database.close()
        place.close()
        if isinstance(error, RecordDamaged):
            raise DatabaseRefused(f"-db: {path} {damaged(path, words_of(error))}") from error
        if isinstance(error, _NO_SENSE):
            raise DatabaseRefused(f"-db: {path} cannot be read: {words_of(error)}") from error
        raise
