"""Engines: where messages are kept. `open_storage` is the only door."""

from typing import TYPE_CHECKING

from miniqueue_py.database_address import parse_address
from miniqueue_py.errors import DatabaseRefused
from miniqueue_py.storage.fsync import Fsync
from miniqueue_py.storage.memory import MemoryStorage

if TYPE_CHECKING:
    from miniqueue_py.broker.storage import Storage

__all__ = ["Fsync", "open_storage"]


def open_storage(
    url: str, *, fsync: Fsync = "always", fsync_interval_seconds: float = 0.05
) -> "Storage":
    """Open the engine that `url` names; it must be closed.

    `memory:` keeps nothing. Anything else is a directory, for the library that its
    files are of, or that is named before it: `leveldb:`, `rocksdb:`. A new one is
    for the first that is installed. Raises DatabaseRefused, and ValueError for an
    address that is none.
    """
    scheme, directory = parse_address(url)
    if scheme == "memory":
        return MemoryStorage()
    if directory is None:
        raise DatabaseRefused(
            f"a database of {scheme}: is its server's, and is not opened as a file"
        )
    from miniqueue_py.storage.ordered.opening import open_ordered  # noqa: PLC0415  loaded if used

    return open_ordered(
        directory,
        scheme=scheme,
        fsync=fsync,
        fsync_interval_seconds=fsync_interval_seconds,
    )
