"""Which libraries there are, and which of them a directory is for."""

import re
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from miniqueue_py.errors import DatabaseRefused
from miniqueue_py.storage.keyvalue.leveldb.library import LEVELDB
from miniqueue_py.storage.keyvalue.library import Library
from miniqueue_py.storage.keyvalue.rocksdb.library import ROCKSDB

__all__ = ["LEVELDB", "LIBRARIES", "ROCKSDB", "choose_library", "is_installed", "library_of"]

LIBRARIES: Sequence[Library] = (LEVELDB, ROCKSDB)
"""A new database is of the first that is installed."""

_OF_ANY = re.compile(r"CURRENT|MANIFEST-\d+|\d+\.(log|sst)")


def library_of(path: Path) -> Library | None:
    """Tell which library has made the files of a directory; None if none has.

    Raises DatabaseRefused if more than one has, and OSError.
    """
    names = sorted(at.name for at in path.iterdir()) if path.is_dir() else []
    marks = {
        library: mark
        for library in LIBRARIES
        if (mark := next(filter(library.marks.fullmatch, names), None)) is not None
    }
    if len(marks) > 1:
        held = " and ".join(f"{mark!r} of {library.name}" for library, mark in marks.items())
        raise DatabaseRefused(f"{path} holds {held}: it is no database of either")
    if marks:
        return next(iter(marks))
    # RocksDB marks a directory before it makes anything else there.
    return LEVELDB if any(map(_OF_ANY.fullmatch, names)) else None


def choose_library(path: Path, scheme: str | None) -> Library:
    """Return the library that a directory is to be opened with. Raises DatabaseRefused, OSError."""
    there = library_of(path)
    wanted = next((each for each in LIBRARIES if each.scheme == scheme), None)
    if there is not None and wanted not in {None, there}:
        raise DatabaseRefused(
            f"{path} is a {there.name} database: open it as {there.scheme}:{path}, "
            "or move it with `miniqueue copy`"
        )
    library = there or wanted or next(filter(is_installed, LIBRARIES), LIBRARIES[0])
    if not is_installed(library):
        what = "is" if there else "is to be"
        raise DatabaseRefused(
            f"{path} {what} a {library.name} database, and {library.package} is not installed: "
            f"pip install 'miniqueue-py[{library.scheme}]'"
        )
    return library


def is_installed(library: Library) -> bool:
    return find_spec(library.package) is not None
