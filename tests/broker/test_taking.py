"""Messages that are taken for good."""

import asyncio
from pathlib import Path

import pytest

from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.claim import Dealt
from miniqueue_py.broker.events import Event, Observers, Settled
from miniqueue_py.errors import StorageUnavailable
from miniqueue_py.storage.memory import MemoryStorage
from miniqueue_py.testing.clock import ManualClock
from tests.broker.scenes import places, publish, some_turns, take, texts
from tests.storage.faulty import faulty

pytestmark = pytest.mark.anyio


async def test_what_was_taken_is_gone(broker: Broker, storage: MemoryStorage) -> None:
    await publish(broker, *texts(3))

    taken = await take(broker, "orders", 2)

    assert [each.message.body for each in taken] == texts(2)
    assert places(storage) == (1, 0, 0)
    assert storage.statistics("orders").acknowledged == 2


async def test_nothing_is_taken_of_nothing(broker: Broker) -> None:
    assert list(await take(broker, "orders", 1)) == []


async def test_who_waits_takes_what_comes(broker: Broker, storage: MemoryStorage) -> None:
    taking = asyncio.ensure_future(take(broker, "orders", 1, 20))
    await some_turns()

    await publish(broker, b"one")
    [taken] = await taking

    assert taken.message.body == b"one"
    assert places(storage) == (0, 0, 0)


async def test_what_is_taken_in_one_turn_is_acknowledged_together(
    storage: MemoryStorage, clock: ManualClock
) -> None:
    facts: list[Event] = []
    broker = Broker(storage, clock, observers=Observers(facts.append))
    await publish(broker, *texts(3))
    await publish(broker, b"bill", topic="bills")

    taken = await asyncio.gather(
        *(take(broker, topic, 1) for topic in ("orders", "bills", "orders", "orders"))
    )

    assert [each.message.body for [each] in taken] == [b"1", b"bill", b"2", b"3"]
    settled = [(each.topic, len(each.deliveries)) for each in facts if isinstance(each, Settled)]
    assert settled == [("orders", 3), ("bills", 1)]


async def test_nobody_has_it_before_the_fsync_and_nobody_knows_if_that_fails(
    tmp_path: Path, clock: ManualClock
) -> None:
    storage, _, sync = faulty(tmp_path)
    broker = Broker(storage, clock)
    await publish(broker, *texts(4))
    told: list[Dealt] = []
    before = sync.count
    with sync.held_back():
        broker.claims.take("orders", 1, 0, told.append)
        broker.claims.take("orders", 1, 0, told.append)
        await sync.wait_begun(before + 1)
        assert not told
    while len(told) < 2:  # noqa: ASYNC110  no event tells of it
        await asyncio.sleep(0)
    assert sync.count == before + 1
    assert not any(isinstance(each, Exception) for each in told)

    sync.error = OSError(5, "Input/output error")
    with pytest.raises(StorageUnavailable):
        await take(broker, "orders", 1)
    await storage.aclose()
