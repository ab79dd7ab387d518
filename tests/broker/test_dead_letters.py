"""Where messages go that nobody could do, and what they know about it."""

from itertools import pairwise

import pytest

from miniqueue_py.broker.administration import Administration
from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.message import Message, Origin
from miniqueue_py.broker.policy import TopicPolicy
from miniqueue_py.broker.settling import Decision
from miniqueue_py.errors import BadTopicName, Contradiction
from miniqueue_py.storage.memory import MemoryStorage
from miniqueue_py.testing.clock import ManualClock
from tests.broker.scenes import Consume, bodies, nack, places, publish, settle, texts, tick_after

pytestmark = pytest.mark.anyio

TOO_OFTEN = TopicPolicy(max_deliveries=1)


async def dead_letters(administration: Administration, topic: str = "orders.dead") -> list[Message]:
    return list(await administration.peek(topic, 100))


async def test_dead_goes_to_the_dead_letter_topic_at_once(
    broker: Broker, consume: Consume, storage: MemoryStorage
) -> None:
    await publish(broker, *texts(3))
    subscriber = consume(3)
    subscriber.take()

    settle(subscriber, Decision.DEAD, 2)

    assert places(storage) == (0, 2, 0)
    assert bodies(consume(topic="orders.dead")) == [b"2"]
    assert storage.statistics("orders").buried == 1


async def test_dead_letter_knows_where_it_came_from_and_why_and_when(
    broker: Broker,
    administration: Administration,
    consume: Consume,
    clock: ManualClock,
) -> None:
    await administration.set_policy("orders", TopicPolicy(max_deliveries=2))
    stored = await publish(broker, b"1", b"2")
    subscriber = consume(2)
    for number in (1, 3):
        subscriber.take()
        await clock.advance(1.5)
        nack(subscriber, number)
    settle(subscriber, Decision.DEAD)

    first, second = await dead_letters(administration)

    assert (first.body, second.body) == (b"1", b"2")
    assert first.id == stored.id
    assert first.published_ms == 1_000_000_000
    assert first.extras.origin == Origin("orders", "maxDeliveries", 2, 1_000_003_000)
    assert second.extras.origin == Origin("orders", "DEAD", 1, 1_000_003_000)


async def test_dead_letter_begins_to_count_its_attempts_anew(
    broker: Broker, administration: Administration, consume: Consume, clock: ManualClock
) -> None:
    await publish(broker, b"one")
    subscriber = consume()
    for _ in range(3):
        subscriber.take()
        settle(subscriber, Decision.DACK)
        await tick_after(broker, clock, 1)
    subscriber.take()

    settle(subscriber, Decision.DEAD)

    [(_, delivery)] = consume(topic="orders.dead").take()
    assert (delivery.message.attempt, delivery.message.extras.dack_count) == (1, 0)


async def test_dead_letter_keeps_its_priority_and_outlives_its_ttl(
    broker: Broker, administration: Administration, consume: Consume, clock: ManualClock
) -> None:
    await publish(broker, b"one", priority=7, ttl_seconds=10)
    subscriber = consume()
    subscriber.take()
    settle(subscriber, Decision.DEAD)

    await tick_after(broker, clock, 100)

    [dead] = await dead_letters(administration)
    assert dead.extras.priority == 7


async def test_policy_names_the_dead_letter_topic(
    broker: Broker, administration: Administration, consume: Consume
) -> None:
    await administration.set_policy("orders", TopicPolicy(max_deliveries=1, dead_letter="graves"))
    await publish(broker, b"1", b"2")
    subscriber = consume(2)
    subscriber.take()

    nack(subscriber, 1)
    settle(subscriber, Decision.DEAD, 2)

    assert [dead.body for dead in await dead_letters(administration, "graves")] == [b"1", b"2"]


async def test_consumer_that_waits_for_dead_letters_gets_one_at_once(
    broker: Broker, consume: Consume
) -> None:
    await publish(broker, b"one")
    subscriber, gravedigger = consume(), consume(topic="orders.dead")
    subscriber.take()

    settle(subscriber, Decision.DEAD)

    assert bodies(gravedigger) == [b"one"]


async def test_dead_letter_of_a_dead_letter_topic_goes_on_and_knows_its_last_stop(
    broker: Broker, administration: Administration, consume: Consume
) -> None:
    await administration.set_policy("orders", TOO_OFTEN)
    await administration.set_policy("orders.dead", TOO_OFTEN)
    await publish(broker, b"one")
    for topic in ("orders", "orders.dead"):
        subscriber = consume(topic=topic)
        subscriber.take()
        nack(subscriber)

    [dead] = await dead_letters(administration, "orders.dead.dead")

    assert dead.extras.origin is not None
    assert dead.extras.origin.topic == "orders.dead"


