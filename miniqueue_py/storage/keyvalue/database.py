"""What a library that keeps keys in order on a disk has to do: the seam.

The queue's layout stands on this, and on nothing that one library has and the
other has not. A record is read as it was written or not at all: every read
verifies. What cannot be read is stepped over, and told; nothing else is lost
by it.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Any, Protocol

Entry = tuple[bytes, bytes]
"""A key and its record."""

OnGap = Callable[[bytes, bytes], None]
"""Told of a range `start <= key < stop` of which something cannot be read; in any thread."""


class DatabaseFailed(Exception):
    """A library could not read or write; it says why in words.

    Nothing may be written any more: nobody knows what a file holds after that.
    """


class RecordDamaged(DatabaseFailed):
    """What is on the disk does not agree with its checksum.

    The rest can be read and written all the same.
    """


class DatabaseClosed(DatabaseFailed):
    """The database was closed while it was read."""

    def __init__(self) -> None:
        super().__init__("the database was closed")


class Batch(Protocol):
    """Changes that are written together or not at all."""

    def put(self, key: bytes, value: bytes, /) -> None: ...

    def delete(self, key: bytes, /) -> None: ...


class Database(Protocol):
    """An open database, which no other process has open."""

    def watch(self, on_gap: OnGap) -> None:
        """Tell of each range that cannot be read, each time somebody tries."""
        ...

    def get(self, key: bytes) -> bytes | None:
        """Return a record; None also if it cannot be read. Raises DatabaseFailed."""
        ...

    def has(self, key: bytes) -> bool:
        """Tell if there is a record under a key, or may be."""
        ...

    def read(self, start: bytes, stop: bytes) -> Iterator[Entry]:
        """Yield what can be read of `start <= key < stop`. Raises DatabaseFailed."""
        ...

    def read_strictly(self, start: bytes, stop: bytes | None) -> Iterator[Entry]:
        """Yield all of `start <= key < stop`. Raises RecordDamaged where that cannot be read.

        Raises DatabaseFailed.
        """
        ...

    def last_key(self, start: bytes, stop: bytes) -> bytes | None:
        """Return the highest key of a range. Raises RecordDamaged, DatabaseFailed."""
        ...

    def batch(self) -> Batch:
        """Return an empty batch."""
        ...

    @property
    def write(self) -> Callable[[Any], None]:
        """Write a batch into the log, and so into the page cache.

        It raises an error of the library's own, to be `translated`: one batch is written for
        each turn, and a function around it would cost more than the call. See `write_batch`.
        """
        ...

    def translated(self, error: Exception) -> Exception:
        """Return DatabaseFailed for an error of the library's own; others as they are."""
        ...

    def write_through(self, batch: Batch) -> None:
        """Write a batch, and return when it is on the disk. Raises DatabaseFailed."""
        ...

    def snapshot(self, start: bytes, stop: bytes) -> AbstractContextManager[Iterator[Entry]]:
        """Show a range as it is now until the block ends, whatever is written meanwhile.

        The entries raise RecordDamaged, DatabaseFailed, and of that DatabaseClosed.
        """
        ...

    def size_of(self, start: bytes, stop: bytes) -> int:
        """Return about how many bytes a range takes on disk. Raises DatabaseFailed."""
        ...

    def compact(self, start: bytes | None, stop: bytes | None) -> bool:
        """Give back the space of what was deleted in a range, and tell if that was done.

        If not, the library is getting over a disk that was full: try again.
        Raises DatabaseFailed.
        """
        ...

    def close(self) -> None:
        """Let the files go; what was written stays. Idempotent."""
        ...


def write_batch(database: Database, batch: Batch) -> None:
    """Write a batch where it need not be quick. Raises DatabaseFailed."""
    try:
        database.write(batch)
    except Exception as error:
        raise database.translated(error) from error
