"""Publish, subscribe, purge: the verbs that doors use.

The broker puts storage and the lines of waiting subscribers together. It
holds no messages and no sockets, and decides who may publish.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from miniqueue_py.broker.clock import Clock
from miniqueue_py.broker.events import (
    Observers,
    Published,
    Purged,
    Restored,
    StorageFailed,
    StorageRecovered,
)
from miniqueue_py.broker.message import Message
from miniqueue_py.broker.storage import Storage, TopicStatistics
from miniqueue_py.broker.subscriber import Subscriber
from miniqueue_py.broker.topic import Topic
from miniqueue_py.errors import (
    MessageTooLong,
    ShuttingDown,
    StorageUnavailable,
    TopicFull,
)


@dataclass(frozen=True, slots=True)
class Limits:
    """What the broker takes; 0 means no limit."""

    max_message_bytes: int = 1 << 20
    max_messages: int = 0
    max_bytes: int = 0


class Broker:
    """The queue, as its doors see it."""

    def __init__(
        self,
        storage: Storage,
        clock: Clock,
        *,
        limits: Limits = Limits(),
        observers: Observers = Observers(),  # noqa: B008  never changed
    ) -> None:
        self.clock = clock
        self.limits = limits
        self.is_draining = False
        self.given_back = 0
        """Messages whose consumers did not settle them while the broker drained."""
        self._storage = storage
        self._observers = observers
        self._topics: dict[str, Topic] = {}
        self._drained = asyncio.Event()
        self._told_cause: str | None = None
        storage.watch(self._on_ready)

    def __repr__(self) -> str:
        return f"<Broker, {len(self._topics)} topics with subscribers>"

    async def publish(self, topic: str, bodies: Sequence[bytes]) -> None:
        """Store messages; they are durable and confirmed when it returns.

        Raises MessageTooLong, TopicFull, ShuttingDown, StorageUnavailable; none
        of the messages was confirmed then.
        """
        self._check_room(bodies)
        try:
            await self._storage.append(topic, [Message(body) for body in bodies])
        except StorageUnavailable:
            self._tell_failure()
            raise
        if self._observers:
            self._observers.tell(Published(topic, len(bodies), sum(map(len, bodies))))

    @contextmanager
    def subscribe(self, name: str, on_change: Callable[[], None]) -> Iterator[Subscriber]:
        """Be a subscriber of a topic until the block ends, however it ends.

        Raises ShuttingDown.
        """
        if self.is_draining:
            raise ShuttingDown
        topic = self._topics.get(name)
        if topic is None:
            topic = self._topics[name] = Topic(name, self._storage)
        subscriber = Subscriber(topic, self._storage, self._observers, on_change)
        topic.subscribers.add(subscriber)
        try:
            yield subscriber
        finally:
            if self.is_draining and subscriber.in_flight is not None:
                self.given_back += 1
            subscriber.leave()
            if not topic.subscribers:
                self._topics.pop(name, None)
            self._tell_drained()

    async def purge(self, topic: str) -> None:
        """Remove every message of the topic, and of no other. Raises StorageUnavailable."""
        await self._storage.purge(topic)
        if self._observers:
            self._observers.tell(Purged(topic))

    def tick(self) -> None:
        """Make every move whose time has come."""
        restored = self._storage.release_due(self.clock.now())
        if restored and self._observers:
            self._observers.tell(Restored(restored))
        self._tell_failure()

    def drain(self) -> None:
        """Publish and deliver nothing more; ask every subscriber to end. Idempotent."""
        self.is_draining = True
        self._tell_drained()
        for topic in list(self._topics.values()):
            topic.is_closed = True
            for subscriber in list(topic.subscribers):
                subscriber.close("draining")

    async def wait_drained(self) -> None:
        """Return when the broker drains and the last subscriber has left."""
        await self._drained.wait()

    @property
    def subscriber_count(self) -> int:
        return sum(len(topic.subscribers) for topic in self._topics.values())

    @property
    def failure(self) -> StorageUnavailable | None:
        """Why publishing is refused by the store, or None."""
        return self._storage.failure

    def topics(self) -> Sequence[str]:
        """Name the topics that hold messages, or held some."""
        return self._storage.topics()

    def statistics(self, topic: str) -> TopicStatistics:
        """Count a topic's messages by state."""
        return self._storage.statistics(topic)

    def _check_room(self, bodies: Sequence[bytes]) -> None:
        if self.is_draining:
            raise ShuttingDown
        limits = self.limits
        for body in bodies:
            if len(body) > limits.max_message_bytes:
                raise MessageTooLong(limits.max_message_bytes)
        if not (limits.max_messages or limits.max_bytes):
            return
        totals = self._storage.totals()
        if limits.max_messages and totals.messages + len(bodies) > limits.max_messages:
            raise TopicFull("-max-msgs", limits.max_messages)
        if limits.max_bytes and totals.bytes + sum(map(len, bodies)) > limits.max_bytes:
            raise TopicFull("-max-bytes", limits.max_bytes)

    def _on_ready(self, name: str) -> None:
        topic = self._topics.get(name)
        if topic is not None:
            topic.deal()

    def _tell_drained(self) -> None:
        if self.is_draining and not self._topics:
            self._drained.set()

    def _tell_failure(self) -> None:
        failure = self._storage.failure
        cause = failure.cause if failure else None
        if cause == self._told_cause:
            return
        self._told_cause = cause
        if self._observers:
            self._observers.tell(StorageFailed(cause) if cause else StorageRecovered())
