"""Messages that are published one by one and stored together."""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from miniqueue_py.broker.administration import Administration
from miniqueue_py.broker.admission import Caps, Limits
from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.events import Event, Observers, Published, Refused
from miniqueue_py.broker.gathering import Answer
from miniqueue_py.broker.message import Publication, Stored
from miniqueue_py.broker.policy import TopicPolicy
from miniqueue_py.errors import (
    CapReached,
    Contradiction,
    MessageTooLong,
    ShuttingDown,
    StorageUnavailable,
)
from miniqueue_py.storage.memory import MemoryStorage
from miniqueue_py.testing.clock import ManualClock
from tests.broker.scenes import Consume, bodies, places, publish, some_turns, texts
from tests.storage.faulty import faulty

pytestmark = pytest.mark.anyio


class Answers:
    """What became of publications, by the bodies that were published."""

    def __init__(self) -> None:
        self.of: dict[bytes, Answer] = {}
        self._told = asyncio.Event()

    async def wait_told(self, count: int) -> None:
        """Return when so many know what became of them."""
        async with asyncio.timeout(10):
            while len(self.of) < count:
                self._told.clear()
                await self._told.wait()

    def to(self, body: bytes) -> Callable[[Answer], None]:
        def on_done(answer: Answer) -> None:
            assert body not in self.of, "told twice"
            self.of[body] = answer
            self._told.set()

        return on_done

    @property
    def numbers(self) -> dict[bytes, int]:
        """Return the numbers of what was stored."""
        return {body: each.id[1] for body, each in self.of.items() if isinstance(each, Stored)}

    @property
    def refused(self) -> dict[bytes, type]:
        return {body: type(each) for body, each in self.of.items() if not isinstance(each, Stored)}


@pytest.fixture
def answers() -> Answers:
    return Answers()


@pytest.fixture
def facts() -> list[Event]:
    return []


@pytest.fixture
def observed(storage: MemoryStorage, clock: ManualClock, facts: list[Event]) -> Broker:
    limits = Limits(max_message_bytes=10)
    return Broker(storage, clock, limits=limits, observers=Observers(facts.append))


def say(broker: Broker, answers: Answers, *bodies: bytes, topic: str = "orders") -> None:
    for body in bodies:
        broker.publish_one(topic, Publication((body,)), answers.to(body))


async def test_messages_of_a_turn_are_stored_in_order_and_told_as_one(
    observed: Broker, consume: Consume, answers: Answers, facts: list[Event]
) -> None:
    say(observed, answers, *texts(120))
    assert not answers.of, "nobody is called back from inside"
    await some_turns()

    assert answers.numbers == {body: number for number, body in enumerate(texts(120), 1)}
    assert list(answers.of) == texts(120)
    assert facts == [Published("orders", 120, sum(map(len, texts(120))))]
    with observed.subscribe("orders", lambda: None) as subscriber:
        subscriber.start(1000)
        assert bodies(subscriber) == texts(120)


async def test_later_turn_is_another_gathering(
    observed: Broker, answers: Answers, facts: list[Event]
) -> None:
    say(observed, answers, b"1", b"2")
    await some_turns()
    say(observed, answers, b"3")
    await some_turns()

    assert answers.numbers == {b"1": 1, b"2": 2, b"3": 3}
    assert facts == [Published("orders", 2, 2), Published("orders", 1, 1)]


async def test_each_topic_has_its_own(
    observed: Broker, answers: Answers, facts: list[Event]
) -> None:
    say(observed, answers, b"1")
    say(observed, answers, b"2", topic="bills")
    say(observed, answers, b"3")
    await some_turns()

    assert facts == [Published("orders", 2, 2), Published("bills", 1, 1)]
    assert answers.numbers == {b"1": 1, b"2": 1, b"3": 2}


async def test_order_is_that_of_the_calls_whichever_verb_they_are(
    broker: Broker, storage: MemoryStorage, answers: Answers, administration: Administration
) -> None:
    say(broker, answers, b"1")
    second = broker.publish("orders", [Publication((b"2",))])
    say(broker, answers, b"3")
    broker.publish_one("orders", Publication((b"4",)), answers.to(b"4"), Caps(max_messages=9))
    say(broker, answers, b"5")
    await some_turns()

    assert [each.body for each in await administration.peek("orders", 9)] == texts(5)
    [stored] = await second
    assert stored.id[1] == 2
    assert answers.numbers == {b"1": 1, b"3": 3, b"4": 4, b"5": 5}


