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
        """How many have begun."""
        self.error: OSError | None = None
        self._sync = sync
        self._is_held = False
        self._changed = threading.Condition()

    def __call__(self) -> None:
        with self._changed:
            self.count += 1
            self._changed.notify_all()
            assert self._changed.wait_for(lambda: not self._is_held, 30)
        if self.error is not None:
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
