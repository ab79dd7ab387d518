"""An open RocksDB, by rocksdict: reads verify each block, and step over one that is bad.

At a bad block an iterator ends as if nothing followed, and only its status
tells. Nothing tells where the next block begins: so that is searched for, by
halves. Looking anywhere into a bad block fails with the same words, which name
the block; so the search never steps over what can be read.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from itertools import filterfalse
from typing import Any
from weakref import WeakSet

from rocksdict import DbClosedError, Rdict, RdictIter, ReadOptions, WriteBatch, WriteOptions

from miniqueue_py.storage.keyvalue.database import (
    Batch,
    DatabaseClosed,
    DatabaseFailed,
    Entry,
    OnGap,
    RecordDamaged,
)

_LONGEST_KEY = 40
"""Behind a bad block a longer one might be missed, if it begins as the last of the block does."""


class RocksDatabase:
    """The seam's `Database`."""

    def __init__(self, database: Rdict) -> None:
        self._database = database
        self._on_gap: OnGap = _nobody
        self._is_closed = False
        self.batch: Callable[[], Batch] = partial(WriteBatch, raw_mode=True)
        self.write: Callable[[Any], None] = database.write
        self._reading: WeakSet[Generator[Entry]] = WeakSet()
        """Iterators that are not at their end: RocksDB stays open as long as one is."""

    def watch(self, on_gap: OnGap) -> None:
        self._on_gap = on_gap

    def get(self, key: bytes) -> bytes | None:
        try:
            return self._get(key)
        except RecordDamaged:
            self._on_gap(key, key + b"\x00")
            return None

    def has(self, key: bytes) -> bool:
        try:
            return self._get(key) is not None
        except DatabaseFailed:
            return True

    def read(self, start: bytes, stop: bytes) -> Iterator[Entry]:
        last: deque[Entry] = deque(maxlen=1)
        while start < stop:
            try:
                # The deque notes each entry on its way, and a builtin asks it to.
                yield from filterfalse(last.append, self.read_strictly(start, stop))
            except RecordDamaged as damage:
                if last:
                    start = last.pop()[0] + b"\x00"
                behind = self._behind(start, stop, str(damage))
                self._on_gap(start, behind)
                start = behind
            else:
                return

    def read_strictly(self, start: bytes, stop: bytes | None) -> Iterator[Entry]:
        entries = _entries(self._database, start, stop)
        self._reading.add(entries)
        return self._until_closed(entries)

    def last_key(self, start: bytes, stop: bytes) -> bytes | None:
        try:
            entries = self._database.iter(_up_to(stop))
            entries.seek_to_last()
            key: bytes | None = entries.key() if entries.valid() else None
            entries.status()
        except Exception as error:
            raise translated(error) from error
        return None if key is None or key < start else key

    def write_through(self, batch: Any) -> None:
        options = WriteOptions()
        options.sync = True
        try:
            self._database.write(batch, options)
        except Exception as error:
            raise translated(error) from error

    @contextmanager
    def snapshot(self, start: bytes, stop: bytes) -> Iterator[Iterator[Entry]]:
        # An iterator shows what there was when it was made. rocksdict's snapshots do not:
        # they show what there is when they are read.
        shown = _walk(self._sought(start, stop))
        next(shown)  # begun: CPython 3.13 keeps what one that never began was handed
        self._reading.add(shown)
        try:
            yield self._until_closed(shown)
        finally:
            shown.close()

    def size_of(self, start: bytes, stop: bytes) -> int:
        """See `Database.size_of`: this counts whole tables, if anything in them was deleted."""
        try:
            tables = self._tables(start, stop)
        except Exception as error:
            raise translated(error) from error
        return sum(size for size, _ in tables) if any(deleted for _, deleted in tables) else 0

    def compact(self, start: bytes | None, stop: bytes | None) -> bool:
        try:
            self._database.compact_range(start, stop)
            # It is no error that nothing was done, because a compaction of RocksDB's own had
            # no room a moment ago. Only that deletions are still there tells.
            return not self._database.property_int_value("rocksdb.background-errors") or not any(
                deleted for _, deleted in self._tables(start, stop)
            )
        except Exception as error:
            raise translated(error) from error

    def close(self) -> None:
        if self._is_closed:
            return
        self._is_closed = True
        for entries in list(self._reading):
            entries.close()
        # Else closing would make a table of what is in the log, be it in another directory
        # that has taken the place of ours; now it says that it cannot, and closes.
        self._database.cancel_all_background(wait=True)
        with suppress(Exception):
            self._database.close()

    def translated(self, error: Exception) -> Exception:
        # But for the one, rocksdict has no class of its own for them.
        is_its_own = type(error) is Exception or isinstance(error, DbClosedError)
        return translated(error) if is_its_own else error

    def _tables(self, start: bytes | None, stop: bytes | None) -> list[tuple[int, int]]:
        """Return the size of each table that reaches into a range, and how much it deletes."""
        return [
            (table["size"], table["num_deletions"])
            for table in self._database.live_files()
            if (stop is None or table["start_key"] < stop) and (start or b"") <= table["end_key"]
        ]

    def _get(self, key: bytes) -> bytes | None:
        try:
            record: bytes | None = self._database.get(key)
        except Exception as error:
            raise translated(error) from error
        return record

    def _behind(self, start: bytes, stop: bytes, words: str) -> bytes:
        """Return the first key behind a block that is bad: where the words are others."""
        size = max(len(start), len(stop), _LONGEST_KEY) + 1
        bad, behind = _number(start, size), _number(stop, size)
        while behind - bad > 1:
            middle = (bad + behind) // 2
            if self._words_at(middle.to_bytes(size), stop) == words:
                bad = middle
            else:
                behind = middle
        return self._next_key(min(behind.to_bytes(size), stop), stop)

    def _words_at(self, key: bytes, stop: bytes) -> str:
        """Return what is said of a damage when one looks there; nothing if there is none."""
        try:
            _check(self._sought(key, stop))
        except RecordDamaged as damage:
            return str(damage)
        return ""

    def _next_key(self, key: bytes, stop: bytes) -> bytes:
        """Return the key where reading goes on, or that one, where it cannot."""
        entries = self._sought(key, stop)
        try:
            _check(entries)
        except RecordDamaged:
            return key
        return entries.key() if entries.valid() else stop

    def _sought(self, key: bytes, stop: bytes) -> RdictIter:
        try:
            entries = self._database.iter(_up_to(stop))
            entries.seek(key)
        except Exception as error:
            raise translated(error) from error
        return entries

    def _until_closed(self, entries: Generator[Entry]) -> Iterator[Entry]:
        yield from entries
        if self._is_closed:
            raise DatabaseClosed


