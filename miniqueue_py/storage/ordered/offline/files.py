"""The files of a database that is to be looked at: whether it is one, is free, and is whole."""

import fcntl
import os
import re
from collections.abc import Iterator
from pathlib import Path
from struct import Struct

from miniqueue_py.errors import DatabaseRefused
from miniqueue_py.storage.keyvalue.libraries import LEVELDB, choose_library, library_of
from miniqueue_py.storage.keyvalue.library import Library
from miniqueue_py.storage.keyvalue.log_tail import log_with_a_hole
from miniqueue_py.storage.keyvalue.manifest import Manifest

_TABLE = re.compile(r"(\d+)\.(?:ldb|sst)")

_LOCK_OF_FILE = Struct("hhqqi4x")
"""C's struct flock on Linux: kind, whence, start, length, process."""


def check_is_database(path: Path) -> Library:
    """Return the library that a database is of; refuse what is none, or is in use.

    Raises DatabaseRefused.
    """
    if not path.is_dir():
        what = "is not a directory" if path.exists() else "does not exist"
        raise DatabaseRefused(f"{path} {what}; name the directory that the broker has as -db")
    try:
        library = library_of(path) or LEVELDB
        strangers = [at.name for at in path.iterdir() if not library.owns(at.name)]
        is_database = (path / "CURRENT").is_file()
    except OSError as error:
        raise DatabaseRefused(f"{path} cannot be read: {error.strerror}") from error
    if strangers or not is_database:
        why = f"it holds {min(strangers)!r}" if strangers else "it has no file CURRENT"
        raise DatabaseRefused(f"{path} is not a database: {why}")
    check_is_free(path)
    return choose_library(path, None)


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


def damages_of_files(path: Path, manifest: Manifest, suffix: str) -> Iterator[str]:
    """Name what is missing, and tables that are not as long as they were written."""
    log = manifest.missing_log(path)
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
            yield f"{number:06}{suffix} is missing, a table of {size} bytes"
        elif sizes[number] != size:
            yield f"{number:06}{suffix} has {sizes[number]} bytes, and was written with {size}"


def give_to_owner(made: Path, path: Path) -> None:
    """Have the broker of a database be able to open what root has made of it. Raises OSError."""
    owner = path.stat()
    made.chmod(owner.st_mode & 0o7777)
    if os.geteuid() == 0:
        for each in (made, *made.iterdir()):
            os.chown(each, owner.st_uid, owner.st_gid)
