"""What is taken, and under which terms: expiry, caps, duplicates."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from miniqueue_py.broker.administration import Administration
from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.events import Observers
from miniqueue_py.broker.message import Publication, Stored
from miniqueue_py.broker.policy import TopicPolicy
from miniqueue_py.broker.settling import Decision
from miniqueue_py.broker.storage import TopicStatistics
from miniqueue_py.errors import Contradiction, TopicFull
from miniqueue_py.storage.memory import MemoryStorage
from miniqueue_py.testing.clock import ManualClock
from tests.broker.scenes import (
    Consume,
    ack,
    bodies,
    places,
    publish,
    settle,
    tick_after,
)

pytestmark = pytest.mark.anyio


async def test_message_is_gone_when_its_ttl_is_over(
    broker: Broker, clock: ManualClock, storage: MemoryStorage
) -> None:
    await publish(broker, b"one", ttl_seconds=10)

    await tick_after(broker, clock, 9.9)
    assert places(storage) == (1, 0, 0)
    await tick_after(broker, clock, 0.1)

    assert places(storage) == (0, 0, 0)
    assert storage.statistics("orders").expired == 1


async def test_message_is_not_delivered_past_its_ttl_before_any_tick(
    broker: Broker, consume: Consume, clock: ManualClock
) -> None:
    await publish(broker, b"gone", ttl_seconds=10)
    await publish(broker, b"there")
    await clock.advance(10)

    assert bodies(consume(5)) == [b"there"]


async def test_message_in_flight_may_be_done_past_its_ttl(
    broker: Broker, consume: Consume, clock: ManualClock, storage: MemoryStorage
) -> None:
    await publish(broker, b"one", ttl_seconds=10)
    subscriber = consume()
    subscriber.take()
    await tick_after(broker, clock, 10)

    ack(subscriber)

    assert storage.statistics("orders").acknowledged == 1


async def test_policy_gives_a_ttl_to_messages_that_have_none(
    broker: Broker, administration: Administration, clock: ManualClock
) -> None:
    await administration.set_policy("orders", TopicPolicy(ttl=10))
    await publish(broker, b"usual")
    await publish(broker, b"longer", ttl_seconds=20)
    await publish(broker, b"shorter", ttl_seconds=5)

    await tick_after(broker, clock, 5)
    assert [each.body for each in await administration.peek("orders", 9)] == [b"usual", b"longer"]
    await tick_after(broker, clock, 5)
    assert [each.body for each in await administration.peek("orders", 9)] == [b"longer"]


@pytest.mark.parametrize("delay", [10, 11])
async def test_delay_that_outlasts_the_ttl_is_a_contradiction(
    broker: Broker, administration: Administration, storage: MemoryStorage, delay: int
) -> None:
    with pytest.raises(Contradiction, match=f"a delay of {delay} s outlasts the ttl of 10 s"):
        await publish(broker, b"one", delay_seconds=delay, ttl_seconds=10)
    await administration.set_policy("bills", TopicPolicy(ttl=10))
    with pytest.raises(Contradiction, match="would never be delivered"):
        await publish(broker, b"one", topic="bills", delay_seconds=delay)

    await publish(broker, b"one", topic="bills", delay_seconds=delay, ttl_seconds=60)
    assert not storage.knows("orders")


async def test_priority_comes_first_and_publish_order_inside_of_it(
    broker: Broker, consume: Consume
) -> None:
    await publish(broker, b"1", b"2")
    await publish(broker, b"high 1", b"high 2", priority=255)
    await publish(broker, b"middle", priority=1)

    assert bodies(consume(9)) == [b"high 1", b"high 2", b"middle", b"1", b"2"]


async def test_delayed_message_is_neither_early_nor_lost(
    broker: Broker, consume: Consume, clock: ManualClock
) -> None:
    subscriber = consume(9)
    await publish(broker, b"2", delay_seconds=2)
    await publish(broker, b"1", delay_seconds=1)
    await publish(broker, b"2 too", delay_seconds=2)

    await tick_after(broker, clock, 1)
    assert bodies(subscriber) == [b"1"]
    await tick_after(broker, clock, 0.999)
    assert not subscriber.take()
    await tick_after(broker, clock, 0.001)

    assert bodies(subscriber) == [b"2", b"2 too"]


async def test_cap_counts_messages_wherever_they_are(
    broker: Broker, administration: Administration, consume: Consume, clock: ManualClock
) -> None:
    await administration.set_policy("orders", TopicPolicy(max_messages=3))
    await publish(broker, b"1", b"2")
    await publish(broker, b"3", delay_seconds=60)
    subscriber = consume()
    subscriber.take()
    with pytest.raises(TopicFull, match="topic 'orders' is full: maxMessages is 3"):
        await publish(broker, b"4")
    await publish(broker, b"4", topic="other")

    ack(subscriber)

    await publish(broker, b"4")


async def test_cap_of_bytes_counts_bodies(broker: Broker, administration: Administration) -> None:
    await administration.set_policy("orders", TopicPolicy(max_bytes=10))
    await publish(broker, b"12345", b"1234")

    with pytest.raises(TopicFull, match="maxBytes is 10"):
        await publish(broker, b"12")

    await publish(broker, b"1", b"")


async def test_more_than_fits_is_refused_whole(
    broker: Broker, administration: Administration, storage: MemoryStorage
) -> None:
    await administration.set_policy("orders", TopicPolicy(max_messages=3))

    with pytest.raises(TopicFull):
        await broker.publish("orders", [Publication([b"1", b"2"]), Publication([b"3", b"4"])])

    assert places(storage) == (0, 0, 0)


async def test_cap_counts_messages_that_are_being_written(clock: ManualClock) -> None:
    class Writing(MemoryStorage):
        """Its disk takes for ever."""

        arriving = 0

        def append(self, *arguments: Any) -> Any:
            publications: Sequence[Publication] = arguments[1]
            self.arriving += sum(len(each.bodies) for each in publications)
            return asyncio.get_running_loop().create_future()

        def statistics(self, topic: str) -> TopicStatistics:
            return super().statistics(topic)._replace(arriving=self.arriving)

    storage = Writing()
    broker = Broker(storage, clock)
    administration = Administration(broker, storage, Observers())
    await administration.set_policy("orders", TopicPolicy(max_messages=3))
    broker.publish("orders", [Publication([b"1", b"2", b"3"])])

    with pytest.raises(TopicFull):
        broker.publish("orders", [Publication([b"4"])])


async def test_second_publish_of_a_key_stores_nothing_and_is_told_the_first_id(
    broker: Broker, consume: Consume
) -> None:
    first = await publish(broker, b"one", key="k")

    again = await publish(broker, b"one", key="k")
    other = await publish(broker, b"two", key="K")

    assert again == Stored(first.id, is_duplicate=True)
    assert not other.is_duplicate
    assert bodies(consume(9)) == [b"one", b"two"]


async def test_key_is_known_after_its_message_is_done(broker: Broker, consume: Consume) -> None:
    await publish(broker, b"one", key="k")
    subscriber = consume()
    subscriber.take()
    ack(subscriber)

    assert (await publish(broker, b"one", key="k")).is_duplicate


async def test_key_is_forgotten_when_its_window_is_over(
    broker: Broker, administration: Administration, clock: ManualClock
) -> None:
    await administration.set_policy("orders", TopicPolicy(dedupe_window=10))
    await publish(broker, b"one", key="k")

    await tick_after(broker, clock, 9.999)
    assert (await publish(broker, b"one", key="k")).is_duplicate
    await clock.advance(0.001)

    assert not (await publish(broker, b"one", key="k")).is_duplicate


async def test_window_is_five_minutes_where_nobody_said_otherwise(
    broker: Broker, clock: ManualClock
) -> None:
    await publish(broker, b"one", key="k")
    await clock.advance(299)
    assert (await publish(broker, b"one", key="k")).is_duplicate
    await clock.advance(1)

    assert not (await publish(broker, b"one", key="k")).is_duplicate


async def test_window_of_zero_knows_no_keys(broker: Broker, administration: Administration) -> None:
    await administration.set_policy("orders", TopicPolicy(dedupe_window=0))

    for _ in range(2):
        assert not (await publish(broker, b"one", key="k")).is_duplicate


async def test_key_counts_in_its_own_topic_until_that_is_deleted(broker: Broker) -> None:
    await publish(broker, b"one", key="k")
    assert not (await publish(broker, b"one", topic="other", key="k")).is_duplicate

    await broker.delete("orders")

    assert not (await publish(broker, b"one", key="k")).is_duplicate


async def test_key_is_known_of_a_message_that_waits_elsewhere_as_a_dead_letter(
    broker: Broker, consume: Consume
) -> None:
    await publish(broker, b"one", key="k")
    subscriber = consume()
    subscriber.take()
    settle(subscriber, Decision.DEAD)

    assert (await publish(broker, b"one", key="k")).is_duplicate


async def test_duplicates_among_others_are_told_apart(broker: Broker, consume: Consume) -> None:
    twice = [Publication([b"1"], key="k")] * 2
    stored = await broker.publish("orders", [*twice, Publication([b"3"])])

    assert [each.is_duplicate for each in stored] == [False, True, False]
    assert bodies(consume(9)) == [b"1", b"3"]
