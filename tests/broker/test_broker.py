"""Publishing, deleting, draining: what is not about one consumer."""

import asyncio
from typing import Any

import pytest

from miniqueue_py.broker.admission import Limits
from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.message import Publication, Stored
from miniqueue_py.broker.settling import Decision
from miniqueue_py.errors import MessageTooLong, ShuttingDown, StorageCorrupt, TopicFull
from miniqueue_py.storage.memory import MemoryStorage
from miniqueue_py.testing.clock import ManualClock
from tests.broker.scenes import Consume, ack, bodies, nack, nothing, places, publish, settle

pytestmark = pytest.mark.anyio


async def test_publications_are_stored_in_their_order_and_each_gets_its_id(
    broker: Broker, consume: Consume
) -> None:
    stored = await broker.publish("orders", [Publication([b"1", b"2"]), Publication([b"3"])])
    another = await publish(broker, b"4", topic="other")

    assert stored == [Stored((1, 1)), Stored((1, 3))]
    assert another == Stored((2, 1))
    assert bodies(consume(10)) == [b"1", b"2", b"3"]


async def test_publish_begins_before_it_is_awaited(broker: Broker, consume: Consume) -> None:
    first = broker.publish("orders", [Publication([b"1"])])
    second = broker.publish("orders", [Publication([b"2"])])
    await second
    await first

    assert bodies(consume(10)) == [b"1", b"2"]


async def test_limits_refuse_what_is_too_much(clock: ManualClock) -> None:
    limits = Limits(max_message_bytes=4, max_messages=3, max_bytes=10)
    broker = Broker(MemoryStorage(), clock, limits=limits)
    with pytest.raises(MessageTooLong, match="longer than 4 bytes"):
        await publish(broker, b"12345")
    await publish(broker, b"1234", b"1234")
    with pytest.raises(TopicFull, match="-max-bytes is 10"):
        await publish(broker, b"123")
    await publish(broker, b"")
    with pytest.raises(TopicFull, match="-max-msgs is 3"):
        await publish(broker, b"", topic="other")

    with broker.subscribe("orders", nothing) as subscriber:
        subscriber.start()
        subscriber.take()
        ack(subscriber)
    await publish(broker, b"1", topic="other")


async def test_one_message_that_is_too_long_refuses_all_that_came_with_it(
    clock: ManualClock, storage: MemoryStorage
) -> None:
    broker = Broker(storage, clock, limits=Limits(max_message_bytes=4))

    with pytest.raises(MessageTooLong):
        await broker.publish("orders", [Publication([b"1"]), Publication([b"2", b"12345"])])

    assert not storage.knows("orders")


async def test_purge_removes_the_messages_of_that_topic_only(
    broker: Broker, storage: MemoryStorage
) -> None:
    await publish(broker, b"1", b"2")
    await publish(broker, b"3", delay_seconds=5)
    await publish(broker, b"1", topic="orders.dead")

    await broker.delete("orders")

    assert places(storage) == (0, 0, 0)
    assert places(storage, "orders.dead") == (1, 0, 0)


async def test_settling_after_purge_is_no_error_and_the_stream_goes_on(
    broker: Broker, consume: Consume
) -> None:
    await publish(broker, b"one")
    subscriber = consume()
    subscriber.take()
    await broker.delete("orders")

    nack(subscriber)
    assert not subscriber.take()
    await publish(broker, b"two")

    assert bodies(subscriber) == [b"two"]


async def test_drain_refuses_and_lets_go(broker: Broker, storage: MemoryStorage) -> None:
    await publish(broker, b"one", b"two")
    drained = asyncio.create_task(broker.wait_drained())
    with broker.subscribe("orders", nothing) as subscriber:
        subscriber.start()
        subscriber.take()

        broker.drain()
        await asyncio.sleep(0)

        assert subscriber.closing == "draining"
        ack(subscriber)
        assert not subscriber.in_flight, "nothing new is dealt"
        with pytest.raises(ShuttingDown):
            await publish(broker, b"three")
        with pytest.raises(ShuttingDown), broker.subscribe("orders", nothing):
            pass
        assert not drained.done()
    await drained
    assert places(storage) == (1, 0, 0)
    assert broker.given_back == 0


async def test_drain_counts_what_its_consumers_did_not_settle(
    broker: Broker, storage: MemoryStorage
) -> None:
    await publish(broker, b"1", b"2", b"3")
    with broker.subscribe("orders", nothing) as subscriber:
        subscriber.start(3)
        subscriber.take()
        broker.drain()
        ack(subscriber, 2)

    assert broker.given_back == 2
    assert places(storage) == (2, 0, 0)


async def test_broker_without_subscribers_is_drained_at_once(broker: Broker) -> None:
    broker.drain()
    broker.drain()

    await asyncio.wait_for(broker.wait_drained(), 10)


async def test_consumer_that_stumbles_over_storage_as_it_leaves_holds_up_no_drain(
    clock: ManualClock,
) -> None:
    class Unreadable(MemoryStorage):
        def settle(self, *_: Any) -> Any:
            raise StorageCorrupt("a record")

    broker = Broker(Unreadable(), clock)
    await publish(broker, b"1")
    with pytest.raises(StorageCorrupt), broker.subscribe("orders", nothing) as subscriber:
        subscriber.start()

    broker.drain()

    await asyncio.wait_for(broker.wait_drained(), 10)


async def test_broker_counts_subscribers_and_those_that_consume(broker: Broker) -> None:
    with broker.subscribe("orders", nothing) as first, broker.subscribe("orders", nothing):
        first.start()

        assert (broker.subscriber_count, broker.consumer_count("orders")) == (2, 1)
        assert repr(broker) == "<Broker, 1 topics with subscribers>"
        assert repr(first.topic) == "<Topic 'orders', 1 of 2 waiting>"
        assert repr(first) == "<Subscriber of 'orders', 0 in flight>"
    assert (broker.subscriber_count, broker.consumer_count("orders")) == (0, 0)


async def test_settling_on_one_topic_leaves_the_other_alone(
    broker: Broker, consume: Consume, storage: MemoryStorage
) -> None:
    await publish(broker, b"1")
    await publish(broker, b"1", topic="other")
    first, second = consume(), consume(topic="other")
    first.take()
    second.take()

    settle(first, Decision.BACK)

    assert bodies(first) == [b"1"]
    assert places(storage, "other") == (0, 1, 0)
