"""Consumers side by side on one topic: whoever asks is served, whatever the others take."""

import asyncio
from collections import Counter
from contextlib import ExitStack
from itertools import pairwise

import pytest

from miniqueue_py.broker.administration import Administration
from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.subscriber import Subscriber
from miniqueue_py.broker.topic import DEALT_A_TURN, SHARE
from miniqueue_py.storage.memory import MemoryStorage
from tests.broker.scenes import Consume, ack, bodies, places, publish, some_turns, texts

pytestmark = pytest.mark.anyio


def work(subscriber: Subscriber, at_most: int = 1_000_000) -> list[bytes]:
    """Take what there is and acknowledge so much of it."""
    done: list[bytes] = []
    for number, delivery in subscriber.take()[:at_most]:
        done.append(delivery.message.body)
        ack(subscriber, number)
    return done


async def test_with_many_ready_lockstep_consumers_get_one_for_every_word(
    broker: Broker, consume: Consume
) -> None:
    await publish(broker, *texts(10_000))
    large, first, second = consume(1000), consume(), consume()
    served: Counter[Subscriber] = Counter()

    for _ in range(8):
        for subscriber in (first, second, large):
            done = work(subscriber)
            assert done, "nobody asks in vain"
            served[subscriber] += len(done)

    assert served[first] == served[second] == 8
    assert served[large] > 1000


async def test_messages_that_trickle_are_dealt_by_turns(broker: Broker, consume: Consume) -> None:
    large, first, second = consume(1000), consume(), consume()
    served: Counter[Subscriber] = Counter()

    for text in texts(300):
        await publish(broker, text)
        for subscriber in (large, first, second):
            served[subscriber] += len(work(subscriber))

    assert served == {large: 100, first: 100, second: 100}


async def test_lockstep_consumer_is_served_while_the_large_one_settles_nothing(
    broker: Broker, consume: Consume
) -> None:
    await publish(broker, *texts(1500))
    large, small = consume(1000), consume()
    large.take()

    served = [work(small) for _ in range(500)]

    assert all(served)
    assert not small.take()


async def test_lockstep_consumer_that_waits_gets_the_next_message_before_the_large_one(
    broker: Broker, consume: Consume
) -> None:
    await publish(broker, *texts(10))
    large = consume(1000)
    assert bodies(large) == texts(10)
    ack(large, 1)
    small = consume()

    await publish(broker, b"11", b"12")

    assert bodies(large) == [b"11"], "it began to wait before"
    assert bodies(small) == [b"12"]
    ack(small)
    await publish(broker, b"13", b"14")
    assert (bodies(large), bodies(small)) == ([b"13"], [b"14"])


async def test_two_with_credit_that_wait_get_alike_shares(broker: Broker, consume: Consume) -> None:
    first, second = consume(1000), consume(1000)

    await publish(broker, *texts(10 * SHARE))

    assert len(first.take()) == len(second.take()) == 5 * SHARE


async def test_two_with_credit_get_alike_when_messages_trickle(
    broker: Broker, consume: Consume
) -> None:
    first, second = consume(1000), consume(10)
    for text in texts(20):
        await publish(broker, text)

    assert (len(first.take()), len(second.take())) == (10, 10)
    await publish(broker, b"21", b"22")
    assert (len(first.take()), len(second.take())) == (2, 0), "its credit is used up"


async def test_few_messages_that_come_together_are_shared_among_all_who_wait(
    broker: Broker, consume: Consume
) -> None:
    large, larger, small = consume(100), consume(1000), consume()

    await publish(broker, *texts(7))

    assert (len(large.take()), len(larger.take()), len(small.take())) == (3, 3, 1)


async def test_each_message_has_one_holder_whoever_asks(
    broker: Broker, consume: Consume, storage: MemoryStorage
) -> None:
    await publish(broker, *texts(3000))
    subscribers = [consume(1000), consume(), consume(70), consume(1000), consume()]
    done: list[bytes] = []

    while places(storage) != (0, 0, 0):
        for subscriber in subscribers:
            done += [delivery.message.body for _, delivery in subscriber.take()]
            if subscriber.in_flight:
                ack(subscriber, up_to=next(iter(subscriber.in_flight)))

    assert sorted(done, key=int) == texts(3000)


async def test_who_leaves_gives_all_it_holds_to_those_who_wait(
    broker: Broker, consume: Consume
) -> None:
    with broker.subscribe("orders", lambda: None) as leaves:
        leaves.start(1000)
        await publish(broker, *texts(100))
        leaves.take()
        first, second = consume(), consume(1000)

    assert bodies(first) == [b"1"]
    assert bodies(second) == texts(99, first=2)


async def test_many_with_large_credits_are_dealt_so_many_in_one_turn_and_all_in_the_end(
    broker: Broker, administration: Administration, consume: Consume, storage: MemoryStorage
) -> None:
    await publish(broker, *texts(20_000))
    await administration.pause("orders")
    consumers = [consume(1000) for _ in range(20)]
    held = [0]

    resuming = asyncio.create_task(administration.resume("orders"))
    for _ in range(30):
        await asyncio.sleep(0)
        held.append(places(storage)[1])

    await resuming
    assert held[-1] == 20_000
    assert max(after - before for before, after in pairwise(held)) <= DEALT_A_TURN + SHARE
    assert {len(each.take()) for each in consumers} == {1000}


async def test_who_asks_while_more_is_to_be_dealt_has_its_place_in_line(
    broker: Broker, consume: Consume, storage: MemoryStorage
) -> None:
    many = [consume(1000) for _ in range(4)]
    await publish(broker, *texts(10_000))
    assert places(storage)[1] == DEALT_A_TURN

    small = consume()
    assert not small.take(), "this turn has had enough"
    await asyncio.sleep(0)

    assert len(small.take()) == 1
    await some_turns()
    assert {len(each.in_flight) for each in many} == {1000}


async def test_nothing_more_is_dealt_to_those_who_left_before_their_turn(
    broker: Broker, storage: MemoryStorage
) -> None:
    with ExitStack() as stack:
        for _ in range(4):
            stack.enter_context(broker.subscribe("orders", lambda: None)).start(1000)
        await publish(broker, *texts(4000))
        assert places(storage)[1] == DEALT_A_TURN
    await some_turns()

    assert places(storage) == (4000, 0, 0)


@pytest.mark.parametrize("ends", ["draining", "paused"])
async def test_nothing_more_is_dealt_of_a_topic_that_drains_or_is_paused_meanwhile(
    broker: Broker,
    administration: Administration,
    consume: Consume,
    storage: MemoryStorage,
    ends: str,
) -> None:
    for _ in range(4):
        consume(1000)
    await publish(broker, *texts(4000))

    if ends == "draining":
        broker.drain()
    else:
        await administration.pause("orders")
    held = places(storage)[1]
    await some_turns()

    assert places(storage)[1] == held < 4000
