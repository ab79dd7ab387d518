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
from collections.abc import Callable, Iterator, Sequence
from heapq import merge
from typing import Any, TypeVar

import plyvel

from miniqueue_py.errors import DiskFull, StorageUnavailable
from miniqueue_py.storage.fsync import Fsync
from miniqueue_py.storage.leveldb import keys
from miniqueue_py.storage.leveldb.files import words_of
from miniqueue_py.storage.leveldb.syncer import Arrival, Syncer, Written
from miniqueue_py.storage.leveldb.topic_state import TopicState
from miniqueue_py.storage.leveldb.window import Entry

Answer = TypeVar("Answer")


class Committer:
    """Gathers a turn's changes, writes them, and tells when they are durable."""

    def __init__(
        self,
        database: Any,
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
        self._moves: dict[bytes, bytes | None] = {}
        """What is to be written; None: to be deleted."""
        self._gone: list[Sequence[bytes]] = []
        """What is to be deleted after that."""
        self._dirty: dict[TopicState, None] = {}
        self._next = Written()
        self._turn: asyncio.Handle | None = None
        self._syncer = Syncer(sync, policy, interval_seconds, self._confirm, self._fail_synced)

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
        self._moves[key] = record
        self._touch(topic)

    def delete(self, topic: TopicState | None, key: bytes) -> None:
        """Remove a record in this turn's batch."""
        self._moves[key] = None
        self._touch(topic)
        if self.failure is not None:
            self._forget_unwritten([key])

    def delete_all(self, topic: TopicState, gone: Sequence[bytes]) -> None:
        """Remove records in this turn's batch whose keys nobody writes to any more."""
        self._gone.append(gone)
        self._touch(topic)
        if self.failure is not None:
            self._note_gone()
            self._forget_unwritten(gone)

    def mark(self, topic: TopicState) -> None:
        """Write the topic's record with the next batch, whenever that is."""
        self._dirty[topic] = None

    def arrive(self, arrival: Arrival) -> None:
        """Write new messages; who watches hears of it when they are durable, or refused."""
        self._next.arrivals.append(arrival)
        self._touch(arrival.topic)

    def durable(self, answer: Answer) -> "asyncio.Future[Answer]":
        """Return what is done, with that answer, when everything said so far is durable.

        It may raise StorageUnavailable, as may this.
        """
        self.check_failure()
        self._schedule()
        waiter: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._next.waiters.append((waiter, answer))
        return waiter

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
        # What was written and not synced may be found after a restart: it
        # was never confirmed, so either is right. It is not shown until then.
        self._syncer.give_up().refuse(self.failure)
        refused, self._next = self._next, Written()
        refused.refuse(self.failure)
        self._on_refused(refused.arrivals)

    def get(self, key: bytes) -> bytes | None:
        """Read one record as if every move were written already."""
        self._note_gone()
        if key in self._moves:
            return self._moves[key]
        record: bytes | None = self._database.get(key)
        return record

    def read(self, start: bytes, stop: bytes) -> Iterator[Entry]:
        """Read `start <= key < stop` as if every move were written already."""
        self._note_gone()
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
        written, self._next = self._next, Written()
        self._syncer.take(written)

    async def aclose(self) -> None:
        """Write and sync what is left. Whoever still waits is answered."""
        self.flush()
        try:
            await self._syncer.aclose()
        except OSError as error:
            self.fail(error)
            raise StorageUnavailable(words_of(error)) from error

    # How it is done

    def _touch(self, topic: TopicState | None) -> None:
        if topic is not None:
            self._dirty[topic] = None
        self._schedule()

    def _schedule(self) -> None:
        if self._turn is None and self.failure is None:
            self._turn = asyncio.get_running_loop().call_soon(self.flush)

    def _note_gone(self) -> None:
        for gone in self._gone:
            self._moves.update(dict.fromkeys(gone))
        self._gone.clear()

    def _forget_unwritten(self, deleted: Sequence[bytes]) -> None:
        """Keep no note of what the disk never had: there will be no batch to end it."""
        for key in deleted:
            if self._database.get(key) is None:
                self._moves.pop(key, None)

    def _write(self) -> None:
        if not (self._moves or self._gone or self._dirty):
            return
        batch = self._database.write_batch()
        put, delete = batch.put, batch.delete
        for key, record in self._moves.items():
            if record is None:
                delete(key)
            else:
                put(key, record)
        for gone in self._gone:
            for key in gone:
                delete(key)
        for _, arrived, written in self._next.arrivals:
            for key, record in zip(arrived, written, strict=True):
                put(key, record)
        for topic in self._dirty:
            if not topic.is_dead:
                put(keys.topic_key(topic.id), topic.encode())
        batch.write()
        self._moves.clear()
        self._gone.clear()
        self._dirty.clear()

    def _confirm(self, written: Written) -> None:
        written.resolve()
        if written.arrivals:
            self._on_durable(written.arrivals)

    def _fail_synced(self, error: BaseException, written: Written) -> None:
        self.fail(error)
        written.refuse(_translate(error))


def _nobody(_arrivals: list[Arrival]) -> None:
    """Stand in for who watches."""


def _translate(error: BaseException) -> StorageUnavailable:
    text = words_of(error)
    return DiskFull() if "No space left" in text else StorageUnavailable(text)
