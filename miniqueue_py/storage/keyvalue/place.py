"""The directory of a database: made, found, and held while it is open.

The libraries lock a file in it, and who deletes that file lets a second broker
in. So the directory itself is locked too.
"""

import fcntl
import os
import re
import weakref
from collections.abc import Sequence
from pathlib import Path

from miniqueue_py.errors import DatabaseRefused, StorageCorrupt
from miniqueue_py.storage.keyvalue.database import Database, DatabaseFailed, RecordDamaged
from miniqueue_py.storage.keyvalue.directories import make_directory
from miniqueue_py.storage.keyvalue.libraries import choose_library
from miniqueue_py.storage.keyvalue.library import Library
from miniqueue_py.storage.keyvalue.log_tail import cut_zero_tail, log_with_a_hole
from miniqueue_py.storage.keyvalue.words import damaged, words_of

_OF_CONTENT = re.compile(r"MANIFEST-\d+|\d+\.(log|ldb|sst)")

_FIRST_MANIFEST = "MANIFEST-000001"
"""All that a start leaves that was killed when it made the database: it names nothing."""


class Place:
    """A directory that is ours until it is closed."""

    def __init__(self, path: Path, scheme: str | None = None) -> None:
        """Make and hold a directory, for the library of that scheme. Raises DatabaseRefused."""
        self.library = _library_for(path, scheme)
        try:
            make_directory(path)
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
            return  # a network's file system that cannot lock: there is the library's own

    def close(self) -> None:
        """Let others have it. Idempotent."""
        self._let_go()

    def open(self) -> tuple[Database, Sequence[str]]:
        """Open the database; a log that ends in zeros is mended, and that is told.

        Raises DatabaseRefused.
        """
        try:
            return self._open(), ()
        except DatabaseRefused as refused:
            if not isinstance(refused.__cause__, RecordDamaged):
                raise
            try:
                mended = cut_zero_tail(self.path, self.library.read_manifest(self.path))
            except (OSError, StorageCorrupt):
                raise refused from None
            if mended is None:
                raise
        return self._open(), (mended,)

    def _open(self) -> Database:
        if (self.path / "CURRENT").exists():
            self._check_log()
        else:
            self._check_is_new()
        try:
            return self.library.open(self.path)
        except RecordDamaged as error:
            raise self._refused(words_of(error)) from error
        except DatabaseFailed as error:
            raise DatabaseRefused(
                f"-db: {self.path} cannot be opened: {words_of(error)}"
            ) from error

    def _check_is_new(self) -> None:
        """Refuse what a library would take for an empty directory, and delete."""
        left = sorted(at.name for at in self.path.iterdir() if _OF_CONTENT.fullmatch(at.name))
        if left not in ([], [_FIRST_MANIFEST]):
            raise self._refused(f"it holds {left[0]!r} and no file CURRENT")

    def _check_log(self) -> None:
        """Refuse what a library would pass over in silence."""
        try:
            manifest = self.library.read_manifest(self.path)
            missing = manifest.missing_log(self.path)
            holed = log_with_a_hole(self.path, manifest)
        except (StorageCorrupt, OSError):
            return  # the library says it better
        if missing is not None:
            raise self._refused(f"{missing} is missing")
        if holed is not None:
            raise self._refused(f"{holed} has zeros in its middle")

    def _refused(self, problem: str) -> DatabaseRefused:
        return DatabaseRefused(f"-db: {self.path} {damaged(self.path, problem)}")


def _library_for(path: Path, scheme: str | None) -> Library:
    if path.exists() and not path.is_dir():
        raise DatabaseRefused(f"-db: {path} is not a directory")
    try:
        library = choose_library(path, scheme)
        names = [at.name for at in path.iterdir()] if path.exists() else []
    except DatabaseRefused as error:
        raise DatabaseRefused(f"-db: {error}") from error
    except OSError as error:
        raise DatabaseRefused(f"-db: {path} cannot be read: {error.strerror}") from error
    strangers = [name for name in names if not library.owns(name)]
    if strangers:
        raise DatabaseRefused(
            f"-db: {path} is not a {library.name} database: it holds {min(strangers)!r}"
        )
    return library
