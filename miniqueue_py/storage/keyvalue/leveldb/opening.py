"""How LevelDB is opened: the options, and what it says when it cannot."""

from pathlib import Path
from typing import Any

import plyvel

from miniqueue_py.storage.keyvalue.database import Database, DatabaseFailed
from miniqueue_py.storage.keyvalue.leveldb.database import LevelDatabase, translated
from miniqueue_py.storage.keyvalue.sizes import BLOOM_BITS, OPEN_FILES, WRITE_BUFFER_BYTES
from miniqueue_py.storage.keyvalue.words import words_of

_OPEN_FILES_OF_COPY = 100

_HELD = ("Resource temporarily unavailable", "already held by process")


def open_database(path: Path) -> Database:
    """Open or make a database. Raises RecordDamaged, DatabaseFailed."""
    return _opened(
        path,
        create_if_missing=True,
        paranoid_checks=True,  # else a damaged log is skipped over in silence
        write_buffer_size=WRITE_BUFFER_BYTES,
        max_open_files=OPEN_FILES,
        bloom_filter_bits=BLOOM_BITS,
    )


def open_copy(path: Path, *, passes_over_damage: bool) -> Database:
    """Open a copy of a database, to read it. Raises RecordDamaged, DatabaseFailed."""
    return _opened(
        path,
        paranoid_checks=not passes_over_damage,
        write_buffer_size=2 * WRITE_BUFFER_BYTES,
        max_open_files=_OPEN_FILES_OF_COPY,
    )


def _opened(path: Path, **options: Any) -> Database:
    try:
        return LevelDatabase(_open(path, **options))
    except (OSError, plyvel.Error) as error:
        if any(words in words_of(error) for words in _HELD):
            raise DatabaseFailed("another broker has it open") from error
        raise translated(error) from error


def open_damaged(links: Path, damages: list[str]) -> Database:
    """See `Opening.open_damaged`."""
    try:
        database = _open_as_it_is(links, damages)
        try:
            database.iterator().close()
        except plyvel.CorruptionError as error:
            # The index of a table that overlaps others: nothing can be read beside it.
            damages.append(f"a table is damaged as a whole: {words_of(error)}")
            database.close()
            rebuild_manifest(links)
            database = _open_as_it_is(links, damages)
    except plyvel.Error as error:
        raise translated(error) from error
    return LevelDatabase(database)


def rebuild_manifest(links: Path) -> None:
    """See `Opening.rebuild_manifest`."""
    try:
        plyvel.repair_db(str(links), paranoid_checks=True, compression=None)
    except plyvel.Error as error:
        raise translated(error) from error


def _open_as_it_is(links: Path, damages: list[str]) -> Any:
    size = 2 * WRITE_BUFFER_BYTES
    try:
        return _open(links, paranoid_checks=True, write_buffer_size=size)
    except plyvel.CorruptionError as error:
        damages.append(f"a log is damaged: {words_of(error)}")
        return _open(links, paranoid_checks=False, write_buffer_size=size)


def _open(path: Path, **options: Any) -> Any:
    # Compressing costs more than all the rest of storing, in LevelDB's one
    # background thread, which then holds writers back.
    return plyvel.DB(str(path), compression=None, **options)
