"""An open LevelDB, by plyvel: reads verify each block, and step over one that is bad.

LevelDB verifies nothing unless it is asked to. If it is, it passes over a
block whose checksum is wrong, and from then on each step of that iterator
fails. So a raw iterator tells where it is then, and reading goes on from there
with a new one. What lies between is gone, and nothing else.
"""

from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import filterfalse
from operator import methodcaller
from typing import Any

import plyvel

from miniqueue_py.storage.keyvalue.database import (
    Batch,
    DatabaseClosed,
    DatabaseFailed,
    Entry,
    OnGap,
    RecordDamaged,
    write_batch,
)
from miniqueue_py.storage.keyvalue.words import words_of


class LevelDatabase:
    """The seam's `Database`."""

    def __init__(self, database: Any) -> None:
        self._database = database
        self._on_gap: OnGap = _nobody
        self.batch: Callable[[], Batch] = database.write_batch
        self.write: Callable[[Any], None] = methodcaller("write")

    def watch(self, on_gap: OnGap) -> None:
        self._on_gap = on_gap

    def get(self, key: bytes) -> bytes | None:
        try:
            record: bytes | None = self._database.get(key, verify_checksums=True)
        except plyvel.CorruptionError:
            self._on_gap(key, key + b"\x00")
            return None
        except plyvel.Error as error:
            raise translated(error) from error
        return record

    def has(self, key: bytes) -> bool:
        try:
            return self._database.get(key, verify_checksums=True) is not None
        except plyvel.Error:
            return True

    def read(self, start: bytes, stop: bytes) -> Iterator[Entry]:
        last: deque[Entry] = deque(maxlen=1)
        while start < stop:
            try:
                entries = self._database.iterator(start=start, stop=stop, verify_checksums=True)
                # The deque notes each entry on its way, and a builtin asks it to.
                yield from filterfalse(last.append, entries)
                _check_end(self._database, last[0][0] if last else start)
            except plyvel.CorruptionError:
                if last:
                    start = last.pop()[0] + b"\x00"
                start, is_sound = self._step_over(start, stop)
                if not is_sound and start < stop:
                    yield from self._read_as_it_comes(start, stop)
                    return
            except plyvel.Error as error:
                raise translated(error) from error
            else:
                return

    def read_strictly(self, start: bytes, stop: bytes | None) -> Iterator[Entry]:
        return _read_strictly(self._database, start, stop)

    def last_key(self, start: bytes, stop: bytes) -> bytes | None:
        options = {"include_value": False, "verify_checksums": True}
        try:
            with self._database.iterator(start=start, stop=stop, reverse=True, **options) as keys:
                key: bytes | None = next(keys, None)
            if key is None:
                _check_end(self._database, start)
        except plyvel.Error as error:
            raise translated(error) from error
        return key

    def write_through(self, batch: Any) -> None:
        synced = self._database.write_batch(sync=True)
        synced.append(batch)
        write_batch(self, synced)

    @contextmanager
    def snapshot(self, start: bytes, stop: bytes) -> Iterator[Iterator[Entry]]:
        with self._database.snapshot() as snapshot:
            yield self._until_closed(_read_strictly(snapshot, start, stop))

    def size_of(self, start: bytes, stop: bytes) -> int:
        size: int = self._database.approximate_size(start, stop)
        return size

    def compact(self, start: bytes | None, stop: bytes | None) -> bool:
        try:
            self._database.compact_range(start=start, stop=stop)
        except plyvel.Error as error:
            raise translated(error) from error
        return True

    def close(self) -> None:
        self._database.close()

    def translated(self, error: Exception) -> Exception:
        return translated(error) if isinstance(error, plyvel.Error) else error

    def _until_closed(self, entries: Iterator[Entry]) -> Iterator[Entry]:
        try:
            yield from entries
        except RuntimeError as error:  # plyvel's word for it
            if not self._database.closed:
                raise
            raise DatabaseClosed from error

    def _step_over(self, start: bytes, stop: bytes) -> tuple[bytes, bool]:
        """Return where to go on behind a bad block, and if an iterator can do so unharmed."""
        with self._database.raw_iterator(verify_checksums=True) as entries:
            if _moved(entries.seek, start):
                return (entries.key() if entries.valid() else stop), True
            behind = min(entries.key(), stop) if entries.valid() else stop
        self._on_gap(start, behind)
        with self._database.raw_iterator(verify_checksums=True) as entries:
            return behind, _moved(entries.seek, behind)

    def _read_as_it_comes(self, start: bytes, stop: bytes) -> Iterator[Entry]:
        """Read past whatever is bad; of a bad table every iterator says so at each step."""
        self._on_gap(start, stop)
        with self._database.raw_iterator(verify_checksums=True) as entries:
            _moved(entries.seek, start)
            while entries.valid() and entries.key() < stop:
                yield entries.item()
                _moved(entries.next)


def _read_strictly(database: Any, start: bytes, stop: bytes | None) -> Iterator[Entry]:
    last: deque[Entry] = deque(maxlen=1)
    try:
        with database.iterator(
            start=start, stop=stop, verify_checksums=True, fill_cache=False
        ) as entries:
            yield from filterfalse(last.append, entries)
        _check_end(database, last[0][0] if last else start)
    except plyvel.Error as error:
        raise translated(error) from error


def _check_end(database: Any, last: bytes) -> None:
    """Raise plyvel.CorruptionError if what made an iterator end there is a bad block.

    plyvel takes that for the end of everything, where nothing good follows.
    """
    with database.raw_iterator(verify_checksums=True) as entries:
        entries.seek(last + b"\x00")


def translated(error: Exception) -> DatabaseFailed:
    """Return the seam's error for one of plyvel's."""
    kind = RecordDamaged if isinstance(error, plyvel.CorruptionError) else DatabaseFailed
    return kind(words_of(error))


def _moved(move: Callable[..., None], *where: bytes) -> bool:
    """Move a raw iterator; tell if all that it has met was good."""
    try:
        move(*where)
    except plyvel.CorruptionError:
        return False
    return True


def _nobody(_start: bytes, _stop: bytes) -> None:
    """Stand in for who keeps count of damages."""
