"""How long a delivery may be held, and what happens when it is held for longer."""

import asyncio
from typing import Any

import pytest

from miniqueue_py.broker.administration import Administration
from miniqueue_py.broker.broker import SLICE, Broker
from miniqueue_py.broker.policy import TopicPolicy
from miniqueue_py.broker.settling import Decision
from miniqueue_py.broker.subscriber import Subscriber
from miniqueue_py.storage.memory import MemoryStorage
from miniqueue_py.testing.clock import ManualClock
from tests.broker.scenes import (
    Consume,
    ack,
    attempts,
    bodies,
    nothing,
    numbers,
    places,
    publish,
    settle,
    texts,
    tick_after,
)

pytestmark = pytest.mark.anyio


def touch(subscriber: Subscriber, clock: ManualClock, *ids: int, **others: int) -> list[str]:
    return list(map(str, subscriber.touch(clock.monotonic(), "TOUCH", ids, **others)))


async def test_message_goes_to_the_next_consumer_when_its_lease_runs_out(
    broker: Broker, consume: Consume, clock: ManualClock
) -> None:
    await publish(broker, b"one")
    slow, quick = consume(5, lease=30), consume(5)
    slow.take()

    await tick_after(broker, clock, 29.9)
    assert not quick.take()
    await tick_after(broker, clock, 0.1)

    assert attempts(quick) == {b"one": 2}
    assert slow.take_expired() == [1]
    assert not slow.take_expired()


async def test_without_a_lease_the_connection_is_the_lease(
    broker: Broker, consume: Consume, clock: ManualClock
) -> None:
    await publish(broker, b"one")
    subscriber = consume(5)
    subscriber.take()

    await tick_after(broker, clock, 1_000_000)

    assert not subscriber.take_expired()
    assert not ack(subscriber, 1)


async def test_policy_gives_a_lease_to_all_who_ask_for_none(
    broker: Broker, administration: Administration, consume: Consume, clock: ManualClock
) -> None:
    await administration.set_policy("orders", TopicPolicy(lease=10))
    await publish(broker, b"1", b"2")
    usual, patient = consume(1), consume(1, lease=60)
    usual.take()
    patient.take()

    await tick_after(broker, clock, 10)
    assert (usual.take_expired(), patient.take_expired()) == ([1], ())
    await tick_after(broker, clock, 50)
    assert patient.take_expired() == [1]


async def test_new_policy_counts_for_what_is_delivered_from_then_on(
    broker: Broker, administration: Administration, consume: Consume, clock: ManualClock
) -> None:
    await publish(broker, b"1", b"2")
    subscriber = consume(1)
    subscriber.take()
    await administration.set_policy("orders", TopicPolicy(lease=10))
    subscriber.set_credit(2)
    subscriber.take()

    await tick_after(broker, clock, 10)

    assert subscriber.take_expired() == [2]


async def test_messages_whose_leases_ran_out_are_at_the_front_in_their_old_order(
    broker: Broker, consume: Consume, clock: ManualClock
) -> None:
    await publish(broker, *texts(6))
    with broker.subscribe("orders", nothing, 10) as subscriber:
        subscriber.start(4)
        subscriber.take()
        subscriber.set_credit(0)
        await tick_after(broker, clock, 5)
        touch(subscriber, clock, 2)
        await tick_after(broker, clock, 9)
        assert subscriber.take_expired() == [1, 3, 4]
        await tick_after(broker, clock, 1)

    assert attempts(consume(10)) == {b"1": 2, b"2": 2, b"3": 2, b"4": 2, b"5": 1, b"6": 1}


async def test_touch_begins_the_lease_anew(
    broker: Broker, consume: Consume, clock: ManualClock
) -> None:
    await publish(broker, *texts(4))
    subscriber = consume(4, lease=10)
    subscriber.take()
    subscriber.set_credit(1)
    await clock.advance(9)

    assert touch(subscriber, clock) == []
    assert touch(subscriber, clock, 3, 99) == ["TOUCH 99: no such delivery was made on this stream"]
    await tick_after(broker, clock, 9)
    assert subscriber.take_expired() == [2, 4]
    touch(subscriber, clock, up_to=3)
    await tick_after(broker, clock, 9)

    assert not subscriber.take_expired()
    assert list(subscriber.in_flight) == [1, 3]


async def test_touch_of_what_has_no_lease_changes_nothing(
    broker: Broker, consume: Consume, clock: ManualClock
) -> None:
    await publish(broker, b"one")
    subscriber = consume()
    subscriber.take()

    assert touch(subscriber, clock) == []
    await tick_after(broker, clock, 1000)

    ack(subscriber)


