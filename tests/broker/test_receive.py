"""Taking messages without a stream."""

import asyncio
from collections.abc import Sequence
from contextlib import suppress

import pytest

from miniqueue_py.broker import topic
from miniqueue_py.broker.administration import Administration
from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.message import Publication
from miniqueue_py.broker.policy import TopicPolicy
from miniqueue_py.broker.receipts import ReceivedDelivery
from miniqueue_py.errors import ShuttingDown
from miniqueue_py.storage.bounds import EXPIRED_AT_ONCE
from miniqueue_py.storage.memory import MemoryStorage
from miniqueue_py.testing.clock import ManualClock
from tests.broker.scenes import (
    Consume,
    bodies,
    places,
    publish,
    receive,
    some_turns,
    texts,
    tick_after,
)

pytestmark = pytest.mark.anyio

Receiving = asyncio.Task[Sequence[ReceivedDelivery]]


async def begin_to_receive(
    broker: Broker, limit: int = 10, wait: float = 20, lease: float | None = None
) -> Receiving:
    """Begin to receive, and let it come as far as it can."""
    receiving = asyncio.create_task(receive(broker, "orders", limit, wait, lease))
    for _ in range(5):
        await asyncio.sleep(0)
    return receiving


async def received(receiving: Receiving) -> list[bytes]:
    receipts = await asyncio.wait_for(receiving, 10)
    return [receipt.delivery.message.body for receipt in receipts]


async def test_what_is_ready_is_received_at_once(broker: Broker, storage: MemoryStorage) -> None:
    await publish(broker, *texts(5))

    receipts = await receive(broker, "orders", 3, 20)

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

    [receipt] = await receive(broker, "orders", 1, 0)

    assert receipt.delivery.message.body == b"3"


async def test_without_a_wait_there_may_be_nothing(broker: Broker) -> None:
    assert await receive(broker, "orders", 3, 0) == []


async def test_empty_topic_costs_nothing_whatever_lease_is_asked_for(broker: Broker) -> None:
    for number in range(100):
        assert await receive(broker, "orders", 1, 0, 30 + number) == []

    assert not broker.receipts._leases._ends


@pytest.mark.parametrize("wait", [0, 0.001])
async def test_what_lives_behind_thousands_that_expired_is_received_without_a_wait(
    broker: Broker, clock: ManualClock, wait: float
) -> None:
    await publish(broker, *texts(5 * EXPIRED_AT_ONCE), ttl_seconds=1)
    await publish(broker, b"alive")
    clock.set(2)

    assert await received(await begin_to_receive(broker, wait=wait)) == [b"alive"]


async def test_paused_topic_and_no_wait_bring_nothing_at_once(
    broker: Broker, administration: Administration
) -> None:
    await publish(broker, b"one")
    await administration.pause("orders")

    assert await asyncio.wait_for(receive(broker, "orders", 1, 0), 10) == []


async def test_first_message_that_comes_ends_the_wait(broker: Broker, clock: ManualClock) -> None:
    receiving = await begin_to_receive(broker)
    await clock.advance(19)
    assert not receiving.done()

    await publish(broker, b"one")

    assert await received(receiving) == [b"one"]


async def test_wait_that_is_over_brings_nothing_and_holds_nothing(
    broker: Broker, clock: ManualClock, storage: MemoryStorage
) -> None:
    receiving = await begin_to_receive(broker)
    await clock.advance(20)

    assert await received(receiving) == []
    await publish(broker, b"one")
    assert places(storage) == (1, 0, 0)


async def test_those_who_wait_are_served_in_the_order_they_came_streams_among_them(
    broker: Broker, consume: Consume
) -> None:
    first = await begin_to_receive(broker, limit=1)
    stream = consume()
    last = await begin_to_receive(broker, limit=1)

    await publish(broker, *texts(3))

    assert await received(first) == [b"1"]
    assert bodies(stream) == [b"2"]
    assert await received(last) == [b"3"]


async def test_who_is_cancelled_while_it_waits_holds_nothing(
    broker: Broker, storage: MemoryStorage
) -> None:
    first, second = await begin_to_receive(broker), await begin_to_receive(broker)

    first.cancel()
    with suppress(asyncio.CancelledError):
        await first
    await publish(broker, b"one")

    assert await received(second) == [b"one"]
    assert broker.subscriber_count == 0


