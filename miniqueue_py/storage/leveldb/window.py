"""The next few hundred ready messages of a topic, in memory and in key order.

The window holds every ready key up to its *horizon* and none beyond: what
lies beyond is on disk only, until the window is empty and filled again from
there. So memory does not grow with the backlog, and no iterator ever starts
at the beginning of the range, where deleted keys are slow to step over.
"""

from bisect import insort
from collections import deque
from collections.abc import Iterable

Entry = tuple[bytes, bytes]
"""A message's key and its record."""

MAX_ENTRIES = 1024
MAX_BYTES = 1 << 20

EVERYTHING = b"\xff"
"""A horizon past every key: the window holds all that is ready."""


class Window:
    """A sorted run of ready entries, complete up to `horizon`."""

    def __init__(self, horizon: bytes) -> None:
        self.horizon = horizon
        self._entries: deque[Entry] = deque()
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def first_key(self) -> bytes | None:
        return self._entries[0][0] if self._entries else None

    @property
    def holds_all(self) -> bool:
        """True when nothing ready is beyond it."""
        return self.horizon == EVERYTHING

    def insert(self, key: bytes, record: bytes) -> None:
        """Add an entry that became ready and is, or is about to be, on disk under `key`."""
        if key > self.horizon:
            return
        entries = self._entries
        self._bytes += len(record)
        if not entries or key > entries[-1][0]:
            entries.append((key, record))
        elif key < entries[0][0]:
            entries.appendleft((key, record))
        else:
            insort(entries, (key, record))
        if self._is_too_large():
            self._trim()

    def take(self) -> Entry:
        """Remove and return the first entry; the window must not be empty."""
        entry = self._entries.popleft()
        self._bytes -= len(entry[1])
        return entry

    def refill(self, beyond: Iterable[Entry]) -> None:
        """Fill the empty window from the entries beyond its horizon, in key order."""
        for key, record in beyond:
            self._entries.append((key, record))
            self._bytes += len(record)
            self.horizon = key
            if self._is_too_large():
                return
        self.horizon = EVERYTHING

    def _is_too_large(self) -> bool:
        return len(self._entries) > MAX_ENTRIES or self._bytes > MAX_BYTES

    def _trim(self) -> None:
        # The last entry alone may be too large; the first always stays.
        while self._is_too_large() and len(self._entries) > 1:
            self._bytes -= len(self._entries.pop()[1])
        self.horizon = self._entries[-1][0]
