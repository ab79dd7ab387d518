"""Dead letters, back to where they came from."""

import asyncio

import pytest

from miniqueue_py.broker.administration import Administration
from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.delivery import Bury
from miniqueue_py.broker.message import MessageId
from miniqueue_py.broker.policy import TopicPolicy
from miniqueue_py.broker.redriving import Letters
from miniqueue_py.broker.settling import Decision
from miniqueue_py.errors import TopicNotFound
from miniqueue_py.storage.bounds import EXPIRED_AT_ONCE
from miniqueue_py.storage.memory import MemoryStorage
from miniqueue_py.testing.clock import ManualClock
from tests.broker.scenes import (
    Consume,
    attempts,
    bodies,
    nack,
    nothing,
    places,
    publish,
    settle,
    texts,
)

pytestmark = pytest.mark.anyio


async def bury(broker: Broker, *letters: bytes, topic: str = "orders") -> None:
    await publish(broker, *letters, topic=topic)
    with broker.subscribe(topic, nothing) as subscriber:
        subscriber.start(len(letters))
        taken = subscriber.take()
        assert len(taken) == len(letters)
        settle(subscriber, Decision.DEAD, up_to=taken[-1][0])


async def test_dead_letters_return_to_where_they_came_from_in_their_order(
    broker: Broker, administration: Administration, consume: Consume, storage: MemoryStorage
) -> None:
    await administration.set_policy("bills", TopicPolicy(dead_letter="orders.dead"))
    await bury(broker, *texts(3))
    await bury(broker, b"bill", topic="bills")

    assert await administration.redrive("orders.dead") == 4

    assert bodies(consume(9)) == texts(3)
    assert bodies(consume(9, topic="bills")) == [b"bill"]
    assert places(storage, "orders.dead") == (0, 0, 0)


async def test_redriven_message_stands_behind_what_waits_and_has_no_past(
    broker: Broker, administration: Administration, consume: Consume
) -> None:
    await bury(broker, b"one")
    await publish(broker, b"two")

    await administration.redrive("orders.dead")

    subscriber = consume(9)
    assert attempts(subscriber) == {b"two": 1, b"one": 1}
    settle(subscriber, Decision.RELEASE, 1, 2)
    assert all(each.message.extras.origin is None for _, each in subscriber.take())


async def test_so_many_are_redriven_as_are_asked_for(
    broker: Broker, administration: Administration, consume: Consume, storage: MemoryStorage
) -> None:
    await bury(broker, *texts(5))

    assert await administration.redrive("orders.dead", 2) == 2
    assert places(storage, "orders.dead") == (3, 0, 0)
    assert await administration.redrive("orders.dead", 100) == 3
    assert await administration.redrive("orders.dead", 1) == 0

    assert bodies(consume(9)) == texts(5)


async def test_thousands_are_redriven_with_turns_for_others_in_between(
    broker: Broker, administration: Administration, storage: MemoryStorage
) -> None:
    await bury(broker, *texts(1500))
    turns = 0

    redriving = asyncio.create_task(administration.redrive("orders.dead"))
    while not redriving.done():
        turns += 1
        await asyncio.sleep(0)

    assert turns >= 3
    assert redriving.result() == 1500
    assert places(storage) == (1500, 0, 0)


async def test_messages_that_are_no_dead_letters_stay_in_their_place(
    broker: Broker, administration: Administration, consume: Consume
) -> None:
    await publish(broker, b"a", topic="orders.dead")
    await bury(broker, b"1")
    await publish(broker, b"b", topic="orders.dead")
    await bury(broker, b"2")
    await publish(broker, b"c", topic="orders.dead")

    assert await administration.redrive("orders.dead", 2) == 2

    assert attempts(consume(9, topic="orders.dead")) == {b"a": 1, b"b": 1, b"c": 1}
    assert bodies(consume(9)) == [b"1", b"2"]


async def test_dead_letter_behind_any_number_of_others_is_found_and_none_of_those_is_held(
    broker: Broker, administration: Administration, storage: MemoryStorage
) -> None:
    await publish(broker, *texts(25_000), topic="orders.dead")
    await bury(broker, b"one")
    most_held = 0

    redriving = asyncio.create_task(administration.redrive("orders.dead"))
    while not redriving.done():
        most_held = max(most_held, places(storage, "orders.dead")[1])
        await asyncio.sleep(0)

    assert redriving.result() == 1
    assert most_held == 0
    assert places(storage, "orders.dead") == (25_000, 0, 0)


async def test_dead_letters_behind_thousands_that_expired_are_redriven(
    broker: Broker, administration: Administration, clock: ManualClock, storage: MemoryStorage
) -> None:
    await publish(broker, *texts(3 * EXPIRED_AT_ONCE), topic="orders.dead", ttl_seconds=1)
    await bury(broker, *texts(3))
    clock.set(2)

    assert await administration.redrive("orders.dead") == 3

    await broker.tick()
    assert places(storage, "orders.dead") == (0, 0, 0)
    assert places(storage) == (3, 0, 0)


