"""A credit: how many messages a consumer may have in flight."""

import pytest

from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.topic import DEALT_A_TURN
from miniqueue_py.errors import AlreadyInitialised, NotAConsumer
from miniqueue_py.storage.memory import MemoryStorage
from tests.broker.scenes import (
    Consume,
    ack,
    bodies,
    nack,
    nothing,
    numbers,
    places,
    publish,
    some_turns,
    texts,
)

pytestmark = pytest.mark.anyio


async def test_as_many_are_in_flight_as_the_credit_says(
    broker: Broker, consume: Consume, storage: MemoryStorage
) -> None:
    await publish(broker, *texts(10))

    subscriber = consume(4)

    assert bodies(subscriber) == texts(4)
    assert not subscriber.take()
    assert places(storage) == (6, 4, 0)


async def test_deliveries_are_numbered_from_one_on_each_stream(
    broker: Broker, consume: Consume
) -> None:
    await publish(broker, *texts(10))
    first, second = consume(3), consume(2)

    assert numbers(first) == [1, 2, 3]
    assert numbers(second) == [1, 2]


async def test_settling_makes_room_and_numbers_go_on(broker: Broker, consume: Consume) -> None:
    await publish(broker, *texts(10))
    subscriber = consume(3)
    subscriber.take()

    ack(subscriber)
    ack(subscriber, 3)

    assert [(number, each.message.body) for number, each in subscriber.take()] == [
        (4, b"4"),
        (5, b"5"),
    ]


async def test_message_that_comes_again_is_another_delivery(
    broker: Broker, consume: Consume
) -> None:
    await publish(broker, b"one")
    subscriber = consume(3)
    assert numbers(subscriber) == [1]

    nack(subscriber, 1)

    [(number, delivery)] = subscriber.take()
    assert (number, delivery.message.body, delivery.message.attempt) == (2, b"one", 2)


async def test_more_credit_brings_more_at_once(broker: Broker, consume: Consume) -> None:
    await publish(broker, *texts(10))
    subscriber = consume(2)
    subscriber.take()

    subscriber.set_credit(5)

    assert bodies(subscriber) == [b"3", b"4", b"5"]


async def test_less_credit_leaves_what_is_in_flight_and_brings_nothing_till_there_is_room(
    broker: Broker, consume: Consume
) -> None:
    await publish(broker, *texts(10))
    subscriber = consume(5)
    subscriber.take()

    subscriber.set_credit(2)

    assert len(subscriber.in_flight) == 5
    for number in (1, 2, 3):
        ack(subscriber, number)
        assert not subscriber.take()
    ack(subscriber, 4)
    assert bodies(subscriber) == [b"6"]


async def test_credit_of_zero_pauses_and_settling_goes_on(
    broker: Broker, consume: Consume, storage: MemoryStorage
) -> None:
    await publish(broker, *texts(5))
    subscriber = consume(2)
    subscriber.take()

    subscriber.set_credit(0)
    ack(subscriber, up_to=2)
    await publish(broker, b"6")

    assert not subscriber.take()
    assert places(storage) == (4, 0, 0)
    subscriber.set_credit(1)
    assert bodies(subscriber) == [b"3"]


async def test_consumer_without_credit_leaves_messages_to_others(
    broker: Broker, consume: Consume
) -> None:
    paused = consume(5)
    paused.set_credit(0)
    other = consume()

    await publish(broker, b"one")

    assert bodies(other) == [b"one"]
    assert not paused.take()


async def test_credit_given_to_a_plain_consumer_makes_it_one_with_credit(
    broker: Broker, consume: Consume
) -> None:
    await publish(broker, *texts(5))
    subscriber = consume()
    assert not subscriber.has_credit
    assert numbers(subscriber) == [1]

    subscriber.set_credit(3)

    assert subscriber.has_credit
    assert numbers(subscriber) == [2, 3]


async def test_credit_before_init_is_an_error_and_changes_nothing(broker: Broker) -> None:
    await publish(broker, b"1", b"2")
    with broker.subscribe("orders", nothing) as subscriber:
        with pytest.raises(NotAConsumer, match="CREDIT received before INIT"):
            subscriber.set_credit(5)

        subscriber.start()

        assert bodies(subscriber) == [b"1"]
        assert not subscriber.has_credit


async def test_second_init_does_not_change_the_credit(broker: Broker, consume: Consume) -> None:
    subscriber = consume(2)
    with pytest.raises(AlreadyInitialised):
        subscriber.start(5)

    await publish(broker, *texts(5))

    assert numbers(subscriber) == [1, 2]


async def test_messages_of_one_with_credit_that_leaves_come_back_in_their_old_order(
    broker: Broker, consume: Consume
) -> None:
    await publish(broker, *texts(6))
    with broker.subscribe("orders", nothing) as subscriber:
        subscriber.start(3)
        subscriber.take()
        ack(subscriber, 2)
        assert subscriber.in_flight

    assert bodies(consume(10)) == [b"1", b"3", b"4", b"5", b"6"]


async def test_leaving_in_the_middle_of_a_delivery_gives_it_to_the_next_in_line(
    broker: Broker,
) -> None:
    def leave() -> None:
        leaver.leave()

    with (
        broker.subscribe("orders", leave) as leaver,
        broker.subscribe("orders", nothing) as other,
    ):
        leaver.start(5)
        other.start(5)

        await publish(broker, *texts(3))

        assert bodies(other) == texts(3)
        assert not leaver.in_flight


async def test_who_takes_in_the_middle_of_a_delivery_gets_all_there_is_in_some_turns(
    broker: Broker,
) -> None:
    taken: list[bytes] = []

    def take() -> None:
        for _, delivery in subscriber.take():
            taken.append(delivery.message.body)
            ack(subscriber)

    with broker.subscribe("orders", take) as subscriber:
        await publish(broker, *texts(5000))

        subscriber.start()
        assert taken == texts(DEALT_A_TURN)
        await some_turns()

        assert taken == texts(5000)
