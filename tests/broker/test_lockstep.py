"""A plain INIT: one message at a time, as in MiniQueue."""

import asyncio

import pytest

from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.settling import Decision
from miniqueue_py.broker.timekeeper import Timekeeper
from miniqueue_py.errors import AlreadyInitialised, NotInFlight
from miniqueue_py.storage.memory import MemoryStorage
from miniqueue_py.testing.clock import ManualClock
from tests.broker.scenes import (
    Consume,
    ack,
    bodies,
    nack,
    nothing,
    places,
    publish,
    raise_it,
    settle,
)

pytestmark = pytest.mark.anyio


async def test_message_waits_for_its_first_subscriber(broker: Broker) -> None:
    await publish(broker, b"one")
    with broker.subscribe("orders", nothing) as subscriber:
        assert not subscriber.take(), "nothing before INIT"

        subscriber.start()

        assert bodies(subscriber) == [b"one"]
        assert not subscriber.take()


async def test_waiting_subscriber_is_told_of_a_message(broker: Broker) -> None:
    told: list[bool] = []
    with broker.subscribe("orders", lambda: told.append(True)) as subscriber:
        subscriber.start()
        assert not told

        await publish(broker, b"one")

        assert told == [True]
        assert bodies(subscriber) == [b"one"]


async def test_one_message_is_in_flight_at_a_time(broker: Broker, consume: Consume) -> None:
    await publish(broker, b"1", b"2")
    subscriber = consume()
    assert bodies(subscriber) == [b"1"]
    assert not subscriber.take()

    ack(subscriber)

    assert bodies(subscriber) == [b"2"]


async def test_several_waiting_are_served_in_the_order_they_began(broker: Broker) -> None:
    with (
        broker.subscribe("orders", nothing) as first,
        broker.subscribe("orders", nothing) as second,
        broker.subscribe("orders", nothing) as third,
    ):
        for subscriber in (second, first, third):
            subscriber.start()

        await publish(broker, b"1", b"2")
        await publish(broker, b"3")

        assert bodies(first) == [b"2"]
        assert bodies(second) == [b"1"]
        assert bodies(third) == [b"3"]


async def test_nack_gives_the_message_to_who_waits_longest(
    broker: Broker, consume: Consume
) -> None:
    await publish(broker, b"one")
    first, second, third = consume(), consume(), consume()
    first.take()

    nack(first)

    assert bodies(second) == [b"one"]
    assert not third.take()
    assert not first.take()


async def test_nack_of_the_only_consumer_brings_the_same_message(
    broker: Broker, consume: Consume
) -> None:
    await publish(broker, b"one", b"two")
    subscriber = consume()
    subscriber.take()

    nack(subscriber)

    assert bodies(subscriber) == [b"one"]


async def test_back_brings_the_next_message(broker: Broker, consume: Consume) -> None:
    await publish(broker, b"one", b"two")
    subscriber = consume()
    for expected in (b"one", b"two", b"one"):
        assert bodies(subscriber) == [expected]
        settle(subscriber, Decision.BACK)


async def test_messages_of_those_who_leave_come_back_in_their_old_order(
    broker: Broker, consume: Consume
) -> None:
    await publish(broker, b"1", b"2", b"3", b"4")
    with (
        broker.subscribe("orders", nothing) as first,
        broker.subscribe("orders", nothing) as second,
        broker.subscribe("orders", nothing) as third,
    ):
        for subscriber in (first, second, third):
            subscriber.start()
            subscriber.take()

    subscriber = consume()
    for expected in (b"1", b"2", b"3", b"4"):
        assert bodies(subscriber) == [expected]
        ack(subscriber)


async def test_message_dealt_and_not_taken_goes_on_when_its_subscriber_leaves(
    broker: Broker,
) -> None:
    with broker.subscribe("orders", nothing) as stays:
        with broker.subscribe("orders", nothing) as leaves:
            leaves.start()
            stays.start()
            await publish(broker, b"one")

        assert bodies(stays) == [b"one"]


async def test_message_comes_back_on_the_first_tick_after_its_delay(
    broker: Broker, consume: Consume, clock: ManualClock
) -> None:
    await publish(broker, b"one", b"two")
    ticking = asyncio.create_task(Timekeeper(broker, 1.0, on_error=raise_it).run())
    await clock.advance(0)
    subscriber = consume()
    subscriber.take()
    settle(subscriber, Decision.DACK, delay_seconds=2.5)
    assert bodies(subscriber) == [b"two"]
    ack(subscriber)

    await clock.advance(2.9)
    assert not subscriber.take()
    await clock.advance(0.1)

    [(_, delivery)] = subscriber.take()
    assert delivery.message.body == b"one"
    assert delivery.message.extras.dack_count == 1
    ticking.cancel()


async def test_settling_nothing_is_an_error(broker: Broker) -> None:
    with broker.subscribe("orders", nothing) as subscriber:
        with pytest.raises(NotInFlight, match="ACK received with no message in flight"):
            ack(subscriber)
        subscriber.start()
        with pytest.raises(NotInFlight, match="BACK received with no message in flight"):
            settle(subscriber, Decision.BACK)


async def test_message_that_was_not_taken_is_not_settled_by_a_stray_word(
    broker: Broker, consume: Consume
) -> None:
    await publish(broker, b"one")
    subscriber = consume()

    with pytest.raises(NotInFlight, match="NACK received with no message in flight"):
        nack(subscriber)

    assert bodies(subscriber) == [b"one"]


async def test_starting_twice_is_an_error_and_takes_nothing(
    broker: Broker, consume: Consume, storage: MemoryStorage
) -> None:
    subscriber = consume()
    with pytest.raises(AlreadyInitialised, match="is a consumer already"):
        subscriber.start()
    await publish(broker, b"one", b"two")
    with pytest.raises(AlreadyInitialised, match="while a message is in flight"):
        subscriber.start(100)

    assert bodies(subscriber) == [b"one"]
    assert places(storage) == (1, 1, 0)
