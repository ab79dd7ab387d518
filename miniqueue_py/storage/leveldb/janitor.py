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

Range = tuple[bytes, bytes]

_DELETES_A_BATCH = 1000


class Janitor:
    """One thread that sweeps and compacts."""

    def __init__(self, database: Any) -> None:
        self._database = database
        self._stop = threading.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="miniqueue-janitor")
        self._jobs: set[asyncio.Future[bool]] = set()
        self.is_compacting = False

    def sweep(self, topic_id: int, on_swept: Callable[[int], None]) -> None:
        """Delete what is left of a purged topic; then say so."""

        def finished(is_empty: bool) -> None:
            if is_empty:
                on_swept(topic_id)

        self._start(lambda: self._sweep(topic_id), finished)

    def compact(self, ranges: Sequence[Range]) -> None:
        """Give back the space of deleted keys in these ranges."""
        self.is_compacting = True
        self._start(lambda: self._compact(ranges), self._compacted)

    async def aclose(self) -> None:
        """Stop at the next convenient point; what is left is done after the next start."""
        self._stop.set()
        if self._jobs:
            await asyncio.wait(self._jobs)
        self._thread.shutdown()

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

    def _compacted(self, _is_done: bool) -> None:
        self.is_compacting = False

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