def _entries(database: Rdict, start: bytes, stop: bytes | None) -> Generator[Entry]:
    last: deque[Entry] = deque(maxlen=1)
    options = _up_to(stop)
    try:
        items: Any = database.items(from_key=start, read_opt=options)
        yield from filterfalse(last.append, items)
        entries = database.iter(options)
        entries.seek(last[0][0] + b"\x00" if last else start)
        entries.status()
    except Exception as error:
        raise translated(error) from error


def _walk(entries: RdictIter) -> Generator[Entry]:
    """Yield nothing once, and then the entries."""
    yield b"", b""
    while entries.valid():
        yield entries.key(), entries.value()
        entries.next()
    _check(entries)


def _check(entries: RdictIter) -> None:
    """Raise what an iterator met, if that is why it is at its end."""
    try:
        entries.status()
    except Exception as error:
        raise translated(error) from error


def _up_to(stop: bytes | None) -> ReadOptions:
    options = ReadOptions()  # they verify checksums, unless told not to
    if stop is not None:
        options.set_iterate_upper_bound(stop)
    return options


def translated(error: Exception) -> DatabaseFailed:
    """Return the seam's error for one of rocksdict's, which are told apart by their words."""
    if isinstance(error, DbClosedError):
        return DatabaseClosed()
    words = str(error)
    kind = RecordDamaged if words.startswith("Corruption") else DatabaseFailed
    return kind(words)


def _number(key: bytes, size: int) -> int:
    return int.from_bytes(key.ljust(size, b"\x00"))


def _nobody(_start: bytes, _stop: bytes) -> None:
    """Stand in for who keeps count of damages."""
