"""Space given back in the background: purged topics, and ranges of deleted keys.

LevelDB keeps a deleted record until a compaction meets it. A queue deletes
everything it writes, so the dead range behind the head is compacted whenever
it outgrows what is alive. One worker thread does it, one job at a time; the
loop only says which, and hears when it is done.
"""

import asyncio
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import plyvel

from miniqueue_py.storage.leveldb import keys
from miniqueue_py.storage.leveldb.catalogue import TopicState
from miniqueue_py.storage.leveldb.files import WRITE_BUFFER_BYTES

Range = tuple[bytes, bytes]

WORTH_BYTES = WRITE_BUFFER_BYTES // 2
"""Less than this is not worth a compaction."""

_DELETES_A_BATCH = 1000


class Janitor:
    """One thread that sweeps and compacts."""

    def __init__(self, database: Any) -> None:
        self._database = database
        self._stop = threading.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="miniqueue-janitor")
        self._jobs: set[asyncio.Future[bool]] = set()
        self._is_compacting = False
        self._dead_bytes = 0
        self._dead_in: set[TopicState] = set()

    def count_dead(self, topic: TopicState, size: int) -> None:
        """Take note of a record of that size that was deleted."""
        self._dead_in.add(topic)
        self._dead_bytes += size

    def is_wanted(self, live_bytes: int) -> bool:
        """Tell if what is dead outgrows half of what lives, and is worth the trouble."""
        return self._dead_bytes > max(WORTH_BYTES, live_bytes // 2) and not self._is_compacting

    def sweep(self, topic_id: int, on_swept: Callable[[int], None]) -> None:
        """Delete what is left of a purged topic; then say so."""

        def finished(is_empty: bool) -> None:
            if is_empty:
                on_swept(topic_id)

        self._start(lambda: self._sweep(topic_id), finished)

    def compact(self, delayed_before: bytes, then: Callable[[], None]) -> None:
        """Give back the space of what was counted: a range a topic, and of delays gone by.

        What dies meanwhile is counted for the next time: `then` asks for it.
        """
        ranges = [topic.dead_range() for topic in self._dead_in if not topic.is_dead]
        self._dead_bytes = 0
        self._dead_in.clear()
        self._is_compacting = True

        def compacted(_is_done: bool) -> None:
            self._is_compacting = False
            then()

        self._start(lambda: self._compact([*ranges, (keys.DELAYED, delayed_before)]), compacted)

    def compact_leftovers(self, ranges: Sequence[Range]) -> None:
        """Give back what an earlier process counted and did not come to compact."""

        def job() -> bool:
            return self._compact(
                [each for each in ranges if self._database.approximate_size(*each) > WORTH_BYTES]
            )

        self._start(job, lambda _is_done: None)

    async def aclose(self) -> None:
        """Stop at the next convenient point; what is left is done after the next start."""
        self._stop.set()
        await self.wait_idle()
        self._thread.shutdown()

    async def wait_idle(self) -> None:
        """Return when no job is under way."""
        while self._jobs:
            await asyncio.wait(self._jobs)

    def _start(self, job: Callable[[], bool], then: Callable[[bool], None]) -> None:
        future = asyncio.get_running_loop().run_in_executor(self._thread, job)
        self._jobs.add(future)

        def done(future: asyncio.Future[bool]) -> None:
            self._jobs.discard(future)
            # An engine that cannot write says so where it writes; this work
            # is not lost, only put off until the next start.
            failed = future.exception() is not None
            if not failed or isinstance(future.exception(), plyvel.Error):
                then(not failed and future.result() and not self._stop.is_set())
            else:
                future.result()

        future.add_done_callback(done)

    def _sweep(self, topic_id: int) -> bool:
        start, stop = keys.message_range(topic_id)
        delayed = (
            key
            for key in self._keys(keys.DELAYED, keys.DOOMED)
            if keys.delayed_fields(key)[1] == topic_id
        )
        for doomed in (self._keys(start, stop), delayed):
            batch = self._database.write_batch()
            for count, key in enumerate(doomed, start=1):
                batch.delete(key)
                if count % _DELETES_A_BATCH == 0:
                    if self._stop.is_set():
                        return False
                    batch.write()
                    batch = self._database.write_batch()
            batch.write()
        return self._compact([(start, stop)])

    def _keys(self, start: bytes, stop: bytes) -> Any:
        with self._database.iterator(start=start, stop=stop, include_value=False) as iterator:
            yield from iterator

    def _compact(self, ranges: Sequence[Range]) -> bool:
        for start, stop in ranges:
            if self._stop.is_set():
                return False
            self._database.compact_range(start=start, stop=stop)
        return True
