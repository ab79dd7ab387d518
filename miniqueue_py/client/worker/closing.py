"""The end of a worker's day: nothing new is taken, and what is begun gets some time.

Two kinds of blocks are ended by it. A *taking* is left at once when closing
begins. Everything else goes on, at most for the time to drain.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import anyio
from anyio import CancelScope

from miniqueue_py.errors import MiniqueueError


class Closing:
    """Of one run of a worker."""

    def __init__(self, drain_seconds: float) -> None:
        self.is_begun = False
        self.problem: MiniqueueError | None = None
        """Why there is no sense in going on, if it was that."""
        self._drain_seconds = drain_seconds
        self._takings: set[CancelScope] = set()
        self._work = CancelScope()

    @contextmanager
    def working(self) -> Iterator[CancelScope]:
        """Everything that is ended when the time to drain is over."""
        with self._work:
            yield self._work

    @contextmanager
    def taking(self) -> Iterator[CancelScope]:
        """Be ended when closing begins, unless it was spared by then."""
        with CancelScope() as scope:
            self._takings.add(scope)
            if self.is_begun:
                scope.cancel()
            try:
                yield scope
            finally:
                self.spare(scope)

    def spare(self, taking: CancelScope) -> None:
        """Let a block that began as a taking go on."""
        self._takings.discard(taking)

    def begin(self, problem: MiniqueueError | None = None) -> None:
        """Take nothing new. Said again, it changes nothing."""
        if self.is_begun:
            return
        self.is_begun = True
        self.problem = problem
        self._work.deadline = anyio.current_time() + self._drain_seconds
        for scope in self._takings:
            scope.cancel()

    def end_now(self) -> None:
        """Let the time to drain be over."""
        self.begin()
        self._work.cancel()
