"""The directory of snapshots: one file each, all or nothing.

No name leads out of it. It is a name in that directory, never a path, and a
symbolic link of that name is not followed. A snapshot is written beside the
old one and takes its place when all of it is on the disk, so whoever dies
meanwhile leaves the old one, and a draft that the next to write removes.

The work is done in threads, in slices. Who is cancelled waits for the slice
that is under way: its file must not be closed under it.
"""

import asyncio
import errno
import fcntl
import os
import stat
from collections.abc import AsyncGenerator, AsyncIterable, Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from secrets import token_hex
from typing import BinaryIO, TypeVar
from unicodedata import category

from miniqueue_py.errors import MiniqueueError
from miniqueue_py.http.dialects.zapq.snapshot_format import (
    BadSnapshot,
    SnapshotReader,
    SnapshotWriter,
)

Result = TypeVar("Result")

LONGEST_NAME_BYTES = 255

_DRAFT_BEGINS, _DRAFT_ENDS = ".draft-", ".tmp"
"""Hidden, which no snapshot is."""

_UNSEEN = {"Cc", "Cf", "Zl", "Zp"}
"""Categories of what would begin another line of a log, or turn one around."""

_NO_FILE = -1
_FLAGS = os.O_NOFOLLOW | os.O_CLOEXEC
_WORDS = {errno.ELOOP: "it is a symbolic link", errno.EISDIR: "it is a directory"}


class SnapshotFailed(MiniqueueError):
    """A snapshot was not written, or not loaded, which has changed nothing; here is why.

    One that was not "made durable" stands in the place of the old one, as long as the
    machine runs.
    """

    def __init__(self, name: str, what: str, why: str) -> None:
        super().__init__(f"the snapshot {name!r} was not {what}: {why}")


def check_file_name(name: str) -> str:
    """Return the name. Raises ValueError for what cannot name a snapshot."""
    if not name:
        raise ValueError("is empty; name a file, such as queue.json")
    if "/" in name or "\0" in name:
        raise ValueError("is not the name of a file in the snapshot directory: it has a / or NUL")
    if any(category(each) in _UNSEEN for each in name):
        raise ValueError("has a line end or another character that is not seen")
    if name.startswith("."):
        raise ValueError("begins with a dot")
    if len(name.encode()) > LONGEST_NAME_BYTES:
        raise ValueError(f"is longer than {LONGEST_NAME_BYTES} bytes")
    return name


class SnapshotDirectory:
    """Where snapshots are; they are named by what `check_file_name` lets pass."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def __repr__(self) -> str:
        return f"<SnapshotDirectory {str(self._path)!r}>"

    async def write(self, name: str, slices: AsyncIterable[Sequence[bytes]]) -> None:
        """Put these messages in the place of a snapshot; it is durable. Raises SnapshotFailed."""
        draft = _Draft(self._path)
        with _told(name, "written"):
            try:
                await _in_thread(draft.open)
                async for bodies in slices:
                    await _in_thread(partial(draft.write, bodies))
                await _in_thread(partial(draft.become, name))
            finally:
                await _in_thread(draft.close)

    async def read(self, name: str, longest_bytes: int) -> AsyncGenerator[Sequence[bytes], None]:
        """Yield the messages of a snapshot, none longer than that; close it if you leave early.

        Raises SnapshotFailed, behind its last message too.
        """
        snapshot = _Snapshot(self._path, name, longest_bytes)
        with _told(name, "loaded"):
            try:
                await _in_thread(snapshot.open)
                while bodies := await _in_thread(snapshot.read):
                    yield bodies
            finally:
                await _in_thread(snapshot.close)

    def remove_drafts(self) -> None:
        """Remove what killed writers left, as far as that can be done."""
        with suppress(OSError):
            directory = _open_directory(self._path)
            try:
                _remove_drafts(directory)
            finally:
                os.close(directory)


class _Draft:
    """A snapshot that is being written; it has to be closed, whatever happens."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._name = f"{_DRAFT_BEGINS}{token_hex(8)}{_DRAFT_ENDS}"
        self._directory = _NO_FILE
        self._file: BinaryIO | None = None
        self._has_become = False

    def open(self) -> None:
        self._directory = _open_directory(self._path)
        _remove_drafts(self._directory)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _FLAGS
        self._file = os.fdopen(os.open(self._name, flags, 0o666, dir_fd=self._directory), "wb")
        # Held as long as the writer lives, so a draft of a killed one is known by its absence.
        fcntl.flock(self._file, fcntl.LOCK_EX)
        self._writer = SnapshotWriter(self._file)

    def write(self, bodies: Sequence[bytes]) -> None:
        self._writer.write(bodies)

    def become(self, name: str) -> None:
        """Take the place of the snapshot of that name."""
        assert self._file is not None  # noqa: S101  it is open
        self._writer.finish()
        self._file.flush()
        os.fsync(self._file.fileno())
        directory = self._directory
        os.rename(self._name, name, src_dir_fd=directory, dst_dir_fd=directory)
        self._has_become = True
        with _told(name, "made durable"):
            os.fsync(directory)

    def close(self) -> None:
        if self._file is not None:
            if not self._has_become:
                with suppress(OSError):
                    os.unlink(self._name, dir_fd=self._directory)
            with suppress(OSError):  # of what was not written when the disk was full
                self._file.close()
        if self._directory != _NO_FILE:
            os.close(self._directory)