async def test_dead_letters_have_no_cap(
    broker: Broker, administration: Administration, consume: Consume, storage: MemoryStorage
) -> None:
    await administration.set_policy("orders", TOO_OFTEN)
    await administration.set_policy("orders.dead", TopicPolicy(max_messages=1))
    await publish(broker, *texts(3))
    subscriber = consume(3)
    subscriber.take()

    nack(subscriber, up_to=3)

    assert places(storage, "orders.dead") == (3, 0, 0)


async def test_deleting_the_dead_letters_leaves_their_topic_and_its_next_ones_alone(
    broker: Broker, administration: Administration, consume: Consume, storage: MemoryStorage
) -> None:
    await publish(broker, *texts(3))
    subscriber = consume(3)
    subscriber.take()
    settle(subscriber, Decision.DEAD, 1)

    await broker.delete("orders.dead")
    assert not storage.knows("orders.dead")
    assert places(storage) == (0, 2, 0)
    settle(subscriber, Decision.DEAD, 2)

    assert [dead.body for dead in await dead_letters(administration)] == [b"2"]


async def test_deleting_a_topic_leaves_its_dead_letters(
    broker: Broker, consume: Consume, storage: MemoryStorage
) -> None:
    await publish(broker, b"one")
    subscriber = consume()
    subscriber.take()
    settle(subscriber, Decision.DEAD)

    await broker.delete("orders")

    assert places(storage, "orders.dead") == (1, 0, 0)


async def test_dead_is_refused_where_the_name_of_its_topic_would_be_too_long(
    broker: Broker, consume: Consume, storage: MemoryStorage
) -> None:
    topic = "x" * 255
    await publish(broker, b"one", topic=topic)
    subscriber = consume(topic=topic)
    subscriber.take()

    with pytest.raises(BadTopicName, match="260 bytes long"):
        settle(subscriber, Decision.DEAD)

    assert places(storage, topic) == (0, 1, 0)


async def test_policy_is_refused_where_dead_letters_would_have_no_name(
    administration: Administration, storage: MemoryStorage
) -> None:
    topic = "x" * 255
    with pytest.raises(Contradiction, match=r"it is 260 bytes long; .*; set deadLetter"):
        await administration.set_policy(topic, TOO_OFTEN)

    await administration.set_policy(topic, TopicPolicy(max_deliveries=1, dead_letter="graves"))


@pytest.mark.parametrize("chain", ["a", "ab", "abcde"])
async def test_circle_of_dead_letter_topics_is_refused_however_long(
    administration: Administration, storage: MemoryStorage, chain: str
) -> None:
    for topic, following in pairwise(chain):
        await administration.set_policy(topic, TopicPolicy(dead_letter=following))

    with pytest.raises(Contradiction, match=r"deadLetter makes a circle: .*; name another topic"):
        await administration.set_policy(chain[-1], TopicPolicy(dead_letter=chain[0]))

    assert storage.policy(chain[-1]).dead_letter is None


async def test_circle_over_a_topic_that_nobody_named_is_refused(
    administration: Administration,
) -> None:
    with pytest.raises(Contradiction, match=r"'a\.dead' -> 'a' -> 'a\.dead'"):
        await administration.set_policy("a.dead", TopicPolicy(dead_letter="a"))

    await administration.set_policy("a", TopicPolicy(dead_letter="b"))
    await administration.set_policy("a.dead", TopicPolicy(dead_letter="a"))
    with pytest.raises(Contradiction, match=r"'a' -> 'a\.dead' -> 'a'"):
        await administration.set_policy("a", TOO_OFTEN)


async def test_dead_letters_live_as_long_as_the_policy_of_their_topic_says(
    broker: Broker,
    administration: Administration,
    consume: Consume,
    clock: ManualClock,
    storage: MemoryStorage,
) -> None:
    await administration.set_policy("orders.dead", TopicPolicy(ttl=60))
    await publish(broker, b"1")
    subscriber = consume()
    subscriber.take()
    settle(subscriber, Decision.DEAD)

    await tick_after(broker, clock, 59)
    assert places(storage, "orders.dead") == (1, 0, 0)

    await tick_after(broker, clock, 1)
    assert places(storage, "orders.dead") == (0, 0, 0)