async def test_each_has_its_own_terms(
    broker: Broker, administration: Administration, answers: Answers, clock: ManualClock
) -> None:
    for number, terms in enumerate([{}, {"priority": 9}, {"priority": 9}, {"ttl_seconds": 5}, {}]):
        body = b"%d" % number
        broker.publish_one("orders", Publication((body,), **terms), answers.to(body))  # type: ignore[arg-type]
    await some_turns()
    await clock.advance(5)

    waiting = [each.body for each in await administration.peek("orders", 9)]
    assert waiting == [b"1", b"2", b"0", b"4"]
    assert list(answers.numbers.values()) == [1, 2, 3, 4, 5]


async def test_key_is_kept_to_its_own_message(
    observed: Broker, storage: MemoryStorage, answers: Answers, facts: list[Event]
) -> None:
    for name, body, key in (
        (b"1", b"1", None),
        (b"2", b"2", "k"),
        (b"again", b"2", "k"),
        (b"3", b"3", "other"),
        (b"4", b"4", None),
    ):
        observed.publish_one("orders", Publication((body,), key=key), answers.to(name))
    await some_turns()

    assert answers.numbers == {b"1": 1, b"2": 2, b"again": 2, b"3": 3, b"4": 4}
    duplicates = {name: each.is_duplicate for name, each in answers.of.items()}  # type: ignore[union-attr]
    assert [name for name, is_duplicate in duplicates.items() if is_duplicate] == [b"again"]
    assert facts == [Published("orders", 4, 4, duplicates=1)]
    assert places(storage) == (4, 0, 0)


@pytest.mark.parametrize("room", range(9))
async def test_just_those_are_refused_for_which_there_is_no_room(
    observed: Broker, storage: MemoryStorage, answers: Answers, facts: list[Event], room: int
) -> None:
    await storage.set_policy("orders", TopicPolicy(max_messages=room or 1))
    if not room:
        await publish(observed, b"before")
        facts.clear()
    say(observed, answers, *texts(8))
    await some_turns()

    assert list(answers.numbers) == texts(room)
    assert answers.refused == dict.fromkeys(texts(8)[room:], CapReached)
    assert facts.count(Refused("orders", "topic_full")) == 8 - room
    assert storage.statistics("orders").published == max(room, 1)


async def test_smaller_one_finds_room_behind_one_that_is_too_large(
    observed: Broker, storage: MemoryStorage, answers: Answers
) -> None:
    await storage.set_policy("orders", TopicPolicy(max_bytes=9))
    say(observed, answers, b"12345", b"67890", b"abcd", b"e")
    await some_turns()

    assert answers.numbers == {b"12345": 1, b"abcd": 2}
    assert answers.refused == {b"67890": CapReached, b"e": CapReached}


async def test_one_that_can_never_be_stored_takes_no_other_with_it(
    observed: Broker, answers: Answers, facts: list[Event]
) -> None:
    say(observed, answers, b"1", b"2", b"much too long", b"3")
    contradiction = Publication((b"4",), delay_seconds=9, ttl_seconds=9)
    observed.publish_one("orders", contradiction, answers.to(b"4"))
    say(observed, answers, b"5")
    await some_turns()

    assert answers.numbers == {b"1": 1, b"2": 2, b"3": 3, b"5": 4}
    assert answers.refused == {b"much too long": MessageTooLong, b"4": Contradiction}
    refused = [each.reason for each in facts if isinstance(each, Refused)]
    assert refused == ["message_too_long", "contradiction"]


async def test_caps_are_those_of_the_call(broker: Broker, answers: Answers) -> None:
    caps = Caps(max_messages=2, settings=("two", ""))
    for body in texts(3):
        broker.publish_one("orders", Publication((body,)), answers.to(body), caps)
    await some_turns()

    assert answers.numbers == {b"1": 1, b"2": 2}
    assert "two is 2" in str(answers.of[b"3"])


async def test_drain_takes_what_came_before_it_and_nothing_after(
    observed: Broker, answers: Answers, facts: list[Event]
) -> None:
    say(observed, answers, b"1")
    observed.drain()
    say(observed, answers, b"2", b"3")
    assert not answers.of
    await some_turns()

    assert answers.numbers == {b"1": 1}
    assert answers.refused == dict.fromkeys([b"2", b"3"], ShuttingDown)
    assert facts.count(Refused("orders", "draining")) == 2


