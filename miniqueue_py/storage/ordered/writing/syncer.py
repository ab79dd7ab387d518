"""When what was written is put on the disk, and who is told.

One fsync at a time, in a thread of its own. All who wait when one begins are
served by it; those who come meanwhile by the next.
"""

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from time import perf_counter
from typing import Any

from miniqueue_py.broker.write_times import Times
from miniqueue_py.errors import StorageUnavailable
from miniqueue_py.storage.fsync import Fsync
from miniqueue_py.storage.ordered.topic_state import TopicState
from miniqueue_py.storage.ordered.writing.sync_thread import SyncThread

Arrival = tuple[TopicState, Sequence[bytes], Sequence[bytes]]
"""Messages of one topic on their way to the disk: keys in order, and records."""


class Written:
    """What batches put into the page cache, and who waits for the disk."""

    __slots__ = ("arrivals", "waiters")

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.waiters: list[tuple[asyncio.Future[Any], object]] = []
        """Who waits, and what each is to be told."""

    def add(self, other: "Written") -> None:
        self.arrivals += other.arrivals
        self.waiters += other.waiters

    def refuse(self, failure: StorageUnavailable) -> None:
        """Tell those who wait that it may not be."""
        for waiter, _ in self.waiters:
            if not waiter.done():
                waiter.set_exception(failure)


class Syncer:
    """Carries out the policy of fsync."""

    def __init__(
        self,
        sync: Callable[[], None],
        policy: Fsync,
        interval_seconds: float,
        on_durable: Callable[[Written], None],
        on_failed: Callable[[BaseException, Written], None],
    ) -> None:
        self.times = Times()
        self._policy: Fsync = policy
        self._interval_seconds = interval_seconds
        self._on_durable = on_durable
        self._on_failed = on_failed
        self._waiting = Written()
        self._is_dirty = False
        """Something was written since the last fsync began."""
        self._is_syncing = False
        self._timer: asyncio.TimerHandle | None = None
        self._closing: asyncio.Future[BaseException | None] | None = None
        self._thread = SyncThread(sync)

    def take(self, written: Written, *, is_new: bool) -> None:
        """See to who waits for what was written, as the policy wants.

        `is_new` is false if nothing was written since they were last taken.
        """
        self._is_dirty = self._is_dirty or is_new
        if self._policy == "always":
            self._waiting.add(written)
        elif written.waiters or written.arrivals:
            self._on_durable(written)
        if not self._is_syncing and self._policy != "never":
            self._go_on()

    def give_up(self) -> Written:
        """Return what still waits, and see to it no more."""
        waiting, self._waiting = self._waiting, Written()
        self._is_dirty = False
        self._stop_timer()
        return waiting

    async def aclose(self) -> None:
        """Sync what is left, whatever the policy. Raises OSError."""
        try:
            while self._is_syncing:
                await self._wait_synced()
            if self._is_dirty:
                self._begin()
                error = await self._wait_synced()
                if error is not None:
                    raise error
        finally:
            self._stop_timer()
            self._thread.close()

    def _go_on(self) -> None:
        """Begin the next fsync now if somebody waits, else within the interval."""
        if self._waiting.waiters:
            if self._is_dirty:
                self._begin()
            else:
                self._on_durable(self._take_waiting())
        elif self._is_dirty and self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._interval_seconds, self._begin)

    def _begin(self) -> None:
        self._stop_timer()
        if self._is_syncing:
            return
        self._is_dirty, self._is_syncing = False, True
        self.times.began = perf_counter()
        self._thread.begin(partial(self._finish, self._take_waiting()))

    def _finish(self, written: Written, seconds: float, error: BaseException | None) -> None:
        self._is_syncing = False
        self.times.began = None
        if error is not None:
            self._on_failed(error, written)
        else:
            self.times.note(seconds)
            if not self._is_dirty:  # who came meanwhile waits for nothing else
                written.add(self._take_waiting())
            self._go_on()
            self._on_durable(written)
        if self._closing is not None and not self._closing.done():
            self._closing.set_result(error)

    def _take_waiting(self) -> Written:
        waiting, self._waiting = self._waiting, Written()
        return waiting

    async def _wait_synced(self) -> BaseException | None:
        """Return when the fsync that is under way has ended: what went wrong, if anything."""
        self._closing = asyncio.get_running_loop().create_future()
        return await self._closing

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
