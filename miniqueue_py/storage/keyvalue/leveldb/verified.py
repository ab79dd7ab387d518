"""Reads that verify each block of a table, and step over one that is bad.

LevelDB verifies nothing unless it is asked to. If it is, it passes over a
block whose checksum is wrong, and from then on each step of that iterator
fails. So a raw iterator tells where it is then, and reading goes on from there
with a new one. What lies between is gone, and nothing else.
"""

from collections import deque
from collections.abc import Callable, Iterator
from itertools import filterfalse
from typing import Any

import plyvel

from miniqueue_py.storage.ordered.window import Entry

OnGap = Callable[[bytes, bytes], None]
"""Told of a range `start <= key < stop` of which something cannot be read; in any thread."""


class Verified:
    """Reads an open database."""

    def __init__(self, database: Any) -> None:
        self._database = database
        self._on_gap: OnGap = _nobody

    def watch(self, on_gap: OnGap) -> None:
        """Tell of each range that cannot be read, each time somebody tries."""
        self._on_gap = on_gap

    def get(self, key: bytes) -> bytes | None:
        """Return a record; None also if it cannot be read."""
        try:
            record: bytes | None = self._database.get(key, verify_checksums=True)
        except plyvel.CorruptionError:
            self._on_gap(key, key + b"\x00")
            return None
        return record

    def has(self, key: bytes) -> bool:
        """Tell if there is a record under a key, or may be."""
        try:
            return self._database.get(key, verify_checksums=True) is not None
        except plyvel.Error:
            return True

    def read(self, start: bytes, stop: bytes) -> Iterator[Entry]:
        """Read what can be read of `start <= key < stop`."""
        last: deque[Entry] = deque(maxlen=1)
        while start < stop:
            try:
                entries = self._database.iterator(start=start, stop=stop, verify_checksums=True)
                # The deque notes each entry on its way, and a builtin asks it to.
                yield from filterfalse(last.append, entries)
                check_end(self._database, last[0][0] if last else start)
            except plyvel.CorruptionError:
                if last:
                    start = last.pop()[0] + b"\x00"
                start, is_sound = self._step_over(start, stop)
                if not is_sound and start < stop:
                    yield from self._read_as_it_comes(start, stop)
                    return
            else:
                return

    def read_strictly(self, start: bytes, stop: bytes) -> list[Entry]:
        """Return what is in a range, all of it. Raises plyvel.CorruptionError."""
        entries = self._database.iterator(start=start, stop=stop, verify_checksums=True)
        read: list[Entry] = list(entries)
        check_end(self._database, read[-1][0] if read else start)
        return read

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


def check_end(database: Any, last: bytes) -> None:
    """Raise plyvel.CorruptionError if what made an iterator end there is a bad block.

    plyvel takes that for the end of everything, where nothing good follows.
    """
    with database.raw_iterator(verify_checksums=True) as entries:
        entries.seek(last + b"\x00")


def _moved(move: Callable[..., None], *where: bytes) -> bool:
    """Move a raw iterator; tell if all that it has met was good."""
    try:
        move(*where)
    except plyvel.CorruptionError:
        return False
    return True


def _nobody(_start: bytes, _stop: bytes) -> None:
    """Stand in for who keeps count of damages."""
