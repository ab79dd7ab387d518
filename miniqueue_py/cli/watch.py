"""Noticing that a publisher has failed, while its next message is waited for."""

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING

import anyio

from miniqueue_py.errors import MiniqueueError

if TYPE_CHECKING:
    from miniqueue_py.client import Publisher


class Watch:
    """Waits for what is confirmed; when that will never be, it stops who waits for more."""

    def __init__(self, publisher: "Publisher") -> None:
        self._publisher = publisher
        self._failure: MiniqueueError | None = None
        self._waiting: anyio.CancelScope | None = None
        self._has_more = anyio.Event()

    def __repr__(self) -> str:
        return f"<Watch on {self._publisher!r}>"

    @contextmanager
    def stops(self) -> Iterator[None]:
        """Leave the block when the publisher fails, or has failed."""
        with anyio.CancelScope() as waiting:
            if self._failure is not None:
                waiting.cancel()
            self._waiting = waiting
            try:
                yield
            finally:
                self._waiting = None

    def check(self) -> None:
        """Raise what the publisher failed with."""
        if self._failure is not None:
            raise self._failure

    def look(self) -> None:
        """Take note that something was sent."""
        self._has_more.set()

    async def run(self) -> None:
        """Watch until it has failed."""
        try:
            while True:
                await self._publisher.flush()
                await self._has_more.wait()
                self._has_more = anyio.Event()
        except MiniqueueError as error:
            self._failure = error
            if self._waiting is not None:
                self._waiting.cancel()


@asynccontextmanager
async def watched(publisher: "Publisher") -> AsyncIterator[Watch]:
    """Watch a publisher until the block ends."""
    watch = Watch(publisher)
    problem = None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(watch.run)
        # Kept, and raised outside: a task group would wrap it.
        try:
            yield watch
        except (MiniqueueError, OSError) as error:
            problem = error
        tasks.cancel_scope.cancel()
    if problem is not None:
        raise problem
