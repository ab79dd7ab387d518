"""The one writer: what happens in a turn of the loop becomes one WriteBatch.

Writing and syncing are two steps. A batch is written by the loop itself, into
LevelDB's log and so into the page cache: microseconds, unless LevelDB holds
writers back for a compaction. Every read after that sees it. Whether somebody
waits for the disk is the policy's choice:

    always     publishers wait until an fsync that began after their write
    interval   they do not wait; an fsync follows within the interval
    never      the operating system decides; a kill -9 still loses nothing

One fsync serves all who wait (group commit) while the next batch gathers. A
settlement has nobody waiting: its fsync follows within the interval.

A failed write or fsync is final: what was waiting is refused, and everything
after it, because nobody knows what a file holds after that. Moves that could
not be written are kept here and laid over what is read, so that consuming
goes on and an acknowledged message does not come back while the process lives.
"""

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from heapq import merge
from typing import Any, Literal, NamedTuple

import plyvel

from miniqueue_py.errors import DiskFull, StorageUnavailable
from miniqueue_py.storage.leveldb import keys
from miniqueue_py.storage.leveldb.catalogue import TopicState
from miniqueue_py.storage.leveldb.files import words_of
from miniqueue_py.storage.leveldb.window import Entry

Fsync = Literal["always", "interval", "never"]


class Arrival(NamedTuple):
    """A message on its way to the disk."""

    topic: TopicState
    key: bytes
    record: bytes


class _Written(NamedTuple):
    """What one or more batches put into the page cache, and who waits for the disk."""

    arrivals: list[Arrival]
    waiters: list[asyncio.Future[None]]


