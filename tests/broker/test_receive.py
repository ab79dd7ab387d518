"""Taking messages without a stream."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import pytest

from miniqueue_py.broker import topic
from miniqueue_py.broker.administration import Administration
from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.policy import TopicPolicy
from miniqueue_py.broker.receipts import Receipt
from miniqueue_py.errors import ShuttingDown
from miniqueue_py.storage.bounds import EXPIRED_AT_ONCE
from miniqueue_py.storage.memory import MemoryStorage
from miniqueue_py.testing.clock import ManualClock
from tests.broker.scenes import Consume, bodies, places, publish, texts, tick_after

pytestmark = pytest.mark.anyio

Receiving = asyncio.Task[Sequence[Receipt]]


async def receive(
    broker: Broker, limit: int = 10, wait: float = 20, lease: float | None = None
) -> Receiving:
    """Begin to receive, and let it come as far as it can."""
    receiving = asyncio.create_task(broker.receive("orders", limit, wait, lease))
    for _ in range(5):
        await asyncio.sleep(0)
    return receiving


async def received(receiving: Receiving) -> list[bytes]:
    receipts = await asyncio.wait_for(receiving, 10)
    return [receipt.delivery.message.body for receipt in receipts]


async def test_what_is_ready_is_received_at_once(broker: Broker, storage: MemoryStorage) -> None:
    await publish(broker, *texts(5))

    receipts = await broker.receive("orders", 3, 20)

    assert [receipt.delivery.message.body for receipt in receipts] == texts(3)
    assert len({receipt.receipt for receipt in receipts}) == 3
    assert places(storage) == (2, 3, 0)
    assert broker.subscriber_count == 0


async def test_without_a_wait_what_is_to_be_dealt_in_the_next_turn_is_received(
    broker: Broker,
    administration: Administration,
    consume: Consume,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(topic, "DEALT_A_TURN", 1)
    await publish(broker, *texts(3))
    await administration.pause("orders")
    consume(), consume()
    await administration.resume("orders")

    [receipt] = await broker.receive("orders", 1, 0)

    assert receipt.delivery.message.body == b"3"


async def test_without_a_wait_there_may_be_nothing(broker: Broker) -> None:
    assert await broker.receive("orders", 3, 0) == []


async def test_empty_topic_costs_nothing_whatever_lease_is_asked_for(broker: Broker) -> None:
    for number in range(100):
        assert await broker.receive("orders", 1, 0, 30 + number) == []

    assert not broker.receipts._leases._ends


@pytest.mark.parametrize("wait", [0, 0.001])
async def test_what_lives_behind_thousands_that_expired_is_received_without_a_wait(
    broker: Broker, clock: ManualClock, wait: float
) -> None:
    await publish(broker, *texts(5 * EXPIRED_AT_ONCE), ttl_seconds=1)
    await publish(broker, b"alive")
    clock._now += 2

    assert await received(await receive(broker, wait=wait)) == [b"alive"]


async def test_paused_topic_and_no_wait_bring_nothing_at_once(
    broker: Broker, administration: Administration
) -> None:
    await publish(broker, b"one")
    await administration.pause("orders")

    assert await asyncio.wait_for(broker.receive("orders", 1, 0), 10) == []


async def test_first_message_that_comes_ends_the_wait(broker: Broker, clock: ManualClock) -> None:
    receiving = await receive(broker)
    await clock.advance(19)
    assert not receiving.done()

    await publish(broker, b"one")

    assert await received(receiving) == [b"one"]


async def test_wait_that_is_over_brings_nothing_and_holds_nothing(
    broker: Broker, clock: ManualClock, storage: MemoryStorage
) -> None:
    receiving = await receive(broker)
    await clock.advance(20)

    assert await received(receiving) == []
    await publish(broker, b"one")
    assert places(storage) == (1, 0, 0)


async def test_those_who_wait_are_served_in_the_order_they_came_streams_among_them(
    broker: Broker, consume: Consume
) -> None:
    first = await receive(broker, limit=1)
    stream = consume()
    last = await receive(broker, limit=1)

    await publish(broker, *texts(3))

    assert await received(first) == [b"1"]
    assert bodies(stream) == [b"2"]
    assert await received(last) == [b"3"]


async def test_who_is_cancelled_while_it_waits_holds_nothing(
    broker: Broker, storage: MemoryStorage
) -> None:
    first, second = await receive(broker), await receive(broker)

    first.cancel()
    with suppress(asyncio.CancelledError):
        await first
    await publish(broker, b"one")

    assert await received(second) == [b"one"]
    assert broker.subscriber_count == 0


async def test_who_is_cancelled_with_a_message_on_its_way_gives_it_to_the_next(
    broker: Broker,
) -> None:
    first, second = await receive(broker), await receive(broker)
    await publish(broker, b"one")

    first.cancel()

    assert await received(second) == [b"one"]


async def test_paused_topic_brings_nothing_until_it_is_resumed(
    broker: Broker, administration: Administration
) -> None:
    await publish(broker, b"one")
    await administration.pause("orders")
    receiving = await receive(broker)
    assert not receiving.done()

    await administration.resume("orders")

    assert await received(receiving) == [b"one"]


async def test_drain_ends_the_wait(broker: Broker) -> None:
    receiving = await receive(broker)

    broker.drain()

    with pytest.raises(ShuttingDown):
        await asyncio.wait_for(receiving, 10)
    with pytest.raises(ShuttingDown):
        await broker.receive("orders", 1, 0)
    await asyncio.wait_for(broker.wait_drained(), 10)


async def test_message_that_came_before_the_drain_is_received(broker: Broker) -> None:
    receiving = await receive(broker)
    await publish(broker, b"one")

    broker.drain()

    assert await received(receiving) == [b"one"]


@pytest.mark.parametrize("lengths", [(None, None, 30), (60, None, 60), (60, 5, 5)])
async def test_lease_is_what_was_asked_for_or_the_policys_or_half_a_minute(
    broker: Broker,
    administration: Administration,
    clock: ManualClock,
    storage: MemoryStorage,
    lengths: tuple[float | None, float | None, float],
) -> None:
    of_policy, asked, expected = lengths
    await administration.set_policy("orders", TopicPolicy(lease=of_policy))
    await publish(broker, b"one")
    await broker.receive("orders", 1, 0, asked)

    await tick_after(broker, clock, expected - 0.1)
    assert places(storage) == (0, 1, 0)
    await tick_after(broker, clock, 0.1)

    assert places(storage) == (1, 0, 0)
