"""Engines: where messages are kept. `open_storage` is the only door."""

from typing import TYPE_CHECKING

from miniqueue_py.storage.fsync import Fsync
from miniqueue_py.storage.memory import MemoryStorage

if TYPE_CHECKING:
    from miniqueue_py.broker.storage import Storage

__all__ = ["Fsync", "open_storage"]


def open_storage(
    url: str, *, fsync: Fsync = "always", fsync_interval_seconds: float = 0.05
) -> "Storage":
    """Open the engine that `url` names; it must be closed.

    `memory:` keeps nothing. Anything else is a directory for LevelDB, with or
    without `leveldb:` before it. Raises DatabaseRefused.
    """
    if url == "memory:":
        return MemoryStorage()
    from miniqueue_py.storage.ordered.engine import OrderedStorage  # noqa: PLC0415  needs plyvel

    return OrderedStorage.open(
        url.removeprefix("leveldb:"), fsync=fsync, fsync_interval_seconds=fsync_interval_seconds
    )
