"""The one writer: what happens in a turn of the loop becomes one WriteBatch.

Writing and syncing are two steps. A batch is written by the loop itself, into
a log and so into the page cache: microseconds, unless the library holds
writers back for a compaction. Every read after that sees it. Whether somebody
waits for the disk is the policy's choice:

    always     publishers wait until an fsync that began after their write
    interval   they do not wait; an fsync follows within the interval
    never      the operating system decides; a kill -9 still loses nothing

One fsync serves all who wait (group commit) while the next batch gathers. A
settlement has nobody waiting: its fsync follows within the interval.

A failed write or fsync is final: what was waiting is refused, and everything
after it, because nobody knows what a file holds after that.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import TypeVar

from miniqueue_py.broker.write_times import Times, WriteTimes
from miniqueue_py.errors import DiskFull, StorageCorrupt, StorageUnavailable
from miniqueue_py.storage.fsync import Fsync
from miniqueue_py.storage.keyvalue.database import Database, DatabaseFailed, Entry
from miniqueue_py.storage.keyvalue.words import words_of
from miniqueue_py.storage.ordered.topic_state import TopicState
from miniqueue_py.storage.ordered.writing.changes import Changes
from miniqueue_py.storage.ordered.writing.syncer import Arrival, Syncer, Written

Answer = TypeVar("Answer")

READING_FAILED = (DatabaseFailed, StorageCorrupt)
"""What ends in `Committer.fail`, wherever it is raised."""

_IN_WORDS = (OSError, DatabaseFailed, StorageCorrupt)
"""Errors that say what is wrong; of others the type has to be told."""


class Committer:
    """Gathers a turn's changes, writes them, and tells when they are durable."""

    def __init__(
        self,
        database: Database,
        *,
        sync: Callable[[], None],
        has_room: Callable[[int], bool],
        policy: Fsync,
        interval_seconds: float,
    ) -> None:
        self.failure: StorageUnavailable | None = None
        self._database = database
        self._has_room = has_room
        self._on_durable: Callable[[list[Arrival]], None] = _nobody
        self._on_refused: Callable[[list[Arrival]], None] = _nobody
        self.reads = database
        self._changes = Changes(database)
        self._dirty: dict[TopicState, None] = {}
        self._next = Written()
        self._turn: asyncio.Handle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        """Kept, since Python 3.11 asks for the process's id whenever it looks for it."""
        self._syncer = Syncer(sync, policy, interval_seconds, self._confirm, self._fail_synced)
        self.write_times = WriteTimes(commit=Times(), fsync=self._syncer.times)

    def watch(
        self,
        *,
        on_durable: Callable[[list[Arrival]], None],
        on_refused: Callable[[list[Arrival]], None],
    ) -> None:
        """Tell what became of that which arrived."""
        self._on_durable = on_durable
        self._on_refused = on_refused

    # What the engine says

    def put(self, topic: TopicState | None, key: bytes, record: bytes) -> None:
        """Write a record in this turn's batch."""
        self._changes.put(key, record)
        self._touch(topic)

    def delete(self, topic: TopicState | None, key: bytes) -> None:
        """Remove a record in this turn's batch."""
        self._changes.delete(key)
        self._touch(topic)

    def delete_all(self, topic: TopicState, gone: Sequence[bytes]) -> None:
        """Remove records in this turn's batch whose keys nobody writes to any more."""
        if self.failure is None:
            self._changes.gone.append(gone)
        else:
            self._changes.delete_all(gone)
        self._dirty[topic] = None
        if self._turn is None:
            self._schedule()

    def mark(self, topic: TopicState) -> None:
        """Write the topic's record with the next batch, whenever that is."""
        self._dirty[topic] = None

    def arrive(self, arrival: Arrival) -> None:
        """Write new messages; who watches hears of it when they are durable, or refused."""
        self._next.arrivals.append(arrival)
        self._dirty[arrival[0]] = None
        if self._turn is None:
            self._schedule()

    def durable(self, answer: Answer) -> "asyncio.Future[Answer]":
        """Return what is done, with that answer, when everything said so far is durable.

        It may raise StorageUnavailable, as may this.
        """
        if self.failure is not None:
            raise self.failure
        if self._turn is None:
            self._schedule()
        waiter: asyncio.Future[Answer] = (self._loop or asyncio.get_running_loop()).create_future()
        self._next.waiters.append((waiter, answer))
        return waiter

    def check(self, size: int = 0) -> None:
        """Raise what makes it impossible to take `size` bytes more, if anything does.

        A disk that is almost full is no failure: it passes when space is freed.
        """
        if self.failure is not None:
            raise self.failure
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
        self._changes.keep_for_good()
        # What was written and not synced may be found after a restart: it
        # was never confirmed, so either is right. It is not shown until then.
        unsynced = self._syncer.give_up()
        unwritten, self._next = self._next, Written()
        for refused in (unsynced, unwritten):
            refused.refuse(self.failure)
            self._on_refused(refused.arrivals)

    @contextmanager
    def noting_errors(self) -> Iterator[None]:
        """End the block at a read that fails, and be failed."""
        try:
            yield
        except READING_FAILED as error:
            self.fail(error)

    def get(self, key: bytes) -> bytes | None:
        """Read one record as if everything said were written already."""
        return self._changes.get(key)

    def read(self, start: bytes, stop: bytes) -> Iterator[Entry]:
        """Read `start <= key < stop` as if everything said were written already."""
        return self._changes.read(start, stop)

    def flush(self) -> None:
        """Write what was said so far; who waits is told in turns to come."""
        if self._turn is not None:
            self._turn.cancel()
            self._turn = None
        if self.failure is not None:
            return
        try:
            is_new = self._write()
        except Exception as error:  # noqa: BLE001  whatever it is: else who waits never hears
            self.fail(self._database.translated(error))
            return
        written = self._next
        if written.waiters or written.arrivals:
            self._next = Written()
        elif not is_new:
            return
        self._syncer.take(written, is_new=is_new)

    async def aclose(self) -> None:
        """Write and sync what is left. Whoever still waits is answered."""
        had_failed = self.failure
        self.flush()
        try:
            await self._syncer.aclose()
        except OSError as error:
            self.fail(error)
            raise StorageUnavailable(words_of(error)) from error
        if self.failure is not None and had_failed is None:
            raise self.failure

    # How it is done

    def _touch(self, topic: TopicState | None) -> None:
        if topic is not None:
            self._dirty[topic] = None
        if self._turn is None:
            self._schedule()

    def _schedule(self) -> None:
        if self.failure is None:
            self._loop = self._loop or asyncio.get_running_loop()
            self._turn = self._loop.call_soon(self.flush)

    def _write(self) -> bool:
        """Write what was said; tell if there was anything."""
        changes, dirty = self._changes, self._dirty
        if not (changes.records or changes.gone or dirty):
            return False
        began = perf_counter()
        batch = self._database.batch()
        put = batch.put
        if changes.records or changes.gone:
            changes.write_to(put, batch.delete)
        for _, arrived, written in self._next.arrivals:
            for key, record in zip(arrived, written, strict=True):
                put(key, record)
        for topic in dirty:
            if not topic.is_dead:
                put(topic.record_key, topic.encode())
        self._database.write(batch)
        self.write_times.commit.note(perf_counter() - began)
        changes.records.clear()
        changes.gone.clear()
        dirty.clear()
        return True

    def _confirm(self, written: Written) -> None:
        for waiter, answer in written.waiters:
            if not waiter.done():
                waiter.set_result(answer)
        if written.arrivals:
            self._on_durable(written.arrivals)

    def _fail_synced(self, error: BaseException, written: Written) -> None:
        self.fail(error)
        written.refuse(_translate(error))
        self._on_refused(written.arrivals)


def _nobody(_arrivals: list[Arrival]) -> None:
    """Stand in for who watches."""


def _translate(error: BaseException) -> StorageUnavailable:
    text = words_of(error)
    if not isinstance(error, _IN_WORDS):
        text = f"{type(error).__module__}.{type(error).__name__}: {text}"
    return DiskFull() if "No space left" in text else StorageUnavailable(text)