async def test_redrive_takes_nothing_from_consumers_and_gives_nothing_twice(
    broker: Broker, administration: Administration, consume: Consume, storage: MemoryStorage
) -> None:
    await bury(broker, *texts(10))
    gravedigger = consume(2, topic="orders.dead")
    held = bodies(gravedigger)

    assert await administration.redrive("orders.dead") == 8

    assert bodies(consume(20)) == texts(8, first=3)
    assert held == [b"1", b"2"]
    assert places(storage, "orders.dead") == (0, 2, 0)
    settle(gravedigger, Decision.RELEASE, up_to=2)
    assert bodies(gravedigger) == held


async def test_letters_that_die_again_at_once_are_not_sent_in_circles(
    broker: Broker, administration: Administration, storage: MemoryStorage
) -> None:
    def give_up() -> None:
        for number, _ in hopeless.take():
            nack(hopeless, number)

    await administration.set_policy("orders", TopicPolicy(max_deliveries=1))
    await bury(broker, *texts(10))
    with broker.subscribe("orders", give_up) as hopeless:
        hopeless.start(5)

        redriven = await asyncio.wait_for(administration.redrive("orders.dead"), 10)

    assert redriven == 10
    assert places(storage, "orders.dead") == (10, 0, 0)


async def test_redrive_that_is_cancelled_holds_nothing(
    broker: Broker, administration: Administration, storage: MemoryStorage
) -> None:
    await bury(broker, *texts(2000))
    redriving = asyncio.create_task(administration.redrive("orders.dead"))
    await asyncio.sleep(0)

    redriving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await redriving

    (back, _, _), left = places(storage), places(storage, "orders.dead")
    assert 0 < back < 2000
    assert left == (2000 - back, 0, 0)


async def test_paused_dead_letters_are_redriven(
    broker: Broker, administration: Administration, storage: MemoryStorage
) -> None:
    await bury(broker, b"one")
    await administration.pause("orders.dead")

    assert await administration.redrive("orders.dead") == 1

    assert places(storage) == (1, 0, 0)


async def test_topic_that_was_never_there_has_nothing_to_redrive(
    administration: Administration,
) -> None:
    with pytest.raises(TopicNotFound, match="there is no topic 'nothing'"):
        await administration.redrive("nothing")


async def test_redrive_makes_the_topic_anew_that_was_deleted_meanwhile(
    broker: Broker, administration: Administration, consume: Consume
) -> None:
    await bury(broker, b"one")
    await broker.delete("orders")

    assert await administration.redrive("orders.dead") == 1

    assert bodies(consume()) == [b"one"]


async def letter_ids(administration: Administration) -> dict[bytes, MessageId]:
    """Return the id of each dead letter, by its body."""
    return {each.body: each.id for each in await administration.peek("orders.dead", 1000)}


async def test_only_those_are_redriven_that_are_named(
    broker: Broker, administration: Administration, consume: Consume, storage: MemoryStorage
) -> None:
    await bury(broker, *texts(5))
    known = await letter_ids(administration)
    wanted = Letters(ids=frozenset([known[b"4"], known[b"2"], (99, 1)]))

    assert await administration.redrive("orders.dead", wanted=wanted) == 2

    assert bodies(consume(9)) == [b"2", b"4"]
    assert [each.body for each in await administration.peek("orders.dead", 9)] == [b"1", b"3", b"5"]


async def test_named_letter_is_found_behind_twelve_thousand_others(
    broker: Broker, administration: Administration, consume: Consume, storage: MemoryStorage
) -> None:
    await publish(broker, *[b""] * 12_000, b"it")
    taken = storage.lease("orders", 20_000, 1000, 1.0)
    storage.settle(taken, Bury("orders.dead", "DEAD", 1))
    last = taken[-1].message

    assert await administration.redrive("orders.dead", wanted=Letters(frozenset([last.id]))) == 1

    assert bodies(consume(9)) == [b"it"]


async def test_letters_are_chosen_by_reason_and_by_age_and_by_all_of_it_together(
    broker: Broker,
    administration: Administration,
    consume: Consume,
    clock: ManualClock,
) -> None:
    await administration.set_policy("orders", TopicPolicy(max_deliveries=1))
    await bury(broker, b"old, by its consumer")
    with broker.subscribe("orders", nothing) as subscriber:
        subscriber.start(1)
        for body in (b"old, tried", b"new, tried"):
            await publish(broker, body)
            [(number, _)] = subscriber.take()
            nack(subscriber, number)
            await clock.advance(10)
    await bury(broker, b"new, by its consumer")
    old = Letters(until_ms=int((clock.now() - 15) * 1000))
    tried = Letters(reason="maxDeliveries")

    assert await administration.redrive("orders.dead", wanted=old._replace(reason="DEAD")) == 1
    assert bodies(consume(9)) == [b"old, by its consumer"]
    assert await administration.redrive("orders.dead", wanted=old) == 1
    assert await administration.redrive("orders.dead", wanted=tried) == 1
    assert await administration.redrive("orders.dead", wanted=tried) == 0
    assert [e.body for e in await administration.peek("orders.dead", 9)] == [
        b"new, by its consumer"
    ]


async def test_most_counts_only_what_is_redriven(
    broker: Broker, administration: Administration, storage: MemoryStorage
) -> None:
    await bury(broker, *texts(1200))
    odd = frozenset(
        each.id for each in await administration.peek("orders.dead", 1000) if int(each.body) % 2
    )

    assert await administration.redrive("orders.dead", 400, Letters(odd)) == 400

    assert places(storage) == (400, 0, 0)
