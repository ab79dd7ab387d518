"""Settling without a stream, by receipt."""

import asyncio

import pytest

from miniqueue_py.broker import receipts
from miniqueue_py.broker.administration import Administration
from miniqueue_py.broker.broker import SLICE, Broker
from miniqueue_py.broker.policy import TopicPolicy
from miniqueue_py.broker.settling import Decision
from miniqueue_py.errors import TooMuchHeld
from miniqueue_py.storage.memory import MemoryStorage
from miniqueue_py.testing.clock import ManualClock
from tests.broker.scenes import Consume, attempts, places, publish, receive, texts, tick_after

pytestmark = pytest.mark.anyio


async def hold(broker: Broker, count: int, lease: float = 30) -> list[str]:
    """Publish messages `1`, `2` ... and receive them; return their receipts."""
    await publish(broker, *texts(count))
    received = await receive(broker, "orders", count, 0, lease)
    assert len(received) == count
    return [each.receipt for each in received]


async def test_receipts_settle_what_they_were_given_for(
    broker: Broker, storage: MemoryStorage, clock: ManualClock
) -> None:
    done, failed, later, hopeless = await hold(broker, 4)

    assert broker.receipts.settle("orders", [done], Decision.ACK) == []
    assert broker.receipts.settle("orders", [failed], Decision.NACK) == []
    assert broker.receipts.settle("orders", [later], Decision.DACK, 5) == []
    assert broker.receipts.settle("orders", [hopeless], Decision.DEAD) == []

    assert places(storage) == (1, 0, 1)
    assert places(storage, "orders.dead") == (1, 0, 0)


async def test_acknowledging_tells_what_was_deleted_meanwhile(
    broker: Broker, storage: MemoryStorage
) -> None:
    [before] = await hold(broker, 1)
    await broker.delete("orders")
    [after] = await hold(broker, 1)

    assert not broker.receipts.acknowledge("orders", before)
    assert broker.receipts.acknowledge("orders", after)
    assert not broker.receipts.acknowledge("orders", after)
    assert places(storage) == (0, 0, 0)


async def test_receipt_is_good_once(broker: Broker, storage: MemoryStorage) -> None:
    first, second = await hold(broker, 2)

    assert broker.receipts.settle("orders", [first, first, second], Decision.ACK) == [first]
    assert broker.receipts.settle("orders", [second], Decision.NACK) == [second]

    assert storage.statistics("orders").acknowledged == 2


async def test_receipt_is_good_for_its_own_topic(broker: Broker, storage: MemoryStorage) -> None:
    [receipt] = await hold(broker, 1)

    assert broker.receipts.settle("other", [receipt], Decision.ACK) == [receipt]
    assert broker.receipts.touch("other", [receipt]) == [receipt]

    assert broker.receipts.settle("orders", [receipt], Decision.ACK) == []


async def test_receipt_that_nobody_gave_is_listed_and_the_rest_counts(broker: Broker) -> None:
    [receipt] = await hold(broker, 1)

    assert broker.receipts.settle("orders", ["x", receipt, ""], Decision.ACK) == ["x", ""]


async def test_message_is_ready_again_when_its_receipt_runs_out(
    broker: Broker, consume: Consume, clock: ManualClock
) -> None:
    [receipt] = await hold(broker, 1, lease=10)

    await tick_after(broker, clock, 10)

    assert attempts(consume()) == {b"1": 2}
    assert broker.receipts.settle("orders", [receipt], Decision.ACK) == [receipt]


async def test_messages_whose_receipts_ran_out_come_back_in_their_old_order(
    broker: Broker, consume: Consume, clock: ManualClock
) -> None:
    receipts = await hold(broker, 4, lease=10)
    await publish(broker, b"5")
    broker.receipts.settle("orders", receipts[1:2], Decision.ACK)

    await tick_after(broker, clock, 10)

    assert list(attempts(consume(9))) == [b"1", b"3", b"4", b"5"]


async def test_touch_begins_the_lease_anew(
    broker: Broker, clock: ManualClock, storage: MemoryStorage
) -> None:
    first, second = await hold(broker, 2, lease=10)
    await clock.advance(9)

    assert broker.receipts.touch("orders", [first, "x"]) == ["x"]
    await tick_after(broker, clock, 9)

    assert broker.receipts.settle("orders", [first, second], Decision.ACK) == [second]


async def test_receipt_of_a_deleted_message_settles_nothing_and_is_no_error(
    broker: Broker, storage: MemoryStorage
) -> None:
    [receipt] = await hold(broker, 1)
    await broker.delete("orders")

    assert broker.receipts.settle("orders", [receipt], Decision.NACK) == []

    assert places(storage) == (0, 0, 0)


async def test_policy_rules_over_receipts_too(
    broker: Broker, administration: Administration, clock: ManualClock, storage: MemoryStorage
) -> None:
    await administration.set_policy("orders", TopicPolicy(max_deliveries=1))
    failed, released, _ = await hold(broker, 3, lease=10)

    broker.receipts.settle("orders", [failed], Decision.NACK)
    broker.receipts.settle("orders", [released], Decision.RELEASE)
    await tick_after(broker, clock, 10)

    assert places(storage) == (1, 0, 0)
    assert places(storage, "orders.dead") == (2, 0, 0)


async def test_lease_of_the_topic_does_not_count_beside_that_of_the_receipt(
    broker: Broker, administration: Administration, clock: ManualClock, storage: MemoryStorage
) -> None:
    await administration.set_policy("orders", TopicPolicy(lease=5))
    await hold(broker, 1, lease=60)

    await tick_after(broker, clock, 59)

    assert places(storage) == (0, 1, 0)


async def test_thousands_of_receipts_run_out_in_one_tick(
    broker: Broker, clock: ManualClock, storage: MemoryStorage
) -> None:
    count = SLICE + 1
    await hold(broker, count, lease=10)
    await hold(broker, count, lease=10)

    await tick_after(broker, clock, 10)

    assert places(storage) == (2 * count, 0, 0)


async def test_receipts_are_settled_while_the_broker_drains(
    broker: Broker, storage: MemoryStorage
) -> None:
    [receipt] = await hold(broker, 1)
    broker.drain()

    assert broker.receipts.settle("orders", [receipt], Decision.ACK) == []

    assert places(storage) == (0, 0, 0)


async def test_nobody_is_handed_more_while_receipts_hold_too_much(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipts, "MOST_RECEIPTS", 2)
    held = await hold(broker, 2)

    with pytest.raises(TooMuchHeld):
        await receive(broker, "orders", 1, 0)

    broker.receipts.settle("orders", held[:1], Decision.ACK)
    assert await receive(broker, "orders", 1, 0) == []


async def test_one_who_came_in_the_same_turn_is_handed_no_more_either(
    broker: Broker, storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipts, "MOST_RECEIPTS", 2)
    await publish(broker, *texts(3))

    first, second = await asyncio.gather(
        *(receive(broker, "orders", 2) for _ in range(2)), return_exceptions=True
    )

    assert not isinstance(first, BaseException)
    assert len(first) == 2
    assert isinstance(second, TooMuchHeld)
    assert places(storage) == (1, 2, 0)


async def test_bytes_of_what_receipts_hold_are_bounded_too(
    broker: Broker, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipts, "MOST_BYTES", 1)
    await hold(broker, 1, lease=10)

    with pytest.raises(TooMuchHeld):
        await receive(broker, "orders", 1, 0)

    await tick_after(broker, clock, 10)
    assert len(await receive(broker, "orders", 1, 0)) == 1
