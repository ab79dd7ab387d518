"""An fsync of a database's log, made from outside the library that writes it."""

import errno
import os
import weakref
from contextlib import suppress
from pathlib import Path
from time import time_ns

_COARSEST_CLOCK_NS = 3_000_000_000
"""Two changes of a directory so far apart have different times: FAT counts in two seconds."""


class LogSync:
    """Puts what a library has written to its log on the disk.

    LevelDB syncs only a batch that asks for it, and holds back other writers
    meanwhile. Its log, like RocksDB's, is a plain file and every record is
    written out at once, so an fsync of the file from outside does the same,
    for any number of batches, and nobody waits who does not want to. All logs
    are synced when one was just cut off; the older then becomes a table, which
    the library syncs by itself.

    Logs stay open between two calls, and are looked for again when a file was
    made or removed in the directory. Its time of change tells that, once it is
    so old that the next change has another, however coarse the clock.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._directory = os.open(path, os.O_RDONLY)
        self._is_at = os.fstat(self._directory)
        self._open: dict[str, int] = {}
        """Descriptors of the logs, by name."""
        self._known: set[str] = set()
        """Logs whose names are on the disk."""
        self._changed_ns = 0
        """When the directory had changed, as far as that can be relied on; else 0."""
        weakref.finalize(self, _close_all, self._directory, self._open)

    def __call__(self) -> None:
        """Return when all that was written before the call is on disk. Raises OSError."""
        self._check_is_here()
        before_ns = time_ns()
        changed_ns = os.fstat(self._directory).st_mtime_ns
        if changed_ns != self._changed_ns:
            self._look()
            is_settled = changed_ns < before_ns - _COARSEST_CLOCK_NS
            self._changed_ns = changed_ns if is_settled else 0
        for descriptor in self._open.values():
            os.fsync(descriptor)
        if self._open.keys() - self._known:
            os.fsync(self._directory)
            self._known = set(self._open)

    def _check_is_here(self) -> None:
        """Fail once the directory was moved, or another stands in its place.

        A library opens files by their path, and so it goes on elsewhere then: what is synced
        here is no more what it writes.
        """
        try:
            is_here = os.path.samestat(self._path.stat(), self._is_at)
        except FileNotFoundError:
            is_here = False
        if not is_here:
            raise OSError(errno.ESTALE, f"{self._path} was moved or replaced while it was open")

    def _look(self) -> None:
        """Open what logs there are, and close those that became tables."""
        with os.scandir(self._directory) as entries:
            logs = {entry.name for entry in entries if entry.name.endswith(".log")}
        for name in self._open.keys() - logs:
            os.close(self._open.pop(name))
        for name in logs - self._open.keys():
            with suppress(FileNotFoundError):  # it became a table since
                self._open[name] = os.open(name, os.O_RDONLY, dir_fd=self._directory)


def _close_all(directory: int, descriptors: dict[str, int]) -> None:
    for descriptor in (directory, *descriptors.values()):
        os.close(descriptor)
