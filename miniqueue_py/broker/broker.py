"""Publish, subscribe, receive, purge: the verbs that doors use.

The broker puts storage and the lines of waiting subscribers together. It
holds no messages and no sockets, and decides who may publish.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from random import random

from miniqueue_py.broker.admission import NO_CAPS, Caps, Limits, admit
from miniqueue_py.broker.batches import Batches, BatchWriter
from miniqueue_py.broker.claims import Claims
from miniqueue_py.broker.clock import Clock
from miniqueue_py.broker.events import Observers
from miniqueue_py.broker.expiry import Expiry
from miniqueue_py.broker.gathering import Gathering, OnDone
from miniqueue_py.broker.message import Publication, Stored
from miniqueue_py.broker.next_look import NextLook
from miniqueue_py.broker.receipts import Receipts
from miniqueue_py.broker.reports import Reports
from miniqueue_py.broker.settling import Decision, Settler
from miniqueue_py.broker.storage import Storage, Totals, hide
from miniqueue_py.broker.subscriber import Subscriber
from miniqueue_py.broker.topic import Topic
from miniqueue_py.errors import MiniqueueError, ShuttingDown, StorageUnavailable

SLICE = 500
"""Moves that time makes in one turn of the loop; others have their turn in between. On
LevelDB a slice takes some 5 ms, and more when it syncs at the same time."""


class Broker:
    """The queue, as its doors see it."""

    def __init__(
        self,
        storage: Storage,
        clock: Clock,
        *,
        limits: Limits = Limits(),  # noqa: B008  never changed
        observers: Observers = Observers(),  # noqa: B008  never changed
        chance: Callable[[], float] = random,
    ) -> None:
        self.clock = clock
        self.limits = limits
        self.is_draining = False
        self.given_back = 0
        """Messages whose consumers did not settle them while the broker drained."""
        self._storage = storage
        self._observers = observers
        self.reports = Reports(storage, observers)
        self._settler = Settler(storage, clock, observers, chance)
        look = NextLook(clock)
        self.receipts = Receipts(self._settler, clock, look)
        self.claims = Claims(self, storage, self._settler, self.receipts, observers)
        self.batches = Batches(storage, clock)
        self._gathering = Gathering(self._append, self.reports)
        self._topics: dict[str, Topic] = {}
        self.expiry = Expiry(self.receipts, look)
        self._drained = asyncio.Event()
        storage.watch(self._on_ready, self._demand, self._on_lost)

    def __repr__(self) -> str:
        return f"<Broker, {len(self._topics)} topics with subscribers>"

    def publish(
        self,
        topic: str,
        publications: Sequence[Publication],
        batch: BatchWriter | None = None,
        caps: Caps = NO_CAPS,
    ) -> "asyncio.Future[Sequence[Stored]]":
        """Store messages; they are durable and confirmed when what it returns is done.

        It begins at once, and whoever wants to may publish more before that. The
        caps hold beside those of the topic's policy.
        Raises MessageTooLong, Contradiction, TopicFull, BatchTakenOver and
        ShuttingDown at once; StorageUnavailable then or later. None of the
        messages was confirmed then.
        """
        self._gathering.flush()
        try:
            stored = self._append(topic, publications, batch, caps)
        except MiniqueueError as error:
            if isinstance(error, StorageUnavailable):
                self.reports.state()
            # Many at a time are tried again in parts, until the one is found that is meant.
            messages = sum(len(each.bodies) for each in publications)
            if messages == 1 or isinstance(error, ShuttingDown):
                self.reports.refused(topic, error)
            raise
        # Not the same future: who goes away meanwhile has published all the same.
        kept = stored if stored.done() else stored.get_loop().create_future()
        stored.add_done_callback(partial(self.reports.ended, topic, publications, kept))
        return kept

    def publish_one(
        self, topic: str, publication: Publication, on_done: OnDone, caps: Caps = NO_CAPS
    ) -> None:
        """Store a message, one body, together with what else is published in this turn.

        Then `on_done` is called with what became of it, or with the error: any
        that `publish` raises. It is called once, in a turn to come and never from
        inside, also if the caller is not there any more; it must not raise. The
        order is that of the calls, those of `publish` included. Publications under
        the same caps, which is to say the same object, are stored together.
        """
        self._gathering.add(topic, publication, on_done, caps)

    def count_messages(self, topic: str) -> int:
        """Count a topic's messages, those included that were published in this turn."""
        return self._storage.statistics(topic).messages + self._gathering.count(topic)

    def _append(
        self,
        topic: str,
        publications: Sequence[Publication],
        batch: BatchWriter | None = None,
        caps: Caps = NO_CAPS,
    ) -> "asyncio.Future[Sequence[Stored]]":
        if self.is_draining:
            raise ShuttingDown
        count = None if batch is None else batch.count_with(publications)
        admitted, policy = admit(self._storage, self.limits, topic, publications, caps)
        now, window = self.clock.now(), policy.dedupe_window
        stored = self._storage.append(topic, admitted, now, window, count)
        if batch is not None and count is not None:
            batch.count = count
        return stored

    def open_subscriber(
        self, name: str, on_change: Callable[[], None], lease_seconds: float | None = None
    ) -> Subscriber:
        """Return a new subscriber of a topic; `close_subscriber` must follow, however it ends.

        Raises ShuttingDown.
        """
        if self.is_draining:
            raise ShuttingDown
        topic = self._topics.get(name)
        if topic is None:
            topic = self._topics[name] = Topic(name, self._storage, self.clock)
        subscriber = Subscriber(
            topic,
            self._settler,
            self._observers,
            on_change,
            lease_seconds=lease_seconds,
            on_lease=self.expiry.watch,
        )
        topic.subscribers.add(subscriber)
        return subscriber

    def close_subscriber(self, subscriber: Subscriber) -> None:
        """Give back what a subscriber holds, and forget it. Idempotent."""
        topic = subscriber.topic
        try:
            if self.is_draining:  # a consumer that the broker sends away has not failed
                self.given_back += len(subscriber.in_flight)
                subscriber.leave(Decision.RELEASE)
            else:
                subscriber.leave(Decision.LEFT)
        finally:  # others may have stumbled over what it gave back
            self.expiry.forget(subscriber)
            if not topic.subscribers and self._topics.get(topic.name) is topic:
                del self._topics[topic.name]
            self._tell_drained()

    def is_line_empty(self, name: str) -> bool:
        """Tell if messages of a topic are for whoever asks. Raises ShuttingDown."""
        if self.is_draining:
            raise ShuttingDown
        topic = self._topics.get(name)
        is_empty = topic is None or topic.is_idle
        return is_empty and not self._storage.policy(name).is_paused

    @contextmanager
    def subscribe(
        self, name: str, on_change: Callable[[], None], lease_seconds: float | None = None
    ) -> Iterator[Subscriber]:
        """Be a subscriber of a topic until the block ends, however it ends.

        Raises ShuttingDown.
        """
        subscriber = self.open_subscriber(name, on_change, lease_seconds)
        try:
            yield subscriber
        finally:
            self.close_subscriber(subscriber)

    def settled(self) -> "asyncio.Future[None]":
        """Return a future that completes when all that was settled so far is durable.

        Raises StorageUnavailable, at once or when awaited.
        """
        return self._storage.settled()

    async def delete(self, topic: str) -> None:
        """Remove a topic with all that is in it, and no other. Raises StorageUnavailable."""
        self._gathering.flush()
        await self._storage.refresh(topic)
        was_there = self._storage.knows(topic)
        async with self.receipts.deleting(topic):
            await self._storage.purge(topic)
        if was_there:
            self.reports.deleted(topic)

    async def purge(self, topic: str) -> None:
        """Remove every message of a topic, in whatever state, and keep its policy.

        It begins anew otherwise: its counts, the keys it knows. Raises StorageUnavailable.
        """
        self._gathering.flush()
        await self._storage.refresh(topic)
        messages = self._storage.statistics(topic).messages
        async with self.receipts.deleting(topic):
            await self._storage.replace(topic, hide(f"purging {topic}"))
        self.reports.purged(topic, messages)

    async def tick(self, absent_since: float | None = None) -> None:
        """Make every move whose time has come, some in each turn of the loop.

        A broker that was absent since then, a monotonic reading, could not hear who
        holds what: leases that ended since are over and count no attempt.
        """
        now, moment = self.clock.now(), self.clock.monotonic()
        if absent_since is not None:
            await self._end_leases(absent_since, Decision.EXPIRED)
        await self._end_leases(
            moment, Decision.EXPIRED if absent_since is None else Decision.RELEASE
        )
        while True:
            moved = await self._storage.release_due(now, SLICE)
            self.reports.moved(moved)
            if not moved.has_more:
                break
            await asyncio.sleep(0)
        self.reports.state()

    def drain(self) -> None:
        """Publish and deliver nothing more; ask every subscriber to end. Idempotent."""
        self._gathering.flush()  # it came before
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

    def consumer_count(self, topic: str) -> int:
        """Count the streams, and the requests, that want messages of a topic."""
        known = self._topics.get(topic)
        return sum(each.is_consumer for each in known.subscribers) if known else 0

    def totals(self) -> Totals:
        """Count what all topics hold together."""
        return self._storage.totals()

    @property
    def failure(self) -> StorageUnavailable | None:
        """Why publishing is refused by the store, or None."""
        return self._storage.failure

    @property
    def damages(self) -> Sequence[str]:
        """What the store has found to be damaged since it was opened, a sentence each."""
        return self._storage.damages

    @property
    def stalled_seconds(self) -> float:
        """How long the disk has been at what it was last told to keep; 0 if it has done that."""
        return self._storage.write_times().fsync.under_way_seconds

    async def _end_leases(self, moment: float, decision: Decision) -> None:
        """End the leases that are over then."""
        has_more = True
        while has_more:
            has_more = self.expiry.end_some(moment, SLICE, decision)
            await asyncio.sleep(0)

    def _on_ready(self, name: str) -> None:
        topic = self._topics.get(name)
        if topic is not None:
            topic.deal()

    def _demand(self, name: str) -> int:
        """Say how many messages those in line have room for."""
        topic = self._topics.get(name)
        return 0 if topic is None else topic.demand

    def _on_lost(self) -> None:
        """Send away all who hold something: it is with others. They may come back at once."""
        self.receipts.lose()
        topics, self._topics = self._topics, {}
        for topic in topics.values():
            topic.is_closed = True
            for subscriber in list(topic.subscribers):
                subscriber.close("lost")
        self._tell_drained()

    def _tell_drained(self) -> None:
        if self.is_draining and not self._topics:
            self._drained.set()