async def test_settled_in_time_is_settled(
    broker: Broker, consume: Consume, clock: ManualClock, storage: MemoryStorage
) -> None:
    await publish(broker, b"one")
    subscriber = consume(5, lease=10)
    subscriber.take()
    await clock.advance(9.9)
    ack(subscriber, 1)

    await tick_after(broker, clock, 10)

    assert not subscriber.take_expired()
    assert places(storage) == (0, 0, 0)


async def test_room_that_a_lease_leaves_is_for_the_next_message(
    broker: Broker, consume: Consume, clock: ManualClock
) -> None:
    await publish(broker, b"1", b"2")
    subscriber = consume(1, lease=10)
    other = consume(1, lease=1000)
    subscriber.take()
    other.take()
    await publish(broker, b"3", b"4")

    await tick_after(broker, clock, 10)

    assert [(number, each.message.body) for number, each in subscriber.take()] == [(2, b"1")]


async def test_number_of_an_expired_delivery_cannot_be_settled_any_more(
    broker: Broker, consume: Consume, clock: ManualClock
) -> None:
    await publish(broker, b"one")
    subscriber = consume(1, lease=10)
    subscriber.take()
    await tick_after(broker, clock, 10)
    assert numbers(subscriber) == [2]

    [late] = ack(subscriber, 1)

    assert "it was settled, or its lease ran out" in str(late)
    assert touch(subscriber, clock, 1)
    assert not ack(subscriber, 2)


async def test_lease_of_what_was_deleted_meanwhile_ends_quietly(
    broker: Broker, consume: Consume, clock: ManualClock, storage: MemoryStorage
) -> None:
    await publish(broker, b"one")
    subscriber = consume(1, lease=10)
    subscriber.take()
    await broker.delete("orders")

    await tick_after(broker, clock, 10)

    assert subscriber.take_expired() == [1]
    assert places(storage) == (0, 0, 0)


async def test_what_was_not_taken_in_its_lease_was_no_attempt_and_nobody_is_told(
    broker: Broker, administration: Administration, consume: Consume, clock: ManualClock
) -> None:
    await administration.set_policy("orders", TopicPolicy(max_deliveries=1))
    await publish(broker, *texts(3))
    with broker.subscribe("orders", nothing, 10) as stalled:
        stalled.start(5)

        await tick_after(broker, clock, 10)

        assert attempts(consume(5)) == {b"1": 1, b"2": 1, b"3": 1}
        assert not stalled.take_expired()
        assert not stalled.take()


async def test_who_let_leases_run_out_without_taking_gets_nothing_until_it_takes(
    broker: Broker, consume: Consume, clock: ManualClock, storage: MemoryStorage
) -> None:
    await publish(broker, *texts(3))
    stalled = consume(2, lease=10)

    await tick_after(broker, clock, 10)
    assert places(storage) == (3, 0, 0)
    assert not stalled.take(), "now it is known to be alive"

    assert bodies(stalled) == [b"1", b"2"]


async def test_leases_of_thousands_end_in_slices_with_turns_for_others_in_between(
    broker: Broker, consume: Consume, clock: ManualClock, storage: MemoryStorage
) -> None:
    await publish(broker, *[b"x"] * 5 * SLICE)
    for _ in range(5):
        subscriber = consume(SLICE, lease=10)
        while subscriber.take():
            pass
        subscriber.set_credit(0)
    await clock.advance(10)
    ready: list[int] = []

    ticking = asyncio.create_task(broker.tick())
    for _ in range(6):
        ready.append(places(storage)[0])
        await asyncio.sleep(0)

    assert ready == [SLICE * turn for turn in range(6)]
    await ticking


async def test_tick_looks_at_nobody_whose_leases_are_not_over(
    broker: Broker, consume: Consume, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    await publish(broker, *texts(100))
    for _ in range(99):
        consume(1, lease=100).take()
    consume(1, lease=10).take()
    looked_at: list[Subscriber] = []
    expire = Subscriber.expire

    def note(self: Subscriber, *arguments: Any) -> int:
        looked_at.append(self)
        return expire(self, *arguments)

    monkeypatch.setattr(Subscriber, "expire", note)

    await tick_after(broker, clock, 10)

    assert len(looked_at) == 1


async def test_released_before_its_lease_ends_is_given_back_once(
    broker: Broker, consume: Consume, clock: ManualClock, storage: MemoryStorage
) -> None:
    await publish(broker, b"one")
    subscriber = consume(1, lease=10)
    subscriber.take()
    subscriber.set_credit(0)
    settle(subscriber, Decision.RELEASE, 1)

    await tick_after(broker, clock, 10)

    assert not subscriber.take_expired()
    assert places(storage) == (1, 0, 0)
