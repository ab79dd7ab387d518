"""How RocksDB is opened: the options, and what it says when it cannot."""

from pathlib import Path

from rocksdict import (
    AccessType,
    BlockBasedOptions,
    Cache,
    DBCompressionType,
    DBRecoveryMode,
    Options,
    Rdict,
)

from miniqueue_py.storage.keyvalue.database import Database, DatabaseFailed
from miniqueue_py.storage.keyvalue.rocksdb.database import RocksDatabase, translated
from miniqueue_py.storage.keyvalue.sizes import BLOOM_BITS, OPEN_FILES, WRITE_BUFFER_BYTES
from miniqueue_py.storage.keyvalue.words import words_of

_HELD = ("lock hold by current process", "Resource temporarily unavailable")

_CACHE_BYTES = 8 << 20
"""Of blocks that were read, as LevelDB has it; RocksDB would take 32 MiB."""

_DELETED = (1024, 512)
"""Of so many records in a row so many deleted ones have a table compacted at once: a queue
deletes what it writes, and RocksDB would keep it until there are more tables."""

_LOGS_KEPT = 2
"""Files in which RocksDB tells what it did; it would keep a thousand."""


def open_database(path: Path) -> Database:
    """Open or make a database. Raises RecordDamaged, DatabaseFailed."""
    options = _options()
    options.create_if_missing(True)
    return RocksDatabase(_opened(path, options))


def open_copy(path: Path, *, passes_over_damage: bool) -> Database:
    """Open a copy of a database, to read it. Raises RecordDamaged, DatabaseFailed."""
    options = _options()
    if passes_over_damage:
        options.set_wal_recovery_mode(DBRecoveryMode.skip_any_corrupted_record())
    access = AccessType.read_only(error_if_log_file_exist=False)
    return RocksDatabase(_opened(path, options, access))


def open_damaged(links: Path, damages: list[str]) -> Database:
    """See `Opening.open_damaged`."""
    try:
        return RocksDatabase(_opened(links, _options()))
    except DatabaseFailed as error:
        damages.append(f"it cannot be opened: {words_of(error)}")
    options = _options()
    options.set_wal_recovery_mode(DBRecoveryMode.skip_any_corrupted_record())
    try:
        return RocksDatabase(_opened(links, options))
    except DatabaseFailed:
        rebuild_manifest(links)
        return RocksDatabase(_opened(links, options))


def rebuild_manifest(links: Path) -> None:
    """See `Opening.rebuild_manifest`."""
    try:
        Rdict.repair(str(links), _options())
    except Exception as error:
        raise translated(error) from error


def _opened(path: Path, options: Options, access: AccessType | None = None) -> Rdict:
    try:
        return Rdict(str(path), options, access_type=access or AccessType.read_write())
    except Exception as error:  # rocksdict has no class of its own for them
        if any(words in str(error) for words in _HELD):
            raise DatabaseFailed("another broker has it open") from error
        raise translated(error) from error


def _options() -> Options:
    tables = BlockBasedOptions()
    tables.set_bloom_filter(BLOOM_BITS, block_based=False)
    tables.set_block_cache(Cache(_CACHE_BYTES))
    options = Options(raw_mode=True)  # else keys and records are pickled
    options.create_if_missing(False)
    options.set_block_based_table_factory(tables)
    options.set_paranoid_checks(True)
    # As LevelDB: what a crash has cut off at the end is no damage, all else is.
    options.set_wal_recovery_mode(DBRecoveryMode.tolerate_corrupted_tail_records())
    options.set_compression_type(DBCompressionType.none())
    options.set_write_buffer_size(WRITE_BUFFER_BYTES)
    options.set_max_open_files(OPEN_FILES)
    options.add_compact_on_deletion_collector_factory(*_DELETED, 0.0)
    options.set_keep_log_file_num(_LOGS_KEPT)
    options.set_stats_dump_period_sec(0)
    options.set_stats_persist_period_sec(0)
    return options
