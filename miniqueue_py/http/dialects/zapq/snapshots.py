"""What takes ZapQ's queue as a whole: /persist, /load and /clear."""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from contextlib import aclosing

from quart import Response, request

from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.snapshots import Snapshots
from miniqueue_py.errors import BadParameter, MiniqueueError
from miniqueue_py.http.dialects.zapq.dialect import TOPIC, Zapq
from miniqueue_py.http.dialects.zapq.snapshot_files import (
    SnapshotDirectory,
    SnapshotFailed,
    check_file_name,
)
from miniqueue_py.http.json_bodies import nothing
from miniqueue_py.http.query import Query


class _NoSnapshots(MiniqueueError):
    """There is no directory for them: start the broker with one."""

    def __init__(self) -> None:
        super().__init__(
            "there is no snapshot directory; start the broker with -zapq-snapshots DIR"
        )


class ZapqSnapshots:
    """Writes the queue to files of one directory, and loads it from them."""

    def __init__(
        self, broker: Broker, snapshots: Snapshots, options: Zapq, longest_bytes: int
    ) -> None:
        self._broker = broker
        self._longest_bytes = longest_bytes
        """Of a message."""
        self._snapshots = snapshots
        self._options = options
        self._writing = asyncio.Lock()
        """One snapshot is written at a time: each draft takes as much of the disk as the queue."""
        self._directory = SnapshotDirectory(options.snapshots) if options.snapshots else None
        if self._directory is not None:
            self._directory.remove_drafts()

    async def persist(self) -> Response:
        """Write the queue to the file of the query."""
        directory, name = self._find_file()
        async with self._writing, aclosing(self._snapshots.read(TOPIC)) as slices:
            await directory.write(name, slices)
        return nothing(200)

    async def load(self) -> Response:
        """Have what is in the file of the query in the queue, and nothing else."""
        directory, name = self._find_file()
        async with aclosing(directory.read(name, self._longest_bytes)) as slices:
            await self._load(self._within_caps(name, slices))
        return nothing(200)

    async def clear(self) -> None:
        """Have nothing in the queue. A purge would take the policy, which is the operator's, too.

        Raises StorageUnavailable.
        """
        await self._load(_nothing())

    async def _load(self, slices: AsyncIterable[Sequence[bytes]]) -> None:
        async with self._broker.receipts.deleting(TOPIC):
            loaded = await self._snapshots.load(TOPIC, slices)
        self._broker.reports.loaded(TOPIC, loaded)

    def _find_file(self) -> tuple[SnapshotDirectory, str]:
        """Return where the file of the query is. Raises BadParameter and _NoSnapshots."""
        query = Query(request.scope["query_string"])
        name = query.read("file", check_file_name, None)
        if name is None:
            raise BadParameter("file", "is missing; name one, as in ?file=queue.json")
        if self._directory is None:
            raise _NoSnapshots
        return self._directory, name

    async def _within_caps(
        self, name: str, slices: AsyncIterable[Sequence[bytes]]
    ) -> AsyncIterator[Sequence[bytes]]:
        """Pass slices on as long as they are together no more than the queue holds."""
        messages = size = 0
        async for bodies in slices:
            messages += len(bodies)
            size += sum(map(len, bodies))
            _check("-zapq-max-msgs", messages, self._options.max_msgs, name)
            _check("-zapq-max-bytes", size, self._options.max_bytes, name)
            yield bodies


def _check(setting: str, held: int, most: int, name: str) -> None:
    if held > most:
        raise SnapshotFailed(name, "loaded", f"it holds more than {setting}, which is {most}")


async def _nothing() -> AsyncIterator[Sequence[bytes]]:
    nothing_at_all: Sequence[Sequence[bytes]] = ()
    for bodies in nothing_at_all:
        yield bodies
