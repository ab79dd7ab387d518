"""A database and an fsync that fail, stall and count when they are told to."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from miniqueue_py.storage.keyvalue.database import Batch, DatabaseFailed, Entry, OnGap
from miniqueue_py.storage.keyvalue.log_sync import LogSync
from miniqueue_py.storage.ordered.engine import OrderedStorage
from miniqueue_py.storage.ordered.layout.version import check_version
from miniqueue_py.storage.ordered.opening import open_ordered
from tests.storage.raw import open_database

INTERVAL_SECONDS = 3600.0
"""Nothing is synced but what somebody waits for, and what is left at the end."""


def always_room(_size: int) -> bool:
    return True


def reopen(path: Path) -> OrderedStorage:
    """Open a real database, in the strictest way."""
    return open_ordered(path, fsync="always", fsync_interval_seconds=INTERVAL_SECONDS)


def faulty(
    path: Path,
    has_room: Callable[[int], bool] = always_room,
    *,
    fsync_interval_seconds: float = INTERVAL_SECONDS,
) -> "tuple[OrderedStorage, FaultyDatabase, FaultySync]":
    """Open a database that can be made to fail."""
    database = FaultyDatabase(open_database(path))
    check_version(database, path)
    sync = FaultySync(LogSync(path))
    storage = OrderedStorage(
        database, sync, has_room, fsync="always", fsync_interval_seconds=fsync_interval_seconds
    )
    return storage, database, sync


class FaultyDatabase:
    """A real database whose batches fail while `error` is set."""

    def __init__(self, database: Any) -> None:
        self.error: str | None = None
        self.is_unreadable = False
        """Whatever is looked for by its key is in a bad block."""
        self.reads = 0
        """How many ranges were read."""
        self._database = database
        self._on_gap: OnGap | None = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    def watch(self, on_gap: OnGap) -> None:
        self._on_gap = on_gap
        self._database.watch(on_gap)

    def read(self, start: bytes, stop: bytes) -> Iterator[Entry]:
        self.reads += 1
        entries: Iterator[Entry] = self._database.read(start, stop)
        return entries

    def get(self, key: bytes) -> bytes | None:
        if self.is_unreadable:
            assert self._on_gap is not None
            self._on_gap(key, key + b"\x00")
            return None
        record: bytes | None = self._database.get(key)
        return record

    def has(self, key: bytes) -> bool:
        return self.is_unreadable or bool(self._database.has(key))

    def write(self, batch: Batch) -> None:
        if self.error is not None:
            raise DatabaseFailed(self.error)
        self._database.write(batch)


class FaultySync:
    """A real fsync that can be held back, and fails while `error` is set."""

    def __init__(self, sync: Callable[[], None]) -> None:
        self.count = 0
        """How many have begun."""
        self.error: OSError | None = None
        self.error_from = 0
        """The first that fails, if any does."""
        self._sync = sync
        self._is_held = False
        self._changed = threading.Condition()

    def __call__(self) -> None:
        with self._changed:
            self.count += 1
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: not self._is_held, 30)
        if self.error is not None and self.count >= self.error_from:
            raise self.error
        self._sync()

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """Let no fsync finish until the block ends."""
        with self._changed:
            self._is_held = True
        try:
            yield
        finally:
            with self._changed:
                self._is_held = False
                self._changed.notify_all()

    async def wait_begun(self, count: int) -> None:
        """Return when so many have begun since the start."""

        def begun() -> bool:
            with self._changed:
                return self._changed.wait_for(lambda: self.count >= count, 30)

        assert await asyncio.to_thread(begun)
