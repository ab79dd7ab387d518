"""A database and an fsync that fail, stall and count when they are told to."""

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import plyvel


class FaultyDatabase:
    """A real database whose batches fail while `error` is set."""

    def __init__(self, database: Any) -> None:
        self.error: str | None = None
        self._database = database

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)

    def write_batch(self) -> "FaultyBatch":
        return FaultyBatch(self._database.write_batch(), self)


class FaultyBatch:
    """A real batch of a faulty database."""

    def __init__(self, batch: Any, database: FaultyDatabase) -> None:
        self._batch = batch
        self._of = database

    def __getattr__(self, name: str) -> Any:
        return getattr(self._batch, name)

    def write(self) -> None:
        if self._of.error is not None:
            raise plyvel.IOError(self._of.error.encode())
        self._batch.write()


class FaultySync:
    """A real fsync that can be held back, and fails while `error` is set."""

    def __init__(self, sync: Callable[[], None]) -> None:
        self.count = 0
        self.error: OSError | None = None
        self._sync = sync
        self._open = threading.Event()
        self._open.set()
        self._begun = threading.Event()

    def __call__(self) -> None:
        self.count += 1
        self._begun.set()
        assert self._open.wait(30)
        if self.error is not None:
            raise self.error
        self._sync()

    @contextmanager
    def held_back(self) -> Iterator[None]:
        """Let no fsync finish until the block ends."""
        self._open.clear()
        self._begun.clear()
        try:
            yield
        finally:
            self._open.set()

    async def wait_begun(self) -> None:
        """Return when an fsync has begun."""
        assert await asyncio.to_thread(self._begun.wait, 30)
