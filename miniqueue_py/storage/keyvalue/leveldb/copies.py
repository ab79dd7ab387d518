"""A database opened to look at, and nothing in its directory changed.

LevelDB writes when it opens: a new log, a new list of files, tables for what
was in the old log. So it opens a copy. Tables never change once written, and
stand in the copy as links; the rest is small. Only tables that belong to the
database are linked: LevelDB could give a new one the number of a leftover, and
would write through the link.
"""

import fcntl
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from struct import Struct
from tempfile import TemporaryDirectory
from typing import Any

import plyvel

from miniqueue_py.errors import DatabaseRefused, StorageCorrupt
from miniqueue_py.storage.keyvalue.leveldb.files import WRITE_BUFFER_BYTES, strangers_in, words_of
from miniqueue_py.storage.keyvalue.leveldb.log_tail import log_with_a_hole
from miniqueue_py.storage.keyvalue.leveldb.manifest import Manifest, missing_log

_TABLE = re.compile(r"(\d+)\.(?:ldb|sst)")
_LOG = re.compile(r"(\d+)\.log")

_LOCK_OF_FILE = Struct("hhqqi4x")
"""C's struct flock on Linux: kind, whence, start, length, process."""

_OPEN_FILES = 100

_PREFIX = "miniqueue-inspect-"
_DIRECTORY = re.compile(rf"\S*{_PREFIX}[^/]*/")


def check_is_database(path: Path) -> None:
    """Refuse what is none, or is in use. Raises DatabaseRefused."""
    if not path.is_dir():
        what = "is not a directory" if path.exists() else "does not exist"
        raise DatabaseRefused(f"{path} {what}; name the directory that the broker has as -db")
    try:
        strangers = strangers_in(path)
        is_database = (path / "CURRENT").is_file()
    except OSError as error:
        raise DatabaseRefused(f"{path} cannot be read: {error.strerror}") from error
    if strangers or not is_database:
        why = f"it holds {min(strangers)!r}" if strangers else "it has no file CURRENT"
        raise DatabaseRefused(f"{path} is not a database: {why}")
    check_is_free(path)


def check_is_free(path: Path) -> None:
    """Refuse a database that a broker has open. Raises DatabaseRefused."""
    lock = path / "LOCK"
    try:
        descriptor = os.open(lock, os.O_RDONLY)
    except FileNotFoundError:
        return  # a copy need not have one
    except OSError as error:
        raise DatabaseRefused(f"{lock} cannot be read: {error.strerror}") from error
    try:
        # This asks whether the lock could be had, and does not take it.
        wanted = _LOCK_OF_FILE.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
        found = fcntl.fcntl(descriptor, fcntl.F_GETLK, wanted)
    finally:
        os.close(descriptor)
    kind, *_, holder = _LOCK_OF_FILE.unpack(found)
    if kind != fcntl.F_UNLCK:
        who = f"process {holder}" if holder > 0 else "another process"
        raise DatabaseRefused(
            f"{path} is in use: {who} has it open; stop that broker, or ask it with "
            "`miniqueue topics`"
        )


def damages_of_files(path: Path, manifest: Manifest) -> Iterator[str]:
    """Name what is missing, and tables that are not as long as they were written."""
    log = missing_log(path, manifest)
    if log is not None:
        yield f"{log} is missing, with what was written last"
    log = log_with_a_hole(path, manifest)
    if log is not None:
        yield f"{log} has zeros in its middle"
    sizes = {
        int(table[1]): at.stat().st_size
        for at in path.iterdir()
        if (table := _TABLE.fullmatch(at.name))
    }
    for number, size in sorted(manifest.tables.items()):
        if number not in sizes:
            yield f"{number:06}.ldb is missing, a table of {size} bytes"
        elif sizes[number] != size:
            yield f"{number:06}.ldb has {sizes[number]} bytes, and was written with {size}"


@contextmanager
def open_copy(path: Path, manifest: Manifest, *, passes_over_damage: bool) -> Iterator[Any]:
    """Open a copy until the block ends. Raises StorageCorrupt, and DatabaseRefused.

    What is damaged in a log is an error, or is passed over.
    """
    with TemporaryDirectory(prefix=_PREFIX) as directory:
        try:
            _fill(Path(directory), path, manifest)
            database = plyvel.DB(
                directory,
                paranoid_checks=not passes_over_damage,
                compression=None,
                write_buffer_size=2 * WRITE_BUFFER_BYTES,
                max_open_files=_OPEN_FILES,
            )
        except plyvel.CorruptionError as error:
            raise StorageCorrupt(words_about_copy(error)) from error
        except (OSError, plyvel.Error) as error:
            raise DatabaseRefused(f"{path} cannot be copied: {words_of(error)}") from error
        with database:
            yield database


def words_about_copy(error: BaseException) -> str:
    """Return what an error says, without where the copy is."""
    return _DIRECTORY.sub("", words_of(error))


def _fill(copy: Path, path: Path, manifest: Manifest) -> None:
    for source in path.resolve().iterdir():
        name = source.name
        table, log = _TABLE.fullmatch(name), _LOG.fullmatch(name)
        if table and int(table[1]) in manifest.tables:
            (copy / name).symlink_to(source)
        elif name in {"CURRENT", manifest.name} or (log and manifest.needs_log(int(log[1]))):
            shutil.copyfile(source, copy / name)
