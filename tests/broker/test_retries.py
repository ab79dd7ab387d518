"""How often a message is tried, and how long it waits in between."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from miniqueue_py.broker.administration import Administration
from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.events import Observers
from miniqueue_py.broker.policy import Backoff, TopicPolicy
from miniqueue_py.broker.settling import Decision
from miniqueue_py.broker.subscriber import Subscriber
from miniqueue_py.storage.memory import MemoryStorage
from miniqueue_py.testing.clock import ManualClock
from tests.broker.scenes import (
    Consume,
    ack,
    attempts,
    bodies,
    nack,
    nothing,
    places,
    publish,
    settle,
    texts,
    tick_after,
)

pytestmark = pytest.mark.anyio


@contextmanager
def consumer(broker: Broker, credit: int = 1, lease: float | None = None) -> Iterator[Subscriber]:
    with broker.subscribe("orders", nothing, lease) as subscriber:
        subscriber.start(credit)
        yield subscriber


@pytest.mark.parametrize("decision", [Decision.NACK, Decision.BACK, Decision.DACK])
async def test_message_has_as_many_attempts_as_the_policy_gives(
    broker: Broker,
    administration: Administration,
    consume: Consume,
    storage: MemoryStorage,
    decision: Decision,
) -> None:
    await administration.set_policy("orders", TopicPolicy(max_deliveries=3))
    await publish(broker, b"one")
    subscriber = consume(1)

    for attempt in (1, 2, 3):
        assert attempts(subscriber) == {b"one": attempt}
        settle(subscriber, decision)
        await broker.tick()

    assert places(storage) == (0, 0, 0)
    assert places(storage, "orders.dead") == (1, 0, 0)


async def test_lease_that_runs_out_is_an_attempt(
    broker: Broker,
    administration: Administration,
    consume: Consume,
    clock: ManualClock,
    storage: MemoryStorage,
) -> None:
    await administration.set_policy("orders", TopicPolicy(max_deliveries=2, lease=10))
    await publish(broker, b"one")
    subscriber = consume(1)

    for attempt in (1, 2):
        assert attempts(subscriber) == {b"one": attempt}
        await tick_after(broker, clock, 10)

    assert places(storage, "orders.dead") == (1, 0, 0)


async def test_connection_that_is_lost_is_an_attempt_of_what_was_taken(
    broker: Broker, administration: Administration, storage: MemoryStorage
) -> None:
    await administration.set_policy("orders", TopicPolicy(max_deliveries=2))
    await publish(broker, b"one")

    for attempt in (1, 2):
        with consumer(broker) as subscriber:
            assert attempts(subscriber) == {b"one": attempt}

    assert places(storage, "orders.dead") == (1, 0, 0)


async def test_what_was_not_taken_when_the_connection_was_lost_was_no_attempt(
    broker: Broker, administration: Administration, storage: MemoryStorage
) -> None:
    policy = TopicPolicy(max_deliveries=1, backoff=Backoff())
    await administration.set_policy("orders", policy)
    await publish(broker, *texts(3))

    for _ in range(5):
        with consumer(broker, credit=10):
            assert places(storage) == (0, 3, 0)

    assert places(storage) == (3, 0, 0)


async def test_acknowledged_at_the_last_attempt_is_acknowledged(
    broker: Broker, administration: Administration, consume: Consume, storage: MemoryStorage
) -> None:
    await administration.set_policy("orders", TopicPolicy(max_deliveries=1))
    await publish(broker, b"one")
    subscriber = consume()
    subscriber.take()

    ack(subscriber)

    assert not storage.knows("orders.dead")
    assert storage.statistics("orders").acknowledged == 1


async def test_release_is_no_attempt_however_often(
    broker: Broker, administration: Administration, consume: Consume, storage: MemoryStorage
) -> None:
    policy = TopicPolicy(max_deliveries=1, backoff=Backoff())
    await administration.set_policy("orders", policy)
    await publish(broker, b"one")
    subscriber = consume()

    for _ in range(5):
        assert attempts(subscriber) == {b"one": 1}
        settle(subscriber, Decision.RELEASE)

    assert places(storage) == (0, 1, 0)


async def test_drain_takes_back_what_is_held_and_counts_no_attempt(
    broker: Broker, administration: Administration, storage: MemoryStorage
) -> None:
    policy = TopicPolicy(max_deliveries=1, backoff=Backoff())
    await administration.set_policy("orders", policy)
    await publish(broker, b"one", b"two")

    with consumer(broker, credit=2) as subscriber:
        subscriber.take()
        broker.drain()

    assert [each.attempt for each in await administration.peek("orders", 9)] == [1, 1]


async def test_policy_that_comes_later_counts_attempts_made_before(
    broker: Broker, administration: Administration, consume: Consume, storage: MemoryStorage
) -> None:
    await publish(broker, b"one")
    subscriber = consume()
    for _ in range(4):
        subscriber.take()
        nack(subscriber)
    subscriber.take()

    await administration.set_policy("orders", TopicPolicy(max_deliveries=2))
    nack(subscriber)

    [dead] = await administration.peek("orders.dead", 9)
    assert dead.extras.origin is not None
    assert dead.extras.origin.attempts == 5


async def test_backoff_grows_from_attempt_to_attempt_up_to_its_longest(
    broker: Broker,
    administration: Administration,
    consume: Consume,
    clock: ManualClock,
) -> None:
    backoff = Backoff(initial=1, factor=3, max=10, jitter=0)
    await administration.set_policy("orders", TopicPolicy(backoff=backoff))
    await publish(broker, b"one")
    subscriber = consume()

    for attempt, wait in enumerate((1, 3, 9, 10, 10), 1):
        assert attempts(subscriber) == {b"one": attempt}
        nack(subscriber)
        await tick_after(broker, clock, wait - 0.001)
        assert not subscriber.take()
        await tick_after(broker, clock, 0.001)


async def test_jitter_is_as_chance_will(clock: ManualClock, storage: MemoryStorage) -> None:
    chances = iter([0.0, 0.75])
    broker = Broker(storage, clock, chance=lambda: next(chances, 0.5))
    backoff = Backoff(initial=10, jitter=0.2)
    policy = TopicPolicy(backoff=backoff)
    await Administration(broker, storage, Observers()).set_policy("orders", policy)
    await publish(broker, b"1", b"2")
    with consumer(broker, credit=2) as subscriber:
        subscriber.take()
        nack(subscriber, 1, 2)

        await tick_after(broker, clock, 7.999)
        assert not subscriber.take()
        await tick_after(broker, clock, 0.001)
        assert bodies(subscriber) == [b"1"]
        await tick_after(broker, clock, 2.999)
        assert not subscriber.take()
        await tick_after(broker, clock, 0.001)
        assert bodies(subscriber) == [b"2"]


async def test_waiting_for_backoff_is_no_dack(
    broker: Broker, administration: Administration, consume: Consume, clock: ManualClock
) -> None:
    await administration.set_policy("orders", TopicPolicy(backoff=Backoff()))
    await publish(broker, b"one")
    subscriber = consume()
    subscriber.take()
    nack(subscriber)
    await tick_after(broker, clock, 5)

    [(_, delivery)] = subscriber.take()

    assert delivery.message.extras.dack_count == 0
    assert delivery.message.attempt == 2


@pytest.mark.parametrize("how", ["lease", "left"])
async def test_lost_messages_wait_for_the_backoff_too(
    broker: Broker,
    administration: Administration,
    clock: ManualClock,
    storage: MemoryStorage,
    how: str,
) -> None:
    await administration.set_policy("orders", TopicPolicy(backoff=Backoff(initial=60)))
    await publish(broker, b"one")
    with consumer(broker, lease=10) as subscriber:
        subscriber.take()
        if how == "lease":
            await tick_after(broker, clock, 10)

    assert places(storage) == (0, 0, 1)


async def test_back_and_dack_wait_as_they_say_and_not_for_the_backoff(
    broker: Broker,
    administration: Administration,
    consume: Consume,
    clock: ManualClock,
    storage: MemoryStorage,
) -> None:
    await administration.set_policy("orders", TopicPolicy(backoff=Backoff(initial=60)))
    await publish(broker, b"1", b"2")
    subscriber = consume(2)
    subscriber.take()
    subscriber.set_credit(0)

    settle(subscriber, Decision.BACK, 1)
    assert places(storage) == (1, 1, 0)
    settle(subscriber, Decision.DACK, 2, delay_seconds=1)
    await tick_after(broker, clock, 1)

    assert places(storage) == (2, 0, 0)
