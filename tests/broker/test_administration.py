"""Pausing, looking, describing."""

import asyncio

import pytest

from miniqueue_py.broker import administration as rules
from miniqueue_py.broker.administration import Administration
from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.policy import DEFAULT_POLICY, TopicPolicy
from miniqueue_py.broker.settling import Decision
from miniqueue_py.broker.storage import TopicStatistics
from miniqueue_py.errors import TopicNotFound
from miniqueue_py.storage.memory import MemoryStorage
from miniqueue_py.testing.clock import ManualClock
from tests.broker.scenes import Consume, ack, bodies, nack, places, publish, settle, texts

pytestmark = pytest.mark.anyio


async def test_paused_topic_delivers_nothing_until_it_is_resumed(
    broker: Broker, administration: Administration, consume: Consume
) -> None:
    await publish(broker, b"1")
    await administration.pause("orders")
    subscriber = consume(5)
    await publish(broker, b"2")
    assert not subscriber.take()

    await administration.resume("orders")

    assert bodies(subscriber) == [b"1", b"2"]


async def test_settling_works_while_a_topic_is_paused(
    broker: Broker, administration: Administration, consume: Consume, storage: MemoryStorage
) -> None:
    await publish(broker, *texts(4))
    subscriber = consume(3)
    subscriber.take()
    await administration.pause("orders")

    ack(subscriber, 1)
    nack(subscriber, 2)
    settle(subscriber, Decision.DEAD, 3)

    assert places(storage) == (2, 0, 0)
    assert places(storage, "orders.dead") == (1, 0, 0)
    await administration.resume("orders")
    assert bodies(subscriber) == [b"2", b"4"]


async def test_paused_topic_takes_messages(
    broker: Broker, administration: Administration, storage: MemoryStorage
) -> None:
    await administration.set_policy("orders", DEFAULT_POLICY)
    await administration.pause("orders")

    await publish(broker, b"1", b"2")

    assert places(storage) == (2, 0, 0)


async def test_pausing_stays_in_the_policy_that_is_stored(
    broker: Broker, administration: Administration, storage: MemoryStorage
) -> None:
    await administration.set_policy("orders", TopicPolicy(lease=10))

    await administration.pause("orders")
    assert storage.policy("orders") == TopicPolicy(lease=10, is_paused=True)
    await administration.set_policy("orders", TopicPolicy(lease=20))
    assert storage.policy("orders") == TopicPolicy(lease=20, is_paused=True)
    await administration.resume("orders")

    assert storage.policy("orders") == TopicPolicy(lease=20)


async def test_deleted_topic_is_not_paused_any_more(
    broker: Broker, administration: Administration, consume: Consume
) -> None:
    await publish(broker, b"1")
    await administration.pause("orders")
    subscriber = consume()

    await broker.delete("orders")
    await publish(broker, b"2")

    assert bodies(subscriber) == [b"2"]


async def test_peek_shows_what_would_come_next_and_takes_nothing(
    broker: Broker, administration: Administration, consume: Consume, storage: MemoryStorage
) -> None:
    await publish(broker, *texts(4))
    await publish(broker, b"first", priority=9)
    await publish(broker, b"later", delay_seconds=60)
    await publish(broker, b"gone", ttl_seconds=1)
    consume().take()

    assert [each.body for each in await administration.peek("orders", 2)] == [b"1", b"2"]
    assert len(await administration.peek("orders", 100)) == 5

    assert places(storage) == (5, 1, 1)
    assert storage.statistics("orders").delivered == 1


async def test_peek_does_not_show_what_has_expired(
    broker: Broker, administration: Administration, clock: ManualClock
) -> None:
    await publish(broker, b"gone", ttl_seconds=1)
    await publish(broker, b"there")
    await clock.advance(1)

    assert [each.body for each in await administration.peek("orders", 9)] == [b"there"]


async def test_overview_tells_what_is_where_and_what_was(
    broker: Broker, administration: Administration, consume: Consume, clock: ManualClock
) -> None:
    await publish(broker, *texts(5))
    await clock.advance(90)
    await publish(broker, b"later", delay_seconds=60)
    first, second = consume(2), consume()
    first.take()
    second.take()
    ack(first, 1)
    settle(first, Decision.DEAD, 2)

    overview = administration.overview("orders")

    assert overview.name == "orders"
    assert overview.statistics == TopicStatistics(
        ready=0,
        in_flight=3,
        delayed=1,
        bytes=8,
        published=6,
        delivered=5,
        acknowledged=1,
        buried=1,
    )
    assert overview.oldest_age_seconds == 90
    assert overview.consumers == 2
    assert overview.policy == DEFAULT_POLICY


async def test_empty_topic_has_no_oldest_message(
    broker: Broker, administration: Administration
) -> None:
    await administration.set_policy("orders", TopicPolicy(lease=10))

    assert administration.overview("orders").oldest_age_seconds is None


async def test_clock_that_was_set_back_makes_no_message_younger_than_new(
    broker: Broker, administration: Administration, clock: ManualClock
) -> None:
    await publish(broker, b"one")
    clock.set(-100)

    assert administration.overview("orders").oldest_age_seconds == 0


async def test_topics_are_those_with_messages_or_a_policy_in_order(
    broker: Broker, administration: Administration
) -> None:
    await publish(broker, b"1", topic="b")
    await administration.set_policy("a", TopicPolicy(lease=10))
    await publish(broker, b"1", topic="c")
    await broker.delete("c")

    assert administration.topics() == ["a", "b"]


async def test_names_behind_another_come_in_order_with_turns_for_others_in_between(
    broker: Broker, administration: Administration, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "_NAMES_A_TURN", 10)
    names = [f"{number:03}" for number in range(500)]
    for name in names[::-2] + names[::2]:
        await publish(broker, b"1", topic=name)
    turns = 0

    looking = asyncio.create_task(administration.topics_after("100", 25))
    while not looking.done():
        turns += 1
        await asyncio.sleep(0)

    assert turns > 40
    assert looking.result() == names[101:126]
    assert await administration.topics_after(None, 3) == names[:3]
    assert await administration.topics_after("497", 3) == names[498:]
    assert await administration.topics_after("499", 3) == []


async def test_topic_that_was_never_there_is_not_found(administration: Administration) -> None:
    async def look(_: str) -> None:
        administration.overview("nothing")

    async def peek(_: str) -> None:
        await administration.peek("nothing", 1)

    for verb in (look, peek, administration.pause, administration.resume, administration.redrive):
        with pytest.raises(TopicNotFound, match="there is no topic 'nothing'"):
            await verb("nothing")
    assert administration.topics() == []