class _Snapshot:
    """A snapshot that is being read; it has to be closed, whatever happens."""

    def __init__(self, path: Path, name: str, longest_bytes: int) -> None:
        self._path = path
        self._name = name
        self._longest_bytes = longest_bytes
        self._file: BinaryIO | None = None

    def open(self) -> None:
        directory = _open_directory(self._path)
        try:
            # Not to be held up by what only looks like a file, such as a pipe.
            flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | _FLAGS
            file = os.open(self._name, flags, dir_fd=directory)
        finally:
            os.close(directory)
        mode = os.fstat(file).st_mode
        if not stat.S_ISREG(mode):
            os.close(file)
            raise BadSnapshot("is a directory" if stat.S_ISDIR(mode) else "is no regular file")
        self._file = os.fdopen(file, "rb", buffering=0)
        self._reader = SnapshotReader(self._file, self._longest_bytes)

    def read(self) -> Sequence[bytes]:
        return self._reader.read()

    def close(self) -> None:
        if self._file is not None:
            self._file.close()


def _open_directory(path: Path) -> int:
    """Open the directory, which may be a link: it is its operator's. Raises OSError."""
    try:
        return os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        raise OSError(0, f"its directory cannot be opened: {reason}") from error


def _remove_drafts(directory: int) -> None:
    """Remove drafts that nobody writes any more."""
    for name in os.listdir(directory):
        if name.startswith(_DRAFT_BEGINS) and name.endswith(_DRAFT_ENDS):
            with suppress(OSError):
                _remove_draft(name, directory)


def _remove_draft(name: str, directory: int) -> None:
    draft = os.open(name, os.O_RDONLY | os.O_NONBLOCK | _FLAGS, dir_fd=directory)
    try:
        fcntl.flock(draft, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(name, dir_fd=directory)
    finally:
        os.close(draft)


@contextmanager
def _told(name: str, what: str) -> Iterator[None]:
    """Tell what went wrong with a file in words for its snapshot."""
    try:
        yield
    except BadSnapshot as error:
        raise SnapshotFailed(name, what, f"it {error}") from error
    except OSError as error:
        why = _WORDS.get(error.errno or 0) or error.strerror or str(error)
        raise SnapshotFailed(name, what, why) from error


async def _in_thread(work: Callable[[], Result]) -> Result:
    """Do it in a thread; who is cancelled meanwhile leaves when it is done."""
    # No task, which the end of the loop would cancel: the thread would go on all the same.
    working = asyncio.get_running_loop().run_in_executor(None, work)
    try:
        return await asyncio.shield(working)
    except asyncio.CancelledError:
        await _wait_done(working)
        raise


async def _wait_done(working: "asyncio.Future[Result]") -> None:
    while not working.done():
        with suppress(asyncio.CancelledError):  # again: the first one is on its way
            await asyncio.wait([working])
    if not working.cancelled():
        working.exception()  # asked for, so nobody complains that it was not
