"""Every engine against a list and a dict, by random walks of all verbs.

The LevelDB engine is closed and opened again at random: what was in flight is
then ready, in its old place, and nothing else differs.
"""

import asyncio
import tempfile
from contextlib import suppress
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

from miniqueue_py.broker.delivery import ACK, TO_BACK, TO_FRONT, Delay, Delivery, Outcome
from miniqueue_py.broker.message import Message
from miniqueue_py.broker.storage import Storage, TopicStatistics
from miniqueue_py.storage import open_storage
from miniqueue_py.storage.leveldb import window

TOPICS = ("a", "ab", "b")


class Model:
    """A message is (place, body, dack count); a topic is a sorted list of them."""

    def __init__(self) -> None:
        self.front, self.back = 0, 0
        self.ready: dict[str, list[tuple[int, bytes, int]]] = {}
        self.delayed: list[tuple[int, str, int, bytes, int]] = []
        self.known: set[str] = set()

    def next_front(self) -> int:
        self.front -= 1
        return self.front

    def next_back(self) -> int:
        self.back += 1
        return self.back

    def of(self, topic: str) -> list[tuple[int, bytes, int]]:
        return self.ready.setdefault(topic, [])


class StorageMachine(RuleBasedStateMachine):
    """Draws from every verb; the model says what must come back."""

    can_reopen = False

    @initialize()
    def open(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.directory = tempfile.TemporaryDirectory()
        self.storage = self._open()
        self.model = Model()
        self.held: list[tuple[Delivery, str, tuple[int, bytes, int]]] = []
        self.settled: list[Delivery] = []
        self.now_ms = 1_000
        self.number = 0

    def _open(self) -> Storage:
        url = self.directory.name if self.can_reopen else "memory:"

        async def opened() -> Storage:
            storage = open_storage(url, fsync="never")
            storage.watch(lambda _topic: None)
            return storage

        return self.loop.run_until_complete(opened())

    def run(self, call: Any) -> Any:
        """Make a sync call inside the loop."""

        async def inside() -> Any:
            return call()

        return self.loop.run_until_complete(inside())

    @rule(topic=st.sampled_from(TOPICS), count=st.integers(1, 4))
    def append(self, topic: str, count: int) -> None:
        bodies = [b"%d" % (self.number + index) for index in range(count)]
        self.number += count
        self.loop.run_until_complete(self.storage.append(topic, [Message(b) for b in bodies]))
        self.model.known.add(topic)
        self.model.of(topic).extend((self.model.next_back(), body, 0) for body in bodies)

    @rule(topic=st.sampled_from(TOPICS), limit=st.integers(1, 5))
    def lease(self, topic: str, limit: int) -> None:
        deliveries = self.run(lambda: self.storage.lease(topic, limit))
        ready = self.model.of(topic)
        expected, self.model.ready[topic] = ready[:limit], ready[limit:]
        assert [(d.message.body, d.message.dack_count) for d in deliveries] == [
            (body, dack_count) for _, body, dack_count in expected
        ]
        self.held.extend(
            (delivery, topic, entry) for delivery, entry in zip(deliveries, expected, strict=True)
        )

    @precondition(lambda self: self.held)
    @rule(data=st.data(), outcome=st.sampled_from(("ack", "front", "back", "delay")))
    def settle(self, data: st.DataObject, outcome: str) -> None:
        index = data.draw(st.integers(0, len(self.held) - 1))
        delivery, topic, (place, body, dack_count) = self.held.pop(index)
        after_ms = data.draw(st.integers(0, 50))
        outcomes: dict[str, Outcome] = {
            "ack": ACK,
            "front": TO_FRONT,
            "back": TO_BACK,
            "delay": Delay((self.now_ms + after_ms) / 1000),
        }
        late = self.run(lambda: self.storage.settle([delivery], outcomes[outcome]))
        assert not late
        self.settled.append(delivery)
        match outcome:
            case "front":
                self.model.of(topic).append((place, body, dack_count))
                self.model.of(topic).sort()
            case "back":
                self.model.of(topic).append((self.model.next_back(), body, dack_count))
            case "delay":
                self.model.delayed.append(
                    (self.now_ms + after_ms, topic, place, body, dack_count + 1)
                )

    @precondition(lambda self: self.settled)
    @rule(data=st.data())
    def settle_again(self, data: st.DataObject) -> None:
        delivery = data.draw(st.sampled_from(self.settled))
        assert self.run(lambda: self.storage.settle([delivery], ACK)) == [delivery]

    @rule(after_ms=st.integers(0, 40))
    def tick(self, after_ms: int) -> None:
        self.now_ms += after_ms
        due = sorted(entry for entry in self.model.delayed if entry[0] <= self.now_ms)
        self.model.delayed = [entry for entry in self.model.delayed if entry[0] > self.now_ms]
        for topic in TOPICS:
            mine = [entry for entry in due if entry[1] == topic]
            for _, _, _, body, dack_count in reversed(mine):
                self.model.of(topic).insert(0, (self.model.next_front(), body, dack_count))
        assert self.run(lambda: self.storage.release_due(self.now_ms / 1000)) == len(due)

    @rule(topic=st.sampled_from(TOPICS))
    def purge(self, topic: str) -> None:
        self.loop.run_until_complete(self.storage.purge(topic))
        self.model.known.discard(topic)
        self.model.ready[topic] = []
        self.model.delayed = [entry for entry in self.model.delayed if entry[1] != topic]
        self.settled.extend(delivery for delivery, of, _ in self.held if of == topic)
        self.held = [held for held in self.held if held[1] != topic]

    @precondition(lambda self: self.can_reopen)
    @rule()
    def reopen(self) -> None:
        self.loop.run_until_complete(self.storage.aclose())
        self.storage = self._open()
        for _, topic, entry in self.held:
            self.model.of(topic).append(entry)
            self.model.of(topic).sort()
        self.held.clear()
        self.settled.clear()  # receipts of a process that is no more

    @invariant()
    def counts_are_exact(self) -> None:
        for topic in TOPICS:
            assert self.storage.statistics(topic) == TopicStatistics(
                ready=len(self.model.of(topic)),
                in_flight=sum(of == topic for _, of, _ in self.held),
                delayed=sum(entry[1] == topic for entry in self.model.delayed),
            )
        assert set(self.storage.topics()) == self.model.known
        assert self.storage.totals().messages == (
            sum(map(len, self.model.ready.values())) + len(self.held) + len(self.model.delayed)
        )

    def teardown(self) -> None:
        with suppress(AttributeError):
            self.loop.run_until_complete(self.storage.aclose())
            self.loop.close()
            self.directory.cleanup()


class LevelStorageMachine(StorageMachine):
    can_reopen = True


WALKS = settings(max_examples=60, stateful_step_count=60, deadline=None)


def test_memory_answers_like_a_list() -> None:
    run_state_machine_as_test(StorageMachine, settings=WALKS)


def test_leveldb_answers_like_a_list() -> None:
    run_state_machine_as_test(LevelStorageMachine, settings=WALKS)


def test_leveldb_answers_like_a_list_through_a_window_of_two(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(window, "MAX_ENTRIES", 2)
    run_state_machine_as_test(LevelStorageMachine, settings=WALKS)
