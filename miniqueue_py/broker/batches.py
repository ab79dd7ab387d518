"""Batches that go on over several requests: who adds to each, and from where on.

A batch has a key and a count of its messages, which storage keeps in one write
with them. Only one request adds to it, the newest that came under its key. So
whoever asks where to go on is told a number that nobody else moves.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from miniqueue_py.broker.clock import Clock
from miniqueue_py.broker.message import BatchCount, Publication
from miniqueue_py.broker.storage import Storage
from miniqueue_py.errors import BatchTakenOver


class Batches:
    """The batches that requests add to just now."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock
        self._writers: dict[tuple[str, str], BatchWriter] = {}

    def __repr__(self) -> str:
        return f"<Batches, {len(self._writers)} of them being added to>"

    @contextmanager
    def go_on(
        self, topic: str, key: str, on_taken_over: Callable[[], None]
    ) -> Iterator["BatchWriter"]:
        """Add to a batch until the block ends, or another request takes over.

        Whoever added to it before is told, and adds nothing more from now on.
        """
        writer = BatchWriter(self._storage, self._clock, topic, key, on_taken_over)
        if not writer.is_remembered:
            yield writer
            return
        before = self._writers.get((topic, key))
        self._writers[topic, key] = writer
        if before is not None:
            before.give_way()
        try:
            yield writer
        finally:
            if not writer.is_taken_over:
                del self._writers[topic, key]


class BatchWriter:
    """One request's part of a batch."""

    def __init__(
        self,
        storage: Storage,
        clock: Clock,
        topic: str,
        key: str,
        on_taken_over: Callable[[], None],
    ) -> None:
        self.is_taken_over = False
        self.is_remembered = storage.policy(topic).dedupe_window > 0
        """False where keys are ignored: then the batch begins and ends with the request."""
        self.count = BatchCount(key, 0)
        """What is stored of the batch, or will be."""
        self._storage = storage
        self._clock = clock
        self._topic = topic
        self._on_taken_over = on_taken_over

    async def wait_count(self) -> int:
        """Return how many messages are durable; what is added goes on from there.

        Raises StorageUnavailable.
        """
        key = self.count.key
        if self.is_remembered:
            durable = await self._storage.batch_count(self._topic, key, self._clock.now())
            self.count = BatchCount(key, durable)
        return self.count.messages

    def count_with(self, publications: Sequence[Publication]) -> BatchCount | None:
        """Return what the count is when these are stored, if it is kept.

        Raises BatchTakenOver.
        """
        if self.is_taken_over:
            raise BatchTakenOver
        if not self.is_remembered:
            return None
        key, messages = self.count
        return BatchCount(key, messages + sum([len(each.bodies) for each in publications]))

    def give_way(self) -> None:
        """Add nothing more: another request goes on."""
        self.is_taken_over = True
        self._on_taken_over()
