"""An engine and the model of it, side by side: what one does the other does, and they agree."""

import asyncio
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant

from miniqueue_py.broker.delivery import Delivery, Outcome
from miniqueue_py.broker.lifecycle import State
from miniqueue_py.broker.message import Message
from miniqueue_py.broker.storage import Look, Moved, Sight, Storage, hide, is_hidden
from miniqueue_py.storage import open_storage
from tests.storage.model import Item, Model, Topic

TOPICS = ("a", "ab", "b", hide("a"))

IN_MEMORY = Path("/dev/shm")  # noqa: S108  a walk has a directory of its own in it
"""A walk opens its database many times, and LevelDB waits for the disk each time;
what is durable when, is tested elsewhere."""


class Shown(NamedTuple):
    """A snapshot that is being read."""

    snapshot: AbstractContextManager[Iterator[Message]]
    messages: Iterator[Message]
    expected: list[list[Message]]
    """What each message to come may be told as."""


class Pair(RuleBasedStateMachine):
    """The two, and how they are driven."""

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
        self.shown: list[Shown] = []

    @property
    def now(self) -> float:
        return self.model.now_ms / 1000

    @invariant()
    def everything_told_is_exact(self) -> None:
        model, storage = self.model, self.storage
        shown = {name for name in model.topics if not is_hidden(name)}
        assert set(storage.topics()) == shown
        for name in TOPICS:
            topic = model.topics.get(name) or Topic(0)
            assert storage.knows(name) == (name in shown)
            assert storage.statistics(name) == topic.statistics()
            assert storage.policy(name) == topic.policy
            assert storage.oldest_ms(name) == topic.oldest_ms()
        items = [item for name in shown for item in model.topics[name].items()]
        assert storage.totals()[:2] == (len(items), sum(len(item.body) for item in items))

    def teardown(self) -> None:
        with suppress(AttributeError):
            self.let_snapshots_go()
            self.wait(self.storage.aclose())
            self.loop.close()
            self.directory.cleanup()

    def look_through(self, name: str, state: State, limit: int, max_bytes: int) -> list[Sight]:
        """Return all that is in a state, by as many looks as it takes."""
        sights: list[Sight] = []
        after = None
        for _ in range(1000):
            look: Look = self.wait(
                self.storage.look(name, state, limit, max_bytes, self.now, after)
            )
            assert len(look.sights) <= limit
            sights += look.sights
            after = look.next
            if after is None:
                return sights
        raise AssertionError("there is no end of it")

    def take(self, deliveries: Sequence[Delivery], items: list[Item]) -> None:
        """Hold what was handed out, which is what the model says."""
        self.compare([delivery.message for delivery in deliveries], items)
        for delivery, item in zip(deliveries, items, strict=True):
            item.attempts = delivery.message.extras.attempts
            self.held.append((delivery, item))

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
            moved: Moved = self.wait(self.storage.release_due(self.now, limit))
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
            assert message in self.messages_of(item)

    def messages_of(self, item: Item) -> list[Message]:
        """Return what may be told of a message."""
        attempts = {item.attempts}
        if self.may_forget_attempts:
            attempts.add(item.written_attempts)
        return [item.message(known) for known in attempts]

    def let_snapshots_go(self) -> None:
        """End them wherever they are."""
        for shown in self.shown:
            shown.snapshot.__exit__(None, None, None)
        self.shown.clear()

    async def fail_after(self, turns: int) -> None:
        """Let the store write nothing more after so many turns of the loop."""
        storage: Any = self.storage
        for _ in range(turns):
            await asyncio.sleep(0)
        storage._committer.fail(OSError("killed"))

    def open_again(self) -> None:
        """Open what was closed."""
        self.storage = self._open()
        self.model.reopen()
        self.held.clear()
        self.settled.clear()  # receipts of a process that is no more

    def open_again_killed(self) -> None:
        """Open what failed, as after a kill -9."""
        self.let_snapshots_go()
        self.wait(self.storage.aclose())
        self.open_again()
        for name, topic in self.model.topics.items():
            # Written with whatever is written next, and that did not happen.
            delivered = self.storage.statistics(name).delivered
            assert delivered <= topic.delivered
            topic.delivered = delivered

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
