"""The next few hundred ready messages of a topic, in memory and in key order.

The window holds every ready key up to its *horizon* and none beyond: what
lies beyond is on disk only, until the window is empty and filled again from
there. So memory does not grow with the backlog, and no iterator ever starts
at the beginning of the range, where deleted keys are slow to step over.
"""

from bisect import bisect_left, insort
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from miniqueue_py.storage.keyvalue.database import Entry

MAX_ENTRIES = 1024
MAX_BYTES = 1 << 20

EVERYTHING = b"\xff"
"""A horizon past every key: the window holds all that is ready."""


class Window:
    """A sorted run of ready entries, complete up to `horizon`."""

    def __init__(self, horizon: bytes) -> None:
        self.horizon = horizon
        self.entries: deque[Entry] = deque()
        """To be looked at."""
        self._bytes = 0

    def __len__(self) -> int:
        return len(self.entries)

    def __iter__(self) -> Iterator[Entry]:
        return iter(self.entries)

    @property
    def first_key(self) -> bytes | None:
        return self.entries[0][0] if self.entries else None

    @property
    def holds_all(self) -> bool:
        """True when nothing ready is beyond it."""
        return self.horizon == EVERYTHING

    def insert(self, key: bytes, record: bytes) -> None:
        """Add an entry that became ready and is, or is about to be, on disk under `key`."""
        if key > self.horizon:
            return
        entries = self.entries
        self._bytes += len(record)
        if not entries or key > entries[-1][0]:
            entries.append((key, record))
        elif key < entries[0][0]:
            entries.appendleft((key, record))
        else:
            insort(entries, (key, record))
        if self._is_too_large():
            self._trim()

    def extend(self, keys: Sequence[bytes], records: Sequence[bytes]) -> None:
        """Insert new entries, in the order of their keys; quick if all go behind what is here."""
        if keys[0] > self.horizon:
            return
        entries = self.entries
        if self.horizon != EVERYTHING or (entries and keys[0] < entries[-1][0]):
            for key, record in zip(keys, records, strict=True):
                self.insert(key, record)
            return
        entries.extend(zip(keys, records, strict=True))
        self._bytes += sum(map(len, records))
        if len(entries) > MAX_ENTRIES or self._bytes > MAX_BYTES:
            self._trim()

    def take(self, limit: int, max_bytes: int) -> list[Entry]:
        """Remove and return the first entries: up to `limit`, no more after `max_bytes`."""
        entries = self.entries
        if self._bytes <= max_bytes:
            pop = entries.popleft
            if len(entries) <= limit:
                taken = list(entries)
                entries.clear()
                self._bytes = 0
                return taken
            taken = [pop() for _ in range(limit)]
            self._bytes -= sum([len(record) for _, record in taken])
            return taken
        taken = []
        while entries and len(taken) < limit and max_bytes > 0:
            entry = entries.popleft()
            max_bytes -= len(entry[1])
            self._bytes -= len(entry[1])
            taken.append(entry)
        return taken

    def drop_first(self) -> None:
        """Remove the first entry."""
        self._bytes -= len(self.entries.popleft()[1])

    def discard(self, key: bytes) -> bytes | None:
        """Remove the entry of that key, if it is here; return its record."""
        entries = self.entries
        if key > self.horizon or not entries:
            return None
        index = 0 if entries[0][0] == key else bisect_left(entries, (key,))
        if index == len(entries) or entries[index][0] != key:
            return None
        record = entries[index][1]
        self._bytes -= len(record)
        del entries[index]
        return record

    def behind(self, key: bytes) -> Iterator[Entry]:
        """Iterate over the entries of higher keys."""
        start = bisect_left(self.entries, (key + b"\x00",))
        return islice(self.entries, start, None)

    def refill(self, beyond: Iterable[Entry]) -> None:
        """Fill the empty window from the entries beyond its horizon, in key order.

        None is read after the one that fills it: they may be of any size.
        """
        entries, most = self.entries, MAX_BYTES
        size = 0
        horizon = EVERYTHING
        try:
            for entry in islice(beyond, MAX_ENTRIES):
                entries.append(entry)
                size += len(entry[1])
                if size >= most:
                    break
            if size >= most or len(entries) >= MAX_ENTRIES:
                horizon = entries[-1][0]
        except BaseException:
            horizon = entries[-1][0] if entries else self.horizon
            raise
        finally:
            self.horizon = horizon
            self._bytes = size

    def _is_too_large(self) -> bool:
        return len(self.entries) > MAX_ENTRIES or self._bytes > MAX_BYTES

    def _trim(self) -> None:
        # The last entry alone may be too large; the first always stays.
        while self._is_too_large() and len(self.entries) > 1:
            self._bytes -= len(self.entries.pop()[1])
        self.horizon = self.entries[-1][0]