async def test_purge_removes_what_came_before_it(
    broker: Broker, storage: MemoryStorage, answers: Answers
) -> None:
    say(broker, answers, b"1")
    await broker.delete("orders")
    say(broker, answers, b"2")
    await some_turns()

    assert set(answers.numbers) == {b"1", b"2"}
    assert places(storage) == (1, 0, 0)


async def test_one_who_fails_at_being_told_keeps_nobody_from_it(
    broker: Broker, answers: Answers
) -> None:
    failures: list[object] = []
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: failures.append(context["exception"])
    )

    def fail(_: Answer) -> None:
        raise RuntimeError("gone")

    say(broker, answers, b"1")
    broker.publish_one("orders", Publication((b"2",)), fail)
    say(broker, answers, b"3")
    await some_turns()

    assert answers.numbers == {b"1": 1, b"3": 3}
    assert list(map(str, failures)) == ["gone"]


async def test_nobody_is_told_before_the_fsync_and_all_are_if_it_fails(
    tmp_path: Path, clock: ManualClock, answers: Answers, facts: list[Event]
) -> None:
    storage, _, sync = faulty(tmp_path)
    broker = Broker(storage, clock, observers=Observers(facts.append))
    with sync.held_back():
        say(broker, answers, b"1", b"2")
        await sync.wait_begun(1)
        assert not answers.of
    await answers.wait_told(2)
    assert sync.count == 1
    assert answers.numbers == {b"1": 1, b"2": 2}

    sync.error = OSError(5, "Input/output error")
    say(broker, answers, b"3", b"4")
    await answers.wait_told(4)
    say(broker, answers, b"5")
    await some_turns()

    assert answers.refused == dict.fromkeys(texts(3, 3), StorageUnavailable)
    assert facts.count(Refused("orders", "storage_unavailable")) == 3
    await storage.aclose()


async def test_consumer_may_publish_when_it_is_dealt_what_was_gathered(
    broker: Broker, answers: Answers, administration: Administration
) -> None:
    def publish_more() -> None:
        broker.publish("other", [Publication((b"2",))])
        say(broker, answers, b"4", topic="other")

    with broker.subscribe("orders", publish_more) as subscriber:
        subscriber.start()
        say(broker, answers, b"0")
        say(broker, answers, b"1", topic="other")
        say(broker, answers, b"3", topic="third")
        await some_turns()
        assert bodies(subscriber) == [b"0"]

    assert set(answers.numbers) == {b"0", b"1", b"3", b"4"}
    waiting = [each.body for each in await administration.peek("other", 9)]
    assert waiting == [b"1", b"2", b"4"]


async def test_failure_that_nobody_expects_of_one_is_told_to_it_alone(
    broker: Broker, storage: MemoryStorage, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    asyncio.get_running_loop().set_exception_handler(lambda _, __: None)
    append = storage.append

    def fail(topic: str, publications: Sequence[Publication], *others: Any) -> Any:
        if len(publications[0].bodies) > 1:
            raise StorageUnavailable("too much at a time")
        if publications[0].bodies == (b"2",):
            raise ZeroDivisionError
        return append(topic, publications, *others)

    monkeypatch.setattr(storage, "append", fail)
    say(broker, answers, *texts(4))
    await some_turns()

    assert answers.numbers == {b"1": 1, b"3": 2, b"4": 3}
    assert answers.refused == {b"2": ZeroDivisionError}


async def test_failure_that_nobody_expects_is_told_to_all_and_stops_no_other_topic(
    broker: Broker, storage: MemoryStorage, answers: Answers, monkeypatch: pytest.MonkeyPatch
) -> None:
    policy_of = storage.policy

    def fail(topic: str) -> TopicPolicy:
        if topic == "orders":
            raise ZeroDivisionError
        return policy_of(topic)

    monkeypatch.setattr(storage, "policy", fail)
    say(broker, answers, b"1", b"2")
    say(broker, answers, b"3", topic="bills")
    await some_turns()

    assert answers.refused == dict.fromkeys((b"1", b"2"), ZeroDivisionError)
    assert answers.numbers == {b"3": 1}
