"""Settling by number, up to a number, and the oldest."""

import pytest

from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.settling import Decision
from miniqueue_py.broker.subscriber import Subscriber
from miniqueue_py.errors import NotInFlight
from miniqueue_py.storage.memory import MemoryStorage
from tests.broker.scenes import (
    Consume,
    ack,
    bodies,
    nack,
    numbers,
    places,
    publish,
    settle,
    texts,
)

pytestmark = pytest.mark.anyio

NEVER = "no such delivery was made on this stream"
NOT_ANY_MORE = "it is not in flight any more; it was settled, or its lease ran out"


@pytest.fixture
async def subscriber(broker: Broker, consume: Consume) -> Subscriber:
    """Have five deliveries in flight, and no room for more."""
    await publish(broker, *texts(9))
    subscriber = consume(5)
    assert numbers(subscriber) == [1, 2, 3, 4, 5]
    subscriber.set_credit(1)
    return subscriber


def in_flight(subscriber: Subscriber) -> list[int]:
    return list(subscriber.in_flight)


def words(errors: object) -> str:
    assert isinstance(errors, list)
    return "; ".join(map(str, errors))


async def test_word_alone_settles_the_oldest(subscriber: Subscriber) -> None:
    ack(subscriber)
    assert in_flight(subscriber) == [2, 3, 4, 5]

    ack(subscriber, 2, 4)
    ack(subscriber)

    assert in_flight(subscriber) == [5]


async def test_numbers_settle_those_and_no_others(
    subscriber: Subscriber, storage: MemoryStorage
) -> None:
    assert not ack(subscriber, 4, 2)

    assert in_flight(subscriber) == [1, 3, 5]
    assert storage.statistics("orders").acknowledged == 2


async def test_up_to_settles_all_that_are_left_up_to_and_including_it(
    subscriber: Subscriber,
) -> None:
    ack(subscriber, 2)

    assert not ack(subscriber, up_to=4)

    assert in_flight(subscriber) == [5]
    assert not ack(subscriber, up_to=4), "what is settled is settled"
    assert in_flight(subscriber) == [5]


async def test_up_to_after_up_to_goes_on_where_that_ended(broker: Broker, consume: Consume) -> None:
    await publish(broker, *texts(1000))
    subscriber = consume(1000)
    subscriber.take()

    for last in (100, 50, 100, 700, 701, 1000):
        ack(subscriber, up_to=last)
        assert next(iter(subscriber.in_flight), 1001) == max(101, last + 1)


async def test_oldest_is_found_however_far_it_is(broker: Broker, consume: Consume) -> None:
    await publish(broker, *texts(1000))
    subscriber = consume(1000)
    subscriber.take()
    ack(subscriber, *range(2, 900))

    ack(subscriber)
    assert next(iter(subscriber.in_flight)) == 900
    ack(subscriber)

    assert next(iter(subscriber.in_flight)) == 901


async def test_delivery_that_never_was_is_an_error(subscriber: Subscriber) -> None:
    errors = ack(subscriber, 99)

    assert words(errors) == f"ACK 99: {NEVER}"
    assert in_flight(subscriber) == [1, 2, 3, 4, 5]


async def test_up_to_what_never_was_settles_nothing(subscriber: Subscriber) -> None:
    errors = nack(subscriber, up_to=6)

    assert words(errors) == f"NACK 6: {NEVER}"
    assert in_flight(subscriber) == [1, 2, 3, 4, 5]


async def test_same_number_twice_settles_once_and_is_an_error(
    subscriber: Subscriber, storage: MemoryStorage
) -> None:
    errors = ack(subscriber, 5, 5)

    assert words(errors) == f"ACK 5: {NOT_ANY_MORE}"
    assert storage.statistics("orders").acknowledged == 1


async def test_settled_is_an_error_the_second_time(
    subscriber: Subscriber, storage: MemoryStorage
) -> None:
    ack(subscriber, 3)

    errors = nack(subscriber, 3)

    assert words(errors) == f"NACK 3: {NOT_ANY_MORE}"
    assert places(storage) == (4, 4, 0)


async def test_errors_do_not_keep_the_rest_from_being_settled(subscriber: Subscriber) -> None:
    errors = ack(subscriber, 1, 99, 2, 1)

    assert words(errors) == f"ACK 99: {NEVER}; ACK 1: {NOT_ANY_MORE}"
    assert in_flight(subscriber) == [3, 4, 5]


async def test_what_was_dealt_and_not_taken_cannot_be_named(
    broker: Broker, consume: Consume
) -> None:
    await publish(broker, *texts(3))
    subscriber = consume(3)

    assert words(ack(subscriber, 1)) == f"ACK 1: {NEVER}"
    assert words(ack(subscriber, up_to=1)) == f"ACK 1: {NEVER}"
    with pytest.raises(NotInFlight, match="ACK received with no message in flight"):
        ack(subscriber)

    assert bodies(subscriber) == texts(3)


async def test_up_to_what_was_taken_leaves_what_was_not(broker: Broker, consume: Consume) -> None:
    await publish(broker, b"1", b"2")
    subscriber = consume(3)
    subscriber.take()
    await publish(broker, b"3")

    ack(subscriber, up_to=2)

    assert in_flight(subscriber) == [3]


async def test_several_sent_back_to_the_front_keep_their_old_order(
    subscriber: Subscriber, consume: Consume
) -> None:
    nack(subscriber, 4, 2)

    assert bodies(consume(9)) == [b"2", b"4", b"6", b"7", b"8", b"9"]


async def test_several_sent_to_the_back_go_there_as_they_were_named(
    subscriber: Subscriber, consume: Consume
) -> None:
    settle(subscriber, Decision.BACK, 4, 2)

    assert bodies(consume(9)) == [b"6", b"7", b"8", b"9", b"4", b"2"]


async def test_several_set_aside_together_come_back_in_the_order_of_publishing(
    broker: Broker, subscriber: Subscriber, consume: Consume
) -> None:
    settle(subscriber, Decision.DACK, 4, 2, delay_seconds=0)
    await broker.tick()

    assert bodies(consume(9))[:2] == [b"2", b"4"]


async def test_plain_consumer_may_name_its_deliveries_too(broker: Broker, consume: Consume) -> None:
    await publish(broker, b"1", b"2", b"3")
    subscriber = consume()
    subscriber.take()

    assert not ack(subscriber, 1)
    assert numbers(subscriber) == [2]
    assert words(ack(subscriber, 1)) == f"ACK 1: {NOT_ANY_MORE}"
    assert not ack(subscriber, up_to=2)

    assert bodies(subscriber) == [b"3"]
