"""A topic read and loaded as a whole, on every engine."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import aclosing
from pathlib import Path

import pytest

from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.delivery import ACK
from miniqueue_py.broker.policy import TopicPolicy
from miniqueue_py.broker.snapshots import (
    ENOUGH_BYTES_IN_A_SLICE,
    MOST_IN_A_SLICE,
    Snapshots,
)
from miniqueue_py.broker.storage import Storage, hide
from miniqueue_py.errors import BadTopicName
from miniqueue_py.testing.clock import ManualClock
from miniqueue_py.testing.storing import bodies, lease, publish
from miniqueue_py.topic_names import check_topic_name
from tests.broker.scenes import receive
from tests.storage.engines import open_engine

pytestmark = pytest.mark.anyio

NUMBERS = [b"%d" % number for number in range(3000)]


@pytest.fixture(params=["memory", "leveldb-always", "leveldb-never"])
async def storage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Storage]:
    async with open_engine(request.param, tmp_path) as storage:
        yield storage


@pytest.fixture
def snapshots(storage: Storage, clock: ManualClock) -> Snapshots:
    return Snapshots(storage, clock)


async def slices_of(all_: Sequence[bytes], size: int = 700) -> AsyncIterator[Sequence[bytes]]:
    for start in range(0, len(all_), size):
        yield all_[start : start + size]


async def read(snapshots: Snapshots, topic: str) -> list[bytes]:
    return [body async for some in snapshots.read(topic) for body in some]


def ready(storage: Storage, topic: str) -> Iterable[bytes]:
    return bodies(lease(storage, topic, 9999))


async def test_what_is_read_is_loaded_again(storage: Storage, snapshots: Snapshots) -> None:
    await publish(storage, "a", *NUMBERS)

    assert await snapshots.load("b", snapshots.read("a")) == len(NUMBERS)

    assert ready(storage, "b") == NUMBERS
    assert ready(storage, "a") == NUMBERS
    assert set(storage.topics()) == {"a", "b"}


async def test_topic_is_loaded_from_itself(storage: Storage, snapshots: Snapshots) -> None:
    await publish(storage, "a", *NUMBERS)
    held = lease(storage, "a", 5)

    await snapshots.load("a", snapshots.read("a"))

    assert storage.settle(held, ACK) == held
    assert ready(storage, "a") == NUMBERS[5:]


async def test_slices_are_small_and_others_have_their_turn_between_them(
    storage: Storage, snapshots: Snapshots
) -> None:
    large = bytes(ENOUGH_BYTES_IN_A_SLICE // 2)
    await publish(storage, "a", *NUMBERS[:MOST_IN_A_SLICE], large, large, b"last")
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    sizes, at = [], []
    async for some in snapshots.read("a"):
        sizes.append(len(some))
        at.append(turns)
    counting.cancel()

    assert sizes == [MOST_IN_A_SLICE, 2, 1]
    assert at == sorted(set(at))


async def test_what_happens_while_it_is_read_does_not_show(
    storage: Storage, snapshots: Snapshots
) -> None:
    await publish(storage, "a", *NUMBERS)
    got: list[bytes] = []
    async for some in snapshots.read("a"):
        got += some
        storage.settle(lease(storage, "a", 700), ACK)
        await publish(storage, "a", b"new")

    assert got == NUMBERS


async def test_reader_that_stops_leaves_nothing_behind(
    storage: Storage, snapshots: Snapshots
) -> None:
    await publish(storage, "a", *NUMBERS)
    async with aclosing(snapshots.read("a")) as slices:
        await anext(slices)

    assert ready(storage, "a") == NUMBERS


async def test_unknown_topic_reads_as_empty(snapshots: Snapshots) -> None:
    assert await read(snapshots, "unknown") == []


async def test_load_of_nothing_empties_the_topic(storage: Storage, snapshots: Snapshots) -> None:
    await publish(storage, "a", b"1")

    assert await snapshots.load("a", slices_of([])) == 0

    assert storage.knows("a")
    assert ready(storage, "a") == []


async def test_what_raises_in_the_middle_leaves_the_topic_alone(
    storage: Storage, snapshots: Snapshots
) -> None:
    await publish(storage, "a", b"1", b"2")
    [held] = lease(storage, "a", 1)

    async def bad() -> AsyncIterator[Sequence[bytes]]:
        yield [b"new"]
        raise ValueError("no snapshot")

    with pytest.raises(ValueError, match="no snapshot"):
        await snapshots.load("a", bad())

    assert storage.topics() == ["a"]
    assert not storage.settle([held], ACK)
    assert ready(storage, "a") == [b"2"]


async def test_load_that_is_cancelled_leaves_the_topic_alone(
    storage: Storage, snapshots: Snapshots
) -> None:
    await publish(storage, "a", b"1")
    has_begun = asyncio.Event()

    async def endless() -> AsyncIterator[Sequence[bytes]]:
        yield [b"new"]
        has_begun.set()
        await asyncio.Event().wait()

    loading = asyncio.create_task(snapshots.load("a", endless()))
    await asyncio.wait_for(has_begun.wait(), 10)
    loading.cancel()
    await asyncio.wait([loading])

    assert storage.topics() == ["a"]
    assert await snapshots.load("a", slices_of([b"2"])) == 1, "the next has its turn"
    assert ready(storage, "a") == [b"2"]


async def test_nothing_shows_of_a_load_before_it_has_ended(
    storage: Storage, snapshots: Snapshots
) -> None:
    await publish(storage, "a", b"1", b"2")
    before = storage.topics(), storage.statistics("a"), storage.totals()
    seen = []

    async def watched() -> AsyncIterator[Sequence[bytes]]:
        for _ in range(3):
            yield [b"new"] * 100
            seen.append((storage.topics(), storage.statistics("a"), storage.totals()))

    await snapshots.load("a", watched())

    assert seen == [before] * 3
    assert storage.totals().messages == 300


async def test_no_topic_of_a_user_is_in_the_way_of_a_load(
    storage: Storage, snapshots: Snapshots
) -> None:
    await publish(storage, "a.loading", b"of a user")

    await snapshots.load("a", slices_of([b"1"]))

    assert ready(storage, "a") == [b"1"]
    assert ready(storage, "a.loading") == [b"of a user"]


def test_name_of_what_is_hidden_is_no_topic_name() -> None:
    with pytest.raises(BadTopicName):
        check_topic_name(hide("anything"))


async def test_two_loads_at_once_do_not_mix(storage: Storage, snapshots: Snapshots) -> None:
    loads = [snapshots.load("a", slices_of([name] * 50, 5)) for name in (b"1", b"2")]

    await asyncio.gather(*loads)

    assert ready(storage, "a") in ([b"1"] * 50, [b"2"] * 50)


async def test_messages_live_as_long_as_the_policy_says_from_their_loading_on(
    storage: Storage, snapshots: Snapshots, clock: ManualClock
) -> None:
    await storage.set_policy("a", TopicPolicy(ttl=5.0))
    await snapshots.load("a", slices_of([b"1"]))

    assert storage.policy("a").ttl == 5.0
    assert bodies(lease(storage, "a", 1, clock.now() + 4.9)) == [b"1"]
    await snapshots.load("a", slices_of([b"1"]))
    assert not lease(storage, "a", 1, clock.now() + 5)


async def test_consumer_that_waits_gets_what_was_loaded(
    storage: Storage, snapshots: Snapshots, clock: ManualClock
) -> None:
    broker = Broker(storage, clock)
    receiving = asyncio.create_task(receive(broker, "a", 1, 60.0))
    await asyncio.sleep(0)

    await snapshots.load("a", slices_of([b"1"]))

    [receipt] = await asyncio.wait_for(receiving, 10)
    assert receipt.delivery.message.body == b"1"
