"""A thread that puts on the disk what was written, whenever it is told to.

A queue of C on the way there and one call of the loop on the way back: an
executor's future costs three times as much, and stands between each publish
and its confirmation.
"""

import asyncio
import weakref
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from threading import Thread
from time import perf_counter

OnSynced = Callable[[float, BaseException | None], None]
"""Told how many seconds it took, and what went wrong if anything did."""

_Jobs = SimpleQueue[tuple[asyncio.AbstractEventLoop, OnSynced] | None]


class SyncThread:
    """Syncs one time after the other; it lives as long as its owner, and starts when needed."""

    def __init__(self, sync: Callable[[], None]) -> None:
        self._sync = sync
        self._jobs: _Jobs = SimpleQueue()
        self._thread: Thread | None = None
        weakref.finalize(self, self._jobs.put, None)

    def begin(self, on_synced: OnSynced) -> None:
        """Sync, and then call `on_synced` in a turn of the loop that runs now."""
        if self._thread is None:
            # A daemon: a process that is told to leave at once waits for no disk.
            self._thread = Thread(
                target=_work, args=(self._jobs, self._sync), name="miniqueue-fsync", daemon=True
            )
            self._thread.start()
        self._jobs.put((asyncio.get_running_loop(), on_synced))

    def close(self) -> None:
        """Return when the thread has ended. Idempotent."""
        self._jobs.put(None)
        if self._thread is not None:
            self._thread.join()


def _work(jobs: _Jobs, sync: Callable[[], None]) -> None:
    while (job := jobs.get()) is not None:
        error: BaseException | None = None
        began = perf_counter()
        try:
            sync()
        except BaseException as raised:  # noqa: BLE001  the boundary: the loop is told
            error = raised
        seconds = perf_counter() - began
        loop, on_synced = job
        with suppress(RuntimeError):  # the loop was closed meanwhile: nobody waits
            loop.call_soon_threadsafe(on_synced, seconds, error)
        del job, loop, on_synced, error  # while this waits it keeps nobody alive
