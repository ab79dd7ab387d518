"""Directories that a power cut does not take away: a name is on the disk when its directory is."""

import os
from contextlib import suppress
from pathlib import Path


def sync_directory(path: Path) -> None:
    """Put the names in a directory on the disk. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def make_directory(path: Path) -> None:
    """Make a directory and those above it, durably, unless it is there. Raises OSError."""
    if path.exists():
        return
    parent = path.absolute().parent
    make_directory(parent)
    with suppress(FileExistsError):
        path.mkdir()
    sync_directory(parent)
