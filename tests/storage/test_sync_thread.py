"""The thread that syncs, without a store."""

import asyncio
import gc
import threading

import pytest

from miniqueue_py.storage.ordered.writing.sync_thread import SyncThread

pytestmark = pytest.mark.anyio


async def synced(thread: SyncThread) -> tuple[float, BaseException | None]:
    done: asyncio.Future[tuple[float, BaseException | None]] = asyncio.Future()
    thread.begin(lambda seconds, error: done.set_result((seconds, error)))
    return await asyncio.wait_for(done, 10)


async def test_each_sync_is_told_in_the_loop_with_what_went_wrong() -> None:
    errors: list[Exception | None] = [None, OSError(5, "Input/output error"), None]
    left = iter(errors)

    def sync() -> None:
        assert threading.current_thread().name == "miniqueue-fsync"
        error = next(left)
        if error is not None:
            raise error

    thread = SyncThread(sync)
    for error in errors:
        seconds, told = await synced(thread)
        assert seconds >= 0
        assert told is error
    thread.close()
    thread.close()


async def test_thread_that_was_never_needed_is_none() -> None:
    before = threading.active_count()
    thread = SyncThread(lambda: None)
    assert threading.active_count() == before
    thread.close()


async def test_thread_ends_with_its_owner() -> None:
    thread = SyncThread(lambda: None)
    await synced(thread)
    [worker] = [each for each in threading.enumerate() if each is thread._thread]

    del thread
    gc.collect()

    await asyncio.to_thread(worker.join, 10)
    assert not worker.is_alive()


def test_loop_that_was_closed_meanwhile_is_told_nothing() -> None:
    may_end, told = threading.Event(), []
    thread = SyncThread(lambda: None if may_end.wait(10) else told.append("late"))

    async def begin() -> None:
        thread.begin(lambda *_: told.append("told"))

    asyncio.run(begin())
    may_end.set()
    thread.close()

    assert not told
