"""The rules of the queue, on memory, with a clock that moves when told to."""

import asyncio
from collections.abc import Callable
from contextlib import ExitStack

import pytest

from miniqueue_py.broker.broker import Broker, Limits
from miniqueue_py.broker.delivery import ACK, TO_BACK, TO_FRONT, Delay
from miniqueue_py.broker.events import (
    Delivered,
    Event,
    Observers,
    Published,
    Purged,
    Restored,
    Settled,
)
from miniqueue_py.broker.subscriber import Subscriber
from miniqueue_py.broker.timekeeper import Timekeeper
from miniqueue_py.errors import (
    AlreadyInitialised,
    MessageTooLong,
    NotInFlight,
    ShuttingDown,
    StorageCorrupt,
    TopicFull,
)
from miniqueue_py.storage.memory import MemoryStorage
from miniqueue_py.testing.clock import ManualClock

pytestmark = pytest.mark.anyio

Consume = Callable[[str], Subscriber]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def broker(clock: ManualClock) -> Broker:
    return Broker(MemoryStorage(), clock)


def nothing() -> None:
    """Care for no change: the test looks by itself."""


def raise_it(error: Exception) -> None:
    raise error


def body(subscriber: Subscriber) -> bytes | None:
    delivery = subscriber.take()
    return delivery.message.body if delivery else None


def test_repr_tells_who_waits(broker: Broker) -> None:
    with broker.subscribe("orders", nothing) as first, broker.subscribe("orders", nothing):
        first.start()

        assert repr(first.topic) == "<Topic 'orders', 1 of 2 waiting>"
        assert repr(first) == "<Subscriber of 'orders', none in flight>"


async def test_message_waits_for_its_first_subscriber(broker: Broker) -> None:
    await broker.publish("orders", [b"one"])
    with broker.subscribe("orders", nothing) as subscriber:
        assert subscriber.take() is None, "nothing before INIT"

        subscriber.start()

        assert body(subscriber) == b"one"
        assert subscriber.take() is None


async def test_waiting_subscriber_is_told_of_a_message(broker: Broker) -> None:
    told: list[bool] = []
    with broker.subscribe("orders", lambda: told.append(True)) as subscriber:
        subscriber.start()
        assert not told

        await broker.publish("orders", [b"one"])

        assert told == [True]
        assert body(subscriber) == b"one"


async def test_several_waiting_are_served_in_the_order_they_began(broker: Broker) -> None:
    with ExitStack() as stack:
        waiting = [stack.enter_context(broker.subscribe("orders", nothing)) for _ in range(3)]
        for subscriber in (waiting[1], waiting[0], waiting[2]):
            subscriber.start()

        await broker.publish("orders", [b"1", b"2"])
        await broker.publish("orders", [b"3"])

        assert [body(subscriber) for subscriber in waiting] == [b"2", b"1", b"3"]


async def test_nack_gives_the_message_to_who_waits_longest(broker: Broker) -> None:
    await broker.publish("orders", [b"one"])
    with (
        broker.subscribe("orders", nothing) as first,
        broker.subscribe("orders", nothing) as second,
        broker.subscribe("orders", nothing) as third,
    ):
        for subscriber in (first, second, third):
            subscriber.start()

        first.take()
        first.settle(TO_FRONT, "NACK")

        assert body(second) == b"one"
        assert body(third) is body(first) is None


async def test_nack_of_the_only_consumer_brings_the_same_message(broker: Broker) -> None:
    await broker.publish("orders", [b"one", b"two"])
    with broker.subscribe("orders", nothing) as subscriber:
        subscriber.start()
        subscriber.take()

        subscriber.settle(TO_FRONT, "NACK")

        assert body(subscriber) == b"one"


async def test_back_brings_the_next_message(broker: Broker) -> None:
    await broker.publish("orders", [b"one", b"two"])
    with broker.subscribe("orders", nothing) as subscriber:
        subscriber.start()
        for expected in (b"one", b"two", b"one"):
            assert body(subscriber) == expected
            subscriber.settle(TO_BACK, "BACK")


async def test_messages_of_those_who_leave_come_back_in_their_old_order(broker: Broker) -> None:
    await broker.publish("orders", [b"1", b"2", b"3", b"4"])
    with ExitStack() as stack:
        for _ in range(3):
            stack.enter_context(broker.subscribe("orders", nothing)).start()

    with broker.subscribe("orders", nothing) as subscriber:
        subscriber.start()
        for expected in (b"1", b"2", b"3", b"4"):
            assert body(subscriber) == expected
            subscriber.settle(ACK, "ACK")


async def test_message_dealt_and_not_taken_goes_on_when_its_subscriber_leaves(
    broker: Broker,
) -> None:
    with broker.subscribe("orders", nothing) as stays:
        with broker.subscribe("orders", nothing) as leaves:
            leaves.start()
            stays.start()
            await broker.publish("orders", [b"one"])

        assert body(stays) == b"one"


