"""Every engine against a list and a dict, by random walks of all verbs.

The LevelDB engine is closed and opened again at random, or killed: what was in
flight is then ready, in its old place, and nothing else differs but attempts
that were counted for the process only (`must_last=False`) and, after a kill,
how many were delivered since the last write.
"""

import asyncio
from itertools import islice

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    precondition,
    rule,
    run_state_machine_as_test,
)

from miniqueue_py.broker.delivery import ACK, REDRIVE, Bury, Delay, Outcome, Redrive, Requeue
from miniqueue_py.broker.lifecycle import State
from miniqueue_py.broker.message import BatchCount, Publication
from miniqueue_py.broker.policy import TopicPolicy
from miniqueue_py.errors import KeyReused
from miniqueue_py.storage.ordered import window
from tests.storage.pair import TOPICS, Pair, Shown

STEP_MS = 125
"""An eighth of a second: floats hold it exactly."""

topics = st.sampled_from(TOPICS)
eighths = st.integers(0, 8).map(lambda number: number / 8)
bodies = st.lists(st.binary(max_size=4), min_size=1, max_size=4)
ttls = st.none() | st.sampled_from((0.125, 0.5, 4.0))
priorities = st.sampled_from((0, 0, 0, 1, 255))
plain = bodies.map(Publication)
special = st.tuples(bodies, priorities, eighths, ttls).map(lambda terms: Publication(*terms))
keyed = st.tuples(st.sampled_from((b"a", b"a", b"b")), st.sampled_from("xyz")).map(
    lambda drawn: Publication([drawn[0]], key=drawn[1])
)
publications = st.lists(plain | special | keyed, min_size=1, max_size=3)
batches = st.none() | st.builds(BatchCount, st.sampled_from("xyz"), st.integers(1, 99))
requeues = st.tuples(st.booleans(), st.booleans(), st.booleans()).map(lambda how: Requeue(*how))
policies = st.booleans().map(lambda is_paused: TopicPolicy(lease=30.0, is_paused=is_paused))


class StorageMachine(Pair):
    """Draws from every verb; the model says what must come back."""

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
            if self.model.reuses_a_key(name, publications, window_ms):
                with pytest.raises(KeyReused):
                    self.wait(
                        self.run(
                            lambda: self.storage.append(
                                name, publications, self.now, window_ms / 1000, batch
                            )
                        )
                    )
                return
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
        self.take(deliveries, items)

    @rule(name=topics, limit=st.integers(0, 6), max_bytes=st.sampled_from((0, 1, 5, 999)))
    def peek(self, name: str, limit: int, max_bytes: int) -> None:
        messages = self.wait(self.storage.peek(name, limit, max_bytes, self.now))
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
    @rule(data=st.data(), to_first=st.booleans(), name=st.none() | topics)
    def redrive(self, data: st.DataObject, name: str | None, *, to_first: bool) -> None:
        outcome = Redrive(to_first, name)
        self.settle(data, outcome, lambda item: self.model.redrive(item, outcome))

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

    @rule(name=topics, source=topics)
    def replace(self, name: str, source: str) -> None:
        if name != source:
            self.settled += [delivery for delivery, item in self.held if item.topic == name]
            self.held = [held for held in self.held if held[1].topic != name]
        with self.hearing():
            self.wait(self.storage.replace(name, source))
            self.model.replace(name, source)

    @rule(
        name=topics,
        state=st.sampled_from((State.READY, State.LEASED, State.DELAYED)),
        limit=st.integers(1, 3),
        max_bytes=st.sampled_from((1, 5, 999)),
    )
    def look(self, name: str, state: State, limit: int, max_bytes: int) -> None:
        sights = self.look_through(name, state, limit, max_bytes)
        items = self.model.look(name, state)
        if state is State.LEASED:  # with the attempts that it was handed out with
            assert [sight.message.id for sight in sights] == [item.id for item in items]
            return
        self.compare([sight.message for sight in sights], items)
        due = [item.due_ms if state is State.DELAYED else None for item in items]
        assert [sight.due_ms for sight in sights] == due

    @rule(data=st.data(), name=topics, steps=st.integers(0, 2))
    def lease_some_that_were_seen(self, data: st.DataObject, name: str, steps: int) -> None:
        sights = self.look_through(name, State.READY, 99, 999)
        chosen = [sight for sight in sights if data.draw(st.booleans())]
        self.model.now_ms += steps * STEP_MS
        deliveries = self.wait(self.storage.lease_seen(name, chosen, self.now))
        items = self.model.lease_seen(name, [sight.message.id for sight in chosen])
        self.take(deliveries, items)

    @rule(name=topics)
    def begin_snapshot(self, name: str) -> None:
        snapshot = self.storage.snapshot(name, self.now)
        messages = self.run(snapshot.__enter__)
        expected = [self.messages_of(item) for item in self.model.snapshot(name)]
        self.shown.append(Shown(snapshot, messages, expected))

    @precondition(lambda self: self.shown)
    @rule(data=st.data(), most=st.integers(0, 6))
    def read_snapshot(self, data: st.DataObject, most: int) -> None:
        shown = data.draw(st.sampled_from(self.shown))
        for message in islice(shown.messages, most):
            assert message in shown.expected.pop(0)

    @precondition(lambda self: self.shown)
    @rule(data=st.data())
    def end_snapshot(self, data: st.DataObject) -> None:
        shown = self.shown.pop(data.draw(st.integers(0, len(self.shown) - 1)))
        for message in shown.messages:
            assert message in shown.expected.pop(0)
        assert shown.expected == []
        shown.snapshot.__exit__(None, None, None)

    @rule(name=topics, policy=policies)
    def set_policy(self, name: str, policy: TopicPolicy) -> None:
        self.wait(self.storage.set_policy(name, policy))
        self.model.open(name).policy = policy


class OrderedStorageMachine(StorageMachine):
    can_reopen = True

    @rule()
    def reopen(self) -> None:
        self.let_snapshots_go()
        self.wait(self.storage.aclose())
        self.open_again()

    @rule()
    def kill(self) -> None:
        """Go on with what was written by the end of this turn of the loop."""
        self.wait(self.fail_after(1))
        self.open_again_killed()

    @rule(name=topics, source=topics, turns=st.integers(0, 3))
    def kill_while_replacing(self, name: str, source: str, turns: int) -> None:
        self.wait(asyncio.sleep(0))

        async def replace() -> None:
            replacing = asyncio.create_task(self.storage.replace(name, source))
            await self.fail_after(turns)
            await asyncio.wait([replacing])
            replacing.exception()

        self.wait(replace())
        if turns >= 2:  # one to begin, one to write
            self.model.replace(name, source)
        self.open_again_killed()


class NarrowOrderedStorageMachine(OrderedStorageMachine):
    may_forget_attempts = True


WALKS = settings(max_examples=60, stateful_step_count=60, deadline=None)


def test_memory_answers_like_a_list() -> None:
    run_state_machine_as_test(StorageMachine, settings=WALKS)


@pytest.mark.usefixtures("library")
def test_disk_answers_like_a_list() -> None:
    run_state_machine_as_test(OrderedStorageMachine, settings=WALKS)


@pytest.mark.usefixtures("library")
def test_disk_answers_like_a_list_through_a_window_of_two(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(window, "MAX_ENTRIES", 2)
    run_state_machine_as_test(NarrowOrderedStorageMachine, settings=WALKS)


@pytest.mark.usefixtures("library")
def test_disk_answers_like_a_list_through_a_window_of_a_few_bytes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(window, "MAX_BYTES", 40)
    run_state_machine_as_test(NarrowOrderedStorageMachine, settings=WALKS)
