"""The directory of a database: opening it, refusing it, syncing its log."""

import errno
import os
import re
import weakref
from contextlib import suppress
from pathlib import Path
from time import monotonic, time_ns
from typing import Any

import plyvel

from miniqueue_py.errors import DatabaseRefused, StorageCorrupt
from miniqueue_py.storage.keyvalue.leveldb.log_tail import log_with_a_hole
from miniqueue_py.storage.keyvalue.leveldb.manifest import missing_log, read_manifest
from miniqueue_py.storage.ordered.layout import keys

WRITE_BUFFER_BYTES = 8 << 20
"""LevelDB's memtable, and so the size at which its log is cut off. Smaller costs more
compaction: each table has the topics' records, so it overlaps all others. Larger costs
memory, twice, and time at the start, when the log is read again."""

RESERVE_BYTES = 16 * WRITE_BUFFER_BYTES
"""Kept free for what consuming writes. A compaction needs the room of its inputs once
more, and those may be all the young tables: LevelDB holds writers back at twelve."""

VERSION = b"miniqueue 3"

OLDER_VERSIONS = (b"miniqueue 1", b"miniqueue 2")
"""Read as they are, and marked as of this version: what is written from now on, they could
not read."""

_OPEN_FILES = 40
"""LevelDB maps each table file it has open (2 MiB each): this bounds the RSS."""

_TOLD_IS_GOOD_SECONDS = 0.005

_COARSEST_CLOCK_NS = 3_000_000_000
"""Two changes of a directory so far apart have different times: FAT counts in two seconds."""

_OF_LEVELDB = re.compile(
    r"CURRENT|LOCK|LOG(\.old)?|MANIFEST-\d+|\d+\.(log|ldb|sst|dbtmp)|lost\+found|lost"
)


_OF_CONTENT = re.compile(r"MANIFEST-\d+|\d+\.(log|ldb|sst)")

_FIRST_MANIFEST = "MANIFEST-000001"
"""All that a start leaves that was killed when it made the database: it names nothing."""


def open_database(path: Path) -> Any:
    """Open or make the database in a directory that is there. Raises DatabaseRefused, in words."""
    if (path / "CURRENT").exists():
        _check_log(path)
    else:
        _check_is_new(path)
    try:
        return plyvel.DB(
            str(path),
            create_if_missing=True,
            paranoid_checks=True,  # else a damaged log is skipped over in silence
            # Compressing costs more than all the rest of storing, in LevelDB's one
            # background thread, which then holds writers back.
            compression=None,
            write_buffer_size=WRITE_BUFFER_BYTES,
            max_open_files=_OPEN_FILES,
            bloom_filter_bits=10,  # most idempotency keys that are looked for are new
        )
    except plyvel.CorruptionError as error:
        raise DatabaseRefused(f"-db: {path} {damaged(path, words_of(error))}") from error
    except (OSError, plyvel.Error) as error:
        text = words_of(error)
        if "Resource temporarily unavailable" in text or "already held by process" in text:
            text = "another broker has it open"
        raise DatabaseRefused(f"-db: {path} cannot be opened: {text}") from error


def damaged(path: Path, problem: str) -> str:
    """Say of a database what is wrong with it, and who can help."""
    return (
        f"is damaged and was left untouched: {problem}; "
        f"`miniqueue repair {path}` tells what a repair would lose"
    )


def _check_is_new(path: Path) -> None:
    """Refuse what LevelDB would take for an empty directory, and delete."""
    left = sorted(at.name for at in path.iterdir() if _OF_CONTENT.fullmatch(at.name))
    if left not in ([], [_FIRST_MANIFEST]):
        raise DatabaseRefused(
            f"-db: {path} {damaged(path, f'it holds {left[0]!r} and no file CURRENT')}"
        )


def _check_log(path: Path) -> None:
    """Refuse what LevelDB would pass over in silence."""
    try:
        manifest = read_manifest(path)
        missing, holed = missing_log(path, manifest), log_with_a_hole(path, manifest)
    except (StorageCorrupt, OSError):
        return  # LevelDB says it better
    if missing is not None:
        raise DatabaseRefused(f"-db: {path} {damaged(path, f'{missing} is missing')}")
    if holed is not None:
        raise DatabaseRefused(f"-db: {path} {damaged(path, f'{holed} has zeros in its middle')}")


def strangers_in(path: Path) -> list[str]:
    """Name the files of a directory that are none of LevelDB's. Raises OSError."""
    return [at.name for at in path.iterdir() if not _OF_LEVELDB.fullmatch(at.name)]


def words_of(error: BaseException) -> str:
    """Return what an error says; plyvel's say it in bytes."""
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    said = error.args[0] if error.args else ""
    return said.decode(errors="replace") if isinstance(said, bytes) else str(error)


class Room:
    """Tells if the disk has room for more messages.

    Some is kept back: a store that runs into the end of its disk can neither
    delete nor compact, while one that stops taking messages early drains, gives
    space back, and takes messages again.

    What the disk says is good for some milliseconds: asking costs as much as a
    tenth of a publish, and in that time nobody fills what is kept back.
    """

    def __init__(self, path: Path) -> None:
        self._directory = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._directory)
        self._spare = 0
        """Bytes that may still be taken without asking, until then."""
        self._until = 0.0

    def __call__(self, size: int) -> bool:
        """Return True when `size` bytes more leave the reserve alone."""
        size *= 2
        now = monotonic()
        if size >= self._spare or now >= self._until:
            disk = os.statvfs(self._directory)
            reserve = min(RESERVE_BYTES, disk.f_blocks * disk.f_frsize // 2)
            self._spare = disk.f_bavail * disk.f_frsize - reserve
            self._until = now + _TOLD_IS_GOOD_SECONDS
            if size >= self._spare:
                return False
        self._spare -= size
        return True


class LogSync:
    """Puts what LevelDB has written to its log on the disk.

    LevelDB syncs only a batch that asks for it, and holds back other writers
    meanwhile. Its log is a plain file and every record is written out at
    once, so an fsync of the file from outside does the same, for any number
    of batches, and nobody waits who does not want to. Both logs are synced
    when one was just cut off; the older then becomes a table, which LevelDB
    syncs by itself.

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

        LevelDB opens files by their path, and so it goes on elsewhere then: what is synced
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


def check_version(database: Any, path: Path) -> None:
    """Refuse what another program or a newer version wrote; mark a new database.

    Raises DatabaseRefused.
    """
    version, problem = version_of(database)
    if problem is not None:
        raise DatabaseRefused(f"-db: {path} {problem}")
    if version != VERSION:
        database.put(keys.VERSION_KEY, VERSION, sync=True)


def version_of(database: Any) -> tuple[bytes | None, str | None]:
    """Return the format a database is in, and why it cannot be read, if it cannot."""
    version: bytes | None = database.get(keys.VERSION_KEY, verify_checksums=True)
    problem = None
    if version is None:
        with database.iterator(include_value=False, verify_checksums=True) as iterator:
            if next(iterator, None) is not None:
                problem = (
                    "was written by another program (MiniQueue's own databases cannot be read); "
                    "name an empty directory"
                )
    elif version.startswith(b"miniqueue ") and version not in {VERSION, *OLDER_VERSIONS}:
        problem = (
            f"is in format {version.decode(errors='replace')!r}, written by a newer "
            f"version; this one reads {VERSION.decode()!r}"
        )
    elif version not in {VERSION, *OLDER_VERSIONS}:
        problem = "was written by another program"
    return version, problem