async def test_who_gives_up_with_a_message_on_its_way_leaves_it_to_the_next(
    broker: Broker,
) -> None:
    told: list[object] = []
    first = broker.claims.receive("orders", 10, 20, told.append)
    second = await begin_to_receive(broker)
    storing = broker.publish("orders", [Publication([b"one"])])

    first.cancel()
    await storing

    assert await received(second) == [b"one"]
    assert not told


async def test_paused_topic_brings_nothing_until_it_is_resumed(
    broker: Broker, administration: Administration
) -> None:
    await publish(broker, b"one")
    await administration.pause("orders")
    receiving = await begin_to_receive(broker)
    assert not receiving.done()

    await administration.resume("orders")

    assert await received(receiving) == [b"one"]


async def test_drain_ends_the_wait(broker: Broker) -> None:
    receiving = await begin_to_receive(broker)

    broker.drain()

    with pytest.raises(ShuttingDown):
        await asyncio.wait_for(receiving, 10)
    with pytest.raises(ShuttingDown):
        await receive(broker, "orders", 1, 0)
    await asyncio.wait_for(broker.wait_drained(), 10)


async def test_message_that_came_before_the_drain_is_received(broker: Broker) -> None:
    receiving = await begin_to_receive(broker)
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
    await receive(broker, "orders", 1, 0, asked)

    await tick_after(broker, clock, expected - 0.1)
    assert places(storage) == (0, 1, 0)
    await tick_after(broker, clock, 0.1)

    assert places(storage) == (1, 0, 0)


async def test_what_is_asked_for_in_one_turn_is_dealt_in_the_order_of_the_claims(
    broker: Broker, storage: MemoryStorage
) -> None:
    await publish(broker, *texts(6))
    told: list[tuple[str, list[bytes]]] = []
    for name, limit in (("one", 1), ("two", 1), ("many", 3), ("last", 1), ("none", 1)):

        def on_done(received: Sequence[ReceivedDelivery] | Exception, name: str = name) -> None:
            assert not isinstance(received, Exception)
            told.append((name, [each.delivery.message.body for each in received]))

        broker.claims.receive("orders", limit, 0, on_done)
    assert not told, "nobody is called back from inside"
    await some_turns()

    assert told == [
        ("one", [b"1"]),
        ("two", [b"2"]),
        ("many", [b"3", b"4", b"5"]),
        ("last", [b"6"]),
        ("none", []),
    ]
    assert places(storage) == (0, 6, 0)


async def test_claim_that_is_cancelled_in_its_turn_gets_nothing(
    broker: Broker, storage: MemoryStorage
) -> None:
    await publish(broker, b"one")
    told: list[object] = []
    broker.claims.receive("orders", 1, 20, told.append).cancel()
    await some_turns()

    assert not told
    assert places(storage) == (1, 0, 0)
    assert broker.subscriber_count == 0


async def test_claim_that_another_cancels_when_it_is_told_gives_back_what_it_was_dealt(
    broker: Broker, storage: MemoryStorage
) -> None:
    await publish(broker, b"1", b"2")
    told: list[object] = []
    broker.claims.receive("orders", 1, 0, lambda _: second.cancel())
    second = broker.claims.receive("orders", 1, 0, told.append)
    await some_turns()

    assert not told
    assert places(storage) == (1, 1, 0)
    [again] = await receive(broker, "orders", 1)
    assert (again.delivery.message.body, again.delivery.message.attempt) == (b"2", 1)


async def test_drain_in_the_turn_of_a_claim_refuses_it(broker: Broker) -> None:
    await publish(broker, b"one")
    told: list[object] = []
    broker.claims.receive("orders", 1, 20, told.append)
    broker.drain()
    await some_turns()

    assert list(map(type, told)) == [ShuttingDown]


async def test_who_came_before_is_served_before_what_is_claimed(
    broker: Broker, consume: Consume
) -> None:
    stream = consume()
    told: list[object] = []
    claim = broker.claims.receive("orders", 1, 20, told.append)
    storing = broker.publish("orders", [Publication([b"one"])])
    await storing
    await some_turns()

    assert bodies(stream) == [b"one"]
    assert not told
    claim.cancel()
