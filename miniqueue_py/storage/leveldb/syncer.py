"""When what was written is put on the disk, and who is told.

One fsync at a time, in a thread of its own. All who wait when one begins are
served by it; those who come meanwhile by the next.
"""

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any, NamedTuple

from miniqueue_py.broker.write_times import Times
from miniqueue_py.errors import StorageUnavailable
from miniqueue_py.storage.fsync import Fsync
from miniqueue_py.storage.leveldb.topic_state import TopicState


class Arrival(NamedTuple):
    """Messages of one topic on their way to the disk, in the order of their keys."""

    topic: TopicState
    keys: Sequence[bytes]
    records: Sequence[bytes]


class Written:
    """What batches put into the page cache, and who waits for the disk."""

    def __init__(self) -> None:
        self.arrivals: list[Arrival] = []
        self.waiters: list[tuple[asyncio.Future[Any], object]] = []
        """Who waits, and what each is to be told."""

    def add(self, other: "Written") -> None:
        self.arrivals += other.arrivals
        self.waiters += other.waiters

    def resolve(self) -> None:
        """Tell those who wait that it is durable."""
        for waiter, answer in self.waiters:
            if not waiter.done():
                waiter.set_result(answer)

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
        self._sync = sync
        self._policy = policy
        self._interval_seconds = interval_seconds
        self._on_durable = on_durable
        self._on_failed = on_failed
        self._waiting = Written()
        self._is_dirty = False
        self._timer: asyncio.TimerHandle | None = None
        self._syncing: asyncio.Future[float] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="miniqueue-fsync")

    def take(self, written: Written) -> None:
        """See to what was just written, as the policy wants."""
        self._is_dirty = True
        if self._policy != "always":
            self._on_durable(written)
        else:
            self._waiting.add(written)
        self._go_on()

    def give_up(self) -> Written:
        """Return what still waits, and see to it no more."""
        waiting, self._waiting = self._waiting, Written()
        self._is_dirty = False
        self._stop_timer()
        return waiting

    async def aclose(self) -> None:
        """Sync what is left, whatever the policy. Raises OSError."""
        while self._syncing is not None:
            await asyncio.wait([self._syncing])
            await asyncio.sleep(0)
        self._stop_timer()
        try:
            if self._is_dirty:
                self.times.note(await self._run())
        finally:
            self._thread.shutdown()

    def _go_on(self) -> None:
        """Begin the next fsync now if somebody waits, else within the interval."""
        if self._syncing is not None:
            return
        if self._waiting.waiters:
            self._begin()
        elif self._is_dirty and self._policy != "never" and self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._interval_seconds, self._begin)

    def _begin(self) -> None:
        self._stop_timer()
        if self._syncing is not None:
            return
        written, self._waiting = self._waiting, Written()
        self._is_dirty = False
        self._syncing = self._run()
        self._syncing.add_done_callback(lambda done: self._finish(written, done))

    def _run(self) -> asyncio.Future[float]:
        """Sync in the thread; how long it took there is the answer."""

        def timed() -> float:
            began = perf_counter()
            self._sync()
            return perf_counter() - began

        self.times.began = perf_counter()
        return asyncio.get_running_loop().run_in_executor(self._thread, timed)

    def _finish(self, written: Written, done: asyncio.Future[float]) -> None:
        self._syncing = self.times.began = None
        error = done.exception()
        if error is not None:
            self._on_failed(error, written)
            return
        self.times.note(done.result())
        self._go_on()
        self._on_durable(written)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
