"""Space given back in the background: purged topics, and ranges of deleted keys.

A library keeps a deleted record until a compaction meets it. A queue deletes
everything it writes, so the dead range behind the head is compacted whenever
it outgrows what is alive.

A worker thread reads and compacts; it never writes. What is to be deleted is
handed to the committer, the one writer: a write that failed in a thread of
its own would leave a torn record in the log, and what the committer confirms
behind that would be gone after a crash.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any, TypeVar

from miniqueue_py.storage.keyvalue.database import Database, DatabaseFailed
from miniqueue_py.storage.keyvalue.sizes import WRITE_BUFFER_BYTES
from miniqueue_py.storage.ordered.layout import keys, records
from miniqueue_py.storage.ordered.topic_state import TopicState
from miniqueue_py.storage.ordered.writing.committer import Committer

Range = tuple[bytes, bytes]
Answer = TypeVar("Answer")

WORTH_BYTES = WRITE_BUFFER_BYTES // 2
"""Less than this is not worth a compaction."""

DEAD_BYTES = len(keys.message_key(0, 0)) + records.COMMON_BYTES
"""What a removed record leaves behind, beside what it held."""

_KEYS_A_TURN = 1000

_TRIES, _AGAIN_SECONDS = 60, 1.0
"""RocksDB looks every 5 s if a disk that was full has room again."""


class Janitor:
    """Sweeps and compacts, one thing at a time."""

    def __init__(self, database: Database, committer: Committer) -> None:
        self._database = database
        self._committer = committer
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="miniqueue-janitor")
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_closed = False
        self._is_compacting = False
        self.dead_bytes = 0
        """What was removed and not compacted since."""
        self._dead_in: set[TopicState] = set()

    def remove(self, topic: TopicState, key: bytes, size: int) -> None:
        """Delete a record in this turn's batch that held so many bytes, and some."""
        self._committer.delete(topic, key)
        self.dead_bytes += size + DEAD_BYTES
        self._dead_in.add(topic)

    def remove_all(self, topic: TopicState, gone: Sequence[bytes], size: int) -> None:
        """Delete messages in this turn's batch that held so many bytes together, and some."""
        self._committer.delete_all(topic, gone)
        self.dead_bytes += size + DEAD_BYTES * len(gone)
        self._dead_in.add(topic)

    def is_wanted(self, live_bytes: int) -> bool:
        """Tell if what is dead outgrows half of what lives, and is worth the trouble."""
        return self.dead_bytes > max(WORTH_BYTES, live_bytes // 2) and not self._is_compacting

    def doom(self, topic: TopicState, last_id: int) -> bytes:
        """Delete a topic in this turn's batch; return the spaces where it is to be swept."""
        spaces = topic.spaces()
        self._committer.delete(None, keys.topic_key(topic.id))
        self._committer.delete(None, keys.policy_key(topic.id))
        self._committer.put(None, keys.doomed_key(topic.id), spaces)
        self._committer.put(None, keys.LAST_TOPIC_KEY, keys.topic_key(last_id))
        return spaces

    def sweep(self, topic_id: int, spaces: bytes) -> None:
        """Delete what is left of a purged topic in those spaces, and then the note of it."""
        self._start(self._sweep(topic_id, spaces))

    def compact(self, gone_by: Sequence[Range], then: Callable[[], None]) -> None:
        """Give back the space of what was counted: a range a topic, and instants gone by.

        What dies meanwhile is counted for the next time: `then` asks for it.
        """
        ranges = [topic.dead_range() for topic in self._dead_in if not topic.is_dead]
        self.dead_bytes = 0
        self._dead_in.clear()
        self._is_compacting = True

        async def compact() -> None:
            try:
                await self._compact([*ranges, *gone_by])
            finally:
                self._is_compacting = False
            then()

        self._start(compact())

    def compact_leftovers(self, ranges: Sequence[Range]) -> None:
        """Give back what an earlier process counted and did not come to compact."""

        async def compact() -> None:
            sizes = await self._run(lambda: [self._database.size_of(*e) for e in ranges])
            large = zip(ranges, sizes, strict=True)
            await self._compact([each for each, size in large if size > WORTH_BYTES])

        self._start(compact())

    async def aclose(self) -> None:
        """Stop at the next convenient point; what is left is done after the next start."""
        self._is_closed = True
        await self.wait_idle()
        self._thread.shutdown()

    async def wait_idle(self) -> None:
        """Return when nothing is under way."""
        while self._tasks:
            await asyncio.wait(self._tasks)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        async def guarded() -> None:
            try:
                await work
            except DatabaseFailed as error:
                self._committer.fail(error)

        task = asyncio.get_running_loop().create_task(guarded())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self, job: Callable[[], Answer]) -> Answer:
        return await asyncio.get_running_loop().run_in_executor(self._thread, job)

    async def _sweep(self, topic_id: int, of_topic: bytes) -> None:
        def of_delay(key: bytes) -> bool:
            return keys.delayed_fields(key)[1] == topic_id

        def of_expiry(key: bytes) -> bool:
            return keys.topic_id_of(keys.message_of_expiry(key)) == topic_id

        def of_any(_: bytes) -> bool:
            return True

        spaces = [
            (*keys.message_range(topic_id), of_any),
            *((*keys.range_of(bytes((each,)), topic_id), of_any) for each in keys.SPACES_OF_KEPT),
            # These two hold what is of all topics, and all of that is read.
            (keys.DELAYED, keys.DOOMED, of_delay),
            (keys.EXPIRIES, keys.KEPT_KEYS, of_expiry),
        ]
        swept = [
            (start, stop)
            for start, stop, belongs in spaces
            if start[0] in of_topic and await self._delete(start, stop, belongs)
        ]
        if self._must_stop():
            return
        self._committer.delete(None, keys.doomed_key(topic_id))
        self._committer.flush()
        await self._compact(swept)

    async def _delete(self, start: bytes, stop: bytes, belongs: Callable[[bytes], bool]) -> int:
        """Delete keys of a range, some each turn of the loop; return how many."""
        count = 0
        while not self._must_stop():
            seen = await self._run(lambda: self._keys(start, stop))  # noqa: B023  awaited here
            if not seen:
                break
            for key in filter(belongs, seen):
                self._committer.delete(None, key)
                count += 1
            start = seen[-1] + b"\x00"
        return count

    def _keys(self, start: bytes, stop: bytes) -> list[bytes]:
        return [key for key, _ in islice(self._committer.reads.read(start, stop), _KEYS_A_TURN)]

    async def _compact(self, ranges: Sequence[Range]) -> None:
        for start, stop in ranges:
            for _ in range(_TRIES):
                if self._must_stop():
                    return
                if await self._run(lambda: self._database.compact(start, stop)):  # noqa: B023
                    break
                await asyncio.sleep(_AGAIN_SECONDS)

    def _must_stop(self) -> bool:
        return self._is_closed or self._committer.failure is not None