async def test_message_comes_back_on_the_first_tick_after_its_delay(
    broker: Broker, clock: ManualClock
) -> None:
    await broker.publish("orders", [b"one", b"two"])
    ticking = asyncio.create_task(Timekeeper(broker, 1.0, on_error=raise_it).run())
    await clock.advance(0)
    with broker.subscribe("orders", nothing) as subscriber:
        subscriber.start()
        subscriber.take()
        subscriber.settle(Delay(clock.now() + 2.5), "DACK")
        assert body(subscriber) == b"two"
        subscriber.settle(ACK, "ACK")

        await clock.advance(2.9)
        assert subscriber.take() is None
        await clock.advance(0.1)

        delivery = subscriber.take()
        assert delivery is not None
        assert delivery.message == (b"one", 1)
    ticking.cancel()


async def test_time_goes_on_after_a_tick_that_failed(clock: ManualClock) -> None:
    class Stumbling(MemoryStorage):
        ticks = 0

        def release_due(self, now: float) -> int:
            self.ticks += 1
            if self.ticks == 1:
                raise StorageCorrupt("a record")
            return super().release_due(now)

    errors: list[Exception] = []
    storage = Stumbling()
    ticking = asyncio.create_task(Timekeeper(Broker(storage, clock), 1.0, errors.append).run())

    await clock.advance(0)
    await clock.advance(2.5)

    assert storage.ticks == 3
    assert [type(error) for error in errors] == [StorageCorrupt]
    ticking.cancel()


async def test_settling_after_purge_is_no_error_and_the_stream_goes_on(broker: Broker) -> None:
    await broker.publish("orders", [b"one"])
    with broker.subscribe("orders", nothing) as subscriber:
        subscriber.start()
        subscriber.take()
        await broker.purge("orders")

        subscriber.settle(TO_FRONT, "NACK")
        assert subscriber.take() is None
        await broker.publish("orders", [b"two"])

        assert body(subscriber) == b"two"


def test_settling_nothing_is_an_error(broker: Broker) -> None:
    with broker.subscribe("orders", nothing) as subscriber:
        with pytest.raises(NotInFlight, match="ACK received with no message in flight"):
            subscriber.settle(ACK, "ACK")
        subscriber.start()
        with pytest.raises(NotInFlight, match="BACK received with no message in flight"):
            subscriber.settle(TO_BACK, "BACK")


async def test_starting_twice_is_an_error_and_takes_nothing(broker: Broker) -> None:
    with broker.subscribe("orders", nothing) as subscriber:
        subscriber.start()
        with pytest.raises(AlreadyInitialised, match="is a consumer already"):
            subscriber.start()
        await broker.publish("orders", [b"one", b"two"])
        with pytest.raises(AlreadyInitialised, match="while a message is in flight"):
            subscriber.start()

        assert body(subscriber) == b"one"
        assert broker.statistics("orders").ready == 1


async def test_limits_refuse_what_is_too_much(clock: ManualClock) -> None:
    limits = Limits(max_message_bytes=4, max_messages=3, max_bytes=10)
    broker = Broker(MemoryStorage(), clock, limits=limits)
    with pytest.raises(MessageTooLong, match="longer than 4 bytes"):
        await broker.publish("orders", [b"12345"])
    await broker.publish("orders", [b"1234", b"1234"])
    with pytest.raises(TopicFull, match="-max-bytes is 10"):
        await broker.publish("orders", [b"123"])
    await broker.publish("orders", [b""])
    with pytest.raises(TopicFull, match="-max-msgs is 3"):
        await broker.publish("other", [b""])

    with broker.subscribe("orders", nothing) as subscriber:
        subscriber.start()
        subscriber.settle(ACK, "ACK")
    await broker.publish("other", [b"1"])


async def test_drain_refuses_and_lets_go(broker: Broker) -> None:
    await broker.publish("orders", [b"one", b"two"])
    drained = asyncio.create_task(broker.wait_drained())
    with broker.subscribe("orders", nothing) as subscriber:
        subscriber.start()

        broker.drain()
        await asyncio.sleep(0)

        assert subscriber.closing == "draining"
        subscriber.settle(ACK, "ACK")
        assert subscriber.in_flight is None, "nothing new is dealt"
        with pytest.raises(ShuttingDown):
            await broker.publish("orders", [b"three"])
        with pytest.raises(ShuttingDown), broker.subscribe("orders", nothing):
            pass
        assert not drained.done()
    await drained
    assert broker.statistics("orders").ready == 1


async def test_facts_are_told_to_observers(clock: ManualClock) -> None:
    facts: list[Event] = []
    broker = Broker(MemoryStorage(), clock, observers=Observers(facts.append))
    await broker.publish("orders", [b"one", b"two"])
    with broker.subscribe("orders", nothing) as subscriber:
        subscriber.start()
        subscriber.settle(Delay(0.0), "DACK")
        broker.tick()
        await broker.purge("orders")
        subscriber.settle(ACK, "ACK")

    assert facts == [
        Published("orders", 2, 6),
        Delivered("orders", 0),
        Settled("orders", Delay(0.0)),
        Delivered("orders", 0),
        Restored(1),
        Purged("orders"),
    ]
