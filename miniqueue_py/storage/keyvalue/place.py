"""The directory of a database: made, found, and held while it is open.

LevelDB locks a file in it, and who deletes that file lets a second broker in.
So the directory itself is locked too.
"""

import fcntl
import os
import weakref
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import plyvel

from miniqueue_py.errors import DatabaseRefused, StorageCorrupt
from miniqueue_py.storage.keyvalue.leveldb.files import open_database, strangers_in, words_of
from miniqueue_py.storage.keyvalue.leveldb.log_tail import cut_zero_tail


class Place:
    """A directory that is ours until it is closed."""

    def __init__(self, path: Path) -> None:
        """Make and hold a directory. Raises DatabaseRefused."""
        _check(path)
        try:
            _make(path)
            self.path = path.resolve()
            """A link on the way there may be pointed elsewhere: we stay where we are."""
            descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
        except OSError as error:
            raise DatabaseRefused(f"-db: {path} cannot be opened: {words_of(error)}") from error
        self._let_go = weakref.finalize(self, os.close, descriptor)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.close()
            raise DatabaseRefused(
                f"-db: {path} cannot be opened: another broker has it open"
            ) from None
        except OSError:
            return  # a network's file system that cannot lock: there is LevelDB's own

    def close(self) -> None:
        """Let others have it. Idempotent."""
        self._let_go()

    def open(self) -> tuple[Any, Sequence[str]]:
        """Open the database; a log that ends in zeros is mended, and that is told.

        Raises DatabaseRefused.
        """
        try:
            return open_database(self.path), ()
        except DatabaseRefused as refused:
            if not isinstance(refused.__cause__, plyvel.CorruptionError):
                raise
            try:
                mended = cut_zero_tail(self.path)
            except (OSError, StorageCorrupt):
                raise refused from None
            if mended is None:
                raise
        return open_database(self.path), (mended,)


def _check(path: Path) -> None:
    if not path.exists():
        return
    if not path.is_dir():
        raise DatabaseRefused(f"-db: {path} is not a directory")
    try:
        strangers = strangers_in(path)
    except OSError as error:
        raise DatabaseRefused(f"-db: {path} cannot be read: {error.strerror}") from error
    if strangers:
        raise DatabaseRefused(f"-db: {path} is not a LevelDB database: it holds {min(strangers)!r}")


def _make(path: Path) -> None:
    """Make a directory and those above it, so that a power cut takes none of them away."""
    if path.exists():
        return
    parent = path.absolute().parent
    _make(parent)
    with suppress(FileExistsError):
        path.mkdir()
    descriptor = os.open(parent, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
