"""Every engine against a list and a dict, by random walks of all verbs.

The LevelDB engine is closed and opened again at random, or killed: what was in
flight is then ready, in its old place, and nothing else differs but attempts
that were counted for the process only (`must_last=False`) and, after a kill,
how many were delivered since the last write.
"""

import asyncio
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from miniqueue_py.broker.delivery import ACK, REDRIVE, Bury, Delay, Delivery, Outcome, Requeue
from miniqueue_py.broker.message import BatchCount, Publication
from miniqueue_py.broker.policy import TopicPolicy
from miniqueue_py.broker.storage import Moved, Storage
from miniqueue_py.storage import open_storage
from miniqueue_py.storage.leveldb import window
from tests.storage.model import Item, Model, Topic

TOPICS = ("a", "ab", "b")
STEP_MS = 125
"""An eighth of a second: floats hold it exactly."""

IN_MEMORY = Path("/dev/shm")  # noqa: S108  a walk has a directory of its own in it
"""A walk opens its database many times, and LevelDB waits for the disk each time;
what is durable when, is tested elsewhere."""

topics = st.sampled_from(TOPICS)
eighths = st.integers(0, 8).map(lambda number: number / 8)
bodies = st.lists(st.binary(max_size=4), min_size=1, max_size=4)
ttls = st.none() | st.sampled_from((0.125, 0.5, 4.0))
priorities = st.sampled_from((0, 0, 0, 1, 255))
plain = bodies.map(Publication)
special = st.tuples(bodies, priorities, eighths, ttls).map(lambda terms: Publication(*terms))
keyed = st.tuples(st.binary(max_size=4), st.sampled_from("xyz")).map(
    lambda drawn: Publication([drawn[0]], key=drawn[1])
)
publications = st.lists(plain | special | keyed, min_size=1, max_size=3)
batches = st.none() | st.builds(BatchCount, st.sampled_from("xyz"), st.integers(1, 99))
requeues = st.tuples(st.booleans(), st.booleans(), st.booleans()).map(lambda how: Requeue(*how))
policies = st.booleans().map(lambda is_paused: TopicPolicy(lease=30.0, is_paused=is_paused))