class Committer:
    """Gathers a turn's changes, writes them, and tells when they are durable."""

    def __init__(  # noqa: PLR0913  handed in by name, by the one engine
        self,
        database: Any,
        *,
        sync: Callable[[], None],
        has_room: Callable[[int], bool],
        policy: Fsync,
        interval_seconds: float,
        on_durable: Callable[[list[Arrival]], None],
        on_refused: Callable[[list[Arrival]], None],
    ) -> None:
        self.failure: StorageUnavailable | None = None
        self._database = database
        self._sync = sync
        self._has_room = has_room
        self._policy = policy
        self._interval_seconds = interval_seconds
        self._on_durable = on_durable
        self._on_refused = on_refused
        self._moves: dict[bytes, bytes | None] = {}
        self._dirty: dict[TopicState, None] = {}
        self._next = _Written([], [])
        self._unsynced = _Written([], [])
        self._is_dirty_on_disk = False
        self._turn: asyncio.Handle | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._syncing: asyncio.Future[None] | None = None
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="miniqueue-fsync")

    # What the engine says

    def put(self, topic: TopicState | None, key: bytes, record: bytes) -> None:
        """Write a record in this turn's batch."""
        self._moves[key] = record
        self._touch(topic)

    def delete(self, topic: TopicState | None, key: bytes) -> None:
        """Remove a record in this turn's batch."""
        # What was put and is not written yet need not be written at all.
        if self._moves.pop(key, None) is None:
            self._moves[key] = None
        self._touch(topic)

    async def arrive(self, topic: TopicState, entries: list[Entry]) -> None:
        """Write new messages; return when they are durable. Raises StorageUnavailable."""
        self._next.arrivals.extend(Arrival(topic, key, record) for key, record in entries)
        self._touch(topic)
        await self.wait_durable()

    async def wait_durable(self) -> None:
        """Return when everything said so far is durable. Raises StorageUnavailable."""
        self.check_failure()
        self._schedule()
        waiter = asyncio.get_running_loop().create_future()
        self._next.waiters.append(waiter)
        await waiter

    def check(self, size: int = 0) -> None:
        """Raise what makes it impossible to take `size` bytes more, if anything does.

        A disk that is almost full is no failure: it passes when space is freed.
        """
        self.check_failure()
        try:
            has_room = self._has_room(size)
        except OSError as error:
            raise StorageUnavailable(words_of(error)) from error
        if not has_room:
            raise DiskFull

    def check_failure(self) -> None:
        """Raise what made writing impossible for good, if anything did."""
        if self.failure is not None:
            raise self.failure

    def fail(self, error: BaseException) -> None:
        """Refuse all that waits and all that comes, until a restart. Idempotent."""
        if self.failure is not None:
            return
        self.failure = _translate(error)
        refused, self._next = self._next, _Written([], [])
        unsynced, self._unsynced = self._unsynced, _Written([], [])
        # What was written and not synced may be found after a restart: it
        # was never confirmed, so either is right. It is not shown until then.
        for waiter in [*refused.waiters, *unsynced.waiters]:
            if not waiter.done():
                waiter.set_exception(self.failure)
        self._on_refused(refused.arrivals)

    def read(self, start: bytes, stop: bytes) -> Iterator[Entry]:
        """Read `start <= key < stop` as if every move were written already."""
        moves = self._moves
        entries: Iterator[Entry] = self._database.iterator(start=start, stop=stop)
        if not moves:
            return entries
        over = sorted((key, record) for key, record in moves.items() if record is not None)
        return merge(
            (entry for entry in entries if entry[0] not in moves),
            (entry for entry in over if start <= entry[0] < stop),
        )

    def flush(self) -> None:
        """Write what was said so far; who waits is told in turns to come."""
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        if self.failure is not None:
            return
        try:
            self._write()
        except plyvel.Error as error:
            self.fail(error)
            return
        self._is_dirty_on_disk = True
        if self._policy == "always":
            self._unsynced.arrivals.extend(self._next.arrivals)
            self._unsynced.waiters.extend(self._next.waiters)
            self._next = _Written([], [])
            if self._unsynced.waiters:
                self._start_sync()
                return
        else:
            written, self._next = self._next, _Written([], [])
            self._confirm(written)
        self._sync_later()

    async def aclose(self) -> None:
        """Write and sync what is left. Whoever still waits is answered."""
        self.flush()
        while self._syncing is not None:
            await asyncio.wait([self._syncing])
            await asyncio.sleep(0)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        try:
            if self._is_dirty_on_disk and self.failure is None:
                await asyncio.get_running_loop().run_in_executor(self._thread, self._sync)
        except OSError as error:
            self.fail(error)
            raise StorageUnavailable(words_of(error)) from error
        finally:
            self._thread.shutdown()

    # How it is done

    def _touch(self, topic: TopicState | None) -> None:
        if topic is not None:
            self._dirty[topic] = None
        self._schedule()

    def _schedule(self) -> None:
        if self._turn is None and self.failure is None:
            self._turn = asyncio.get_running_loop().call_soon(self.flush)

    def _write(self) -> None:
        if not (self._moves or self._dirty):
            return
        batch = self._database.write_batch()
        for key, record in self._moves.items():
            if record is None:
                batch.delete(key)
            else:
                batch.put(key, record)
        for _, key, record in self._next.arrivals:
            batch.put(key, record)
        for topic in self._dirty:
            if not topic.is_dead:
                batch.put(keys.topic_key(topic.id), topic.encode())
        batch.write()
        self._moves.clear()
        self._dirty.clear()

    def _sync_later(self) -> None:
        """Let an fsync follow within the interval, though nobody waits for it."""
        if self._policy != "never" and self._timer is None and self._syncing is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._interval_seconds, self._start_sync)

    def _start_sync(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._syncing is not None:
            return
        written, self._unsynced = self._unsynced, _Written([], [])
        self._is_dirty_on_disk = False
        loop = asyncio.get_running_loop()
        self._syncing = loop.run_in_executor(self._thread, self._sync)
        self._syncing.add_done_callback(lambda done: self._finish_sync(written, done))

    def _finish_sync(self, written: _Written, done: asyncio.Future[None]) -> None:
        self._syncing = None
        error = done.exception()
        if error is not None:
            self._unsynced.waiters.extend(written.waiters)
            self.fail(error)
            return
        if self._unsynced.waiters and self.failure is None:
            self._start_sync()
        elif self._is_dirty_on_disk:
            self._sync_later()
        self._confirm(written)

    def _confirm(self, written: _Written) -> None:
        for waiter in written.waiters:
            if not waiter.done():
                waiter.set_result(None)
        if written.arrivals:
            self._on_durable(written.arrivals)


def _translate(error: BaseException) -> StorageUnavailable:
    text = words_of(error)
    return DiskFull() if "No space left" in text else StorageUnavailable(text)