class StorageMachine(RuleBasedStateMachine):
    """Draws from every verb; the model says what must come back."""

    can_reopen = False
    may_forget_attempts = False
    """Those that were counted without `must_last`: a small window drops what it held of them."""

    @initialize()
    def open(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.directory = tempfile.TemporaryDirectory(dir=IN_MEMORY if IN_MEMORY.is_dir() else None)
        self.heard: set[str] = set()
        self.storage = self._open()
        self.model = Model()
        self.held: list[tuple[Delivery, Item]] = []
        self.settled: list[Delivery] = []

    @property
    def now(self) -> float:
        return self.model.now_ms / 1000

    @rule(
        name=topics,
        publications=publications,
        window_ms=st.sampled_from((0, 250, 1000)),
        batch=batches,
    )
    def publish(
        self, name: str, publications: list[Publication], window_ms: int, batch: BatchCount | None
    ) -> None:
        with self.hearing():
            append = self.run(
                lambda: self.storage.append(name, publications, self.now, window_ms / 1000, batch)
            )
            topic = self.model.open(name)
            if batch is not None:
                topic.batches[batch.key] = self.model.now_ms + window_ms, batch.messages
            for publication, stored in zip(publications, self.wait(append), strict=True):
                known = self.model.known_key(name, publication.key)
                assert stored.is_duplicate == (known is not None)
                if known is not None:
                    assert stored.id == known
                else:
                    self.model.publish(name, publication, stored.id, window_ms)

    @rule(name=topics, key=st.sampled_from("xyz"))
    def count_batch(self, name: str, key: str) -> None:
        count = self.wait(self.storage.batch_count(name, key, self.now))
        assert count == self.model.batch_count(name, key)

    @rule(name=topics, limit=st.integers(0, 6), max_bytes=st.sampled_from((0, 1, 5, 999)))
    def lease(self, name: str, limit: int, max_bytes: int) -> None:
        deliveries = self.run(lambda: self.storage.lease(name, limit, max_bytes, self.now))
        items = self.model.lease(name, limit, max_bytes)
        self.compare([delivery.message for delivery in deliveries], items)
        for delivery, item in zip(deliveries, items, strict=True):
            item.attempts = delivery.message.extras.attempts
            self.held.append((delivery, item))

    @rule(name=topics, limit=st.integers(0, 6), max_bytes=st.sampled_from((0, 1, 5, 999)))
    def peek(self, name: str, limit: int, max_bytes: int) -> None:
        messages = self.run(lambda: self.storage.peek(name, limit, max_bytes, self.now))
        self.compare(messages, self.model.peek(name, limit, max_bytes))

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        self.settle(data, ACK, self.model.acknowledge)

    @precondition(lambda self: self.held)
    @rule(data=st.data(), outcome=requeues)
    def requeue(self, data: st.DataObject, outcome: Requeue) -> None:
        self.settle(data, outcome, lambda item: self.model.requeue(item, outcome))

    @precondition(lambda self: self.held)
    @rule(data=st.data(), after=eighths, is_dack=st.booleans())
    def delay(self, data: st.DataObject, after: float, *, is_dack: bool) -> None:
        outcome = Delay(self.now + after, is_dack)
        self.settle(data, outcome, lambda item: self.model.delay(item, outcome))

    @precondition(lambda self: self.held)
    @rule(data=st.data(), grave=topics, reason=st.sampled_from(("DEAD", "maxDeliveries")))
    def bury(self, data: st.DataObject, grave: str, reason: str) -> None:
        outcome = Bury(grave, reason, self.model.now_ms)
        self.settle(data, outcome, lambda item: self.model.bury(item, outcome))

    @precondition(lambda self: self.held)
    @rule(data=st.data())
    def redrive(self, data: st.DataObject) -> None:
        self.settle(data, REDRIVE, self.model.redrive)

    @precondition(lambda self: self.settled)
    @rule(data=st.data(), outcome=st.sampled_from((ACK, REDRIVE)))
    def settle_again(self, data: st.DataObject, outcome: Outcome) -> None:
        delivery = data.draw(st.sampled_from(self.settled))
        assert self.run(lambda: self.storage.settle([delivery], outcome)) == [delivery]

    @rule(steps=st.integers(0, 4))
    def pass_time(self, steps: int) -> None:
        self.model.now_ms += steps * STEP_MS

    @rule(limit=st.integers(0, 3))
    def release_some(self, limit: int) -> None:
        self.release(limit)

    @rule(limit=st.sampled_from((1, 2, 1000)))
    def release_all(self, limit: int) -> None:
        for _ in range(1000):
            if not self.release(limit):
                break
        assert self.model.is_release_over()

    @rule(name=topics)
    def purge(self, name: str) -> None:
        self.wait(self.storage.purge(name))
        self.model.purge(name)
        self.settled += [delivery for delivery, item in self.held if item.topic == name]
        self.held = [held for held in self.held if held[1].topic != name]

    @rule(name=topics, policy=policies)
    def set_policy(self, name: str, policy: TopicPolicy) -> None:
        self.wait(self.storage.set_policy(name, policy))
        self.model.open(name).policy = policy

    @precondition(lambda self: self.can_reopen)
    @rule()
    def reopen(self) -> None:
        self.wait(self.storage.aclose())
        self.storage = self._open()
        self.model.reopen()
        self.held.clear()
        self.settled.clear()  # receipts of a process that is no more

    @precondition(lambda self: self.can_reopen)
    @rule()
    def kill(self) -> None:
        """Go on with what was written by the end of this turn of the loop."""
        storage: Any = self.storage
        self.wait(asyncio.sleep(0))
        self.run(lambda: storage._committer.fail(OSError("killed")))
        self.wait(storage.aclose())
        self.storage = self._open()
        self.model.reopen()
        self.held.clear()
        self.settled.clear()
        for name, topic in self.model.topics.items():
            # Written with whatever is written next, and that did not happen.
            delivered = self.storage.statistics(name).delivered
            assert delivered <= topic.delivered
            topic.delivered = delivered

    @invariant()
    def everything_told_is_exact(self) -> None:
        model, storage = self.model, self.storage
        assert set(storage.topics()) == set(model.topics)
        for name in TOPICS:
            topic = model.topics.get(name) or Topic(0)
            assert storage.statistics(name) == topic.statistics()
            assert storage.policy(name) == topic.policy
            assert storage.oldest_ms(name) == topic.oldest_ms()
        items = [item for topic in model.topics.values() for item in topic.items()]
        assert storage.totals() == (len(items), sum(len(item.body) for item in items))

    def teardown(self) -> None:
        with suppress(AttributeError):
            self.wait(self.storage.aclose())
            self.loop.close()
            self.directory.cleanup()

    # How the two are driven

    def settle(self, data: st.DataObject, outcome: Outcome, move: Callable[[Item], None]) -> None:
        chosen = data.draw(
            st.lists(st.sampled_from(range(len(self.held))), min_size=1, max_size=5, unique=True)
        )
        ended = [self.held[index] for index in chosen]
        self.held = [held for held in self.held if held not in ended]
        deliveries = [delivery for delivery, _ in ended]
        with self.hearing():
            assert not self.run(lambda: self.storage.settle(deliveries, outcome))
            for _, item in ended:
                move(item)
        self.settled += deliveries

    def release(self, limit: int) -> bool:
        """Make a slice of what is due; tell if there is more."""
        with self.hearing():
            moved: Moved = self.run(lambda: self.storage.release_due(self.now, limit))
            # What is looked at and not moved counts against the limit too: so
            # a slice may be shorter than the model's, but it begins alike.
            done = moved.restored + moved.expired
            assert done <= limit
            assert self.model.release(done) == moved[:2]
        if not moved.has_more:
            assert self.model.is_release_over()
            self.model.end_release()
        return moved.has_more

    @contextmanager
    def hearing(self) -> Iterator[None]:
        """Expect to be told of every topic where something becomes ready in the block."""
        before = self.model.ready_ids()
        self.heard.clear()
        yield
        for name, ids in self.model.ready_ids().items():
            assert name in self.heard or ids <= before.get(name, set())

    def compare(self, messages: Any, items: list[Item]) -> None:
        assert len(messages) == len(items)
        for message, item in zip(messages, items, strict=True):
            attempts = {item.attempts}
            if self.may_forget_attempts:
                attempts.add(item.written_attempts)
            assert message in [item.message(known) for known in attempts]

    def run(self, call: Callable[[], Any]) -> Any:
        """Make a sync call inside the loop."""

        async def inside() -> Any:
            return call()

        return self.loop.run_until_complete(inside())

    def wait(self, awaitable: Any) -> Any:
        return self.loop.run_until_complete(awaitable)

    def _open(self) -> Storage:
        url = self.directory.name if self.can_reopen else "memory:"

        def opened() -> Storage:
            storage = open_storage(url, fsync="never")
            storage.watch(self.heard.add)
            return storage

        storage: Storage = self.run(opened)
        return storage


class LevelStorageMachine(StorageMachine):
    can_reopen = True


class NarrowLevelStorageMachine(LevelStorageMachine):
    may_forget_attempts = True


WALKS = settings(max_examples=60, stateful_step_count=60, deadline=None)


def test_memory_answers_like_a_list() -> None:
    run_state_machine_as_test(StorageMachine, settings=WALKS)


def test_leveldb_answers_like_a_list() -> None:
    run_state_machine_as_test(LevelStorageMachine, settings=WALKS)


def test_leveldb_answers_like_a_list_through_a_window_of_two(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(window, "MAX_ENTRIES", 2)
    run_state_machine_as_test(NarrowLevelStorageMachine, settings=WALKS)


def test_leveldb_answers_like_a_list_through_a_window_of_a_few_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(window, "MAX_BYTES", 40)
    run_state_machine_as_test(NarrowLevelStorageMachine, settings=WALKS)
