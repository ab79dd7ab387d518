"""What a message costs, in calls: on LevelDB, with the observers that the server has.

These bounds are exact. Whoever needs a call more for each message raises one,
and says in the commit what that call is for.
"""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.events import Observers
from miniqueue_py.broker.message import Publication
from miniqueue_py.broker.settling import Decision
from miniqueue_py.storage.ordered.engine import OrderedStorage
from miniqueue_py.telemetry.metrics import Metrics
from miniqueue_py.telemetry.observer import log_events
from miniqueue_py.telemetry.rates import Rates
from miniqueue_py.testing.clock import ManualClock
from tests.broker.counting import counted
from tests.broker.scenes import nothing, publish, some_turns
from tests.storage.engines import skip_if_absent
from tests.storage.faulty import always_room
from tests.storage.raw import open_database

pytestmark = pytest.mark.anyio

BODY = b"0123456789"
ONE = Publication((BODY,))


@pytest.fixture
async def broker(tmp_path: Path, clock: ManualClock) -> AsyncIterator[Broker]:
    skip_if_absent("leveldb")  # the calls of another library are others
    storage = OrderedStorage(
        open_database(tmp_path),
        lambda: None,
        always_room,
        fsync="never",
        fsync_interval_seconds=1,
    )
    metrics = Metrics(storage.write_times())
    rates = Rates(clock, "tasks")
    observers = Observers(*log_events("info"), metrics.observe, rates.observe)
    broker = Broker(storage, clock, observers=observers)
    await publish(broker, BODY)  # the topic is there, and what is made at first use
    await some_turns()
    yield broker
    await storage.aclose()


async def publish_one_by_one(broker: Broker, messages: int, a_turn: int) -> None:
    """Publish by callbacks, so many in a turn, as connections do."""
    done = asyncio.Event()
    told = 0

    def go_on(_: object) -> None:
        nonlocal told
        told += 1
        if told == messages:
            done.set()
        elif told % a_turn == 0:
            for _ in range(a_turn):
                broker.publish_one("orders", ONE, go_on)

    for _ in range(a_turn):
        broker.publish_one("orders", ONE, go_on)
    await done.wait()


@pytest.mark.parametrize(("a_turn", "ours", "builtin"), [(1, 37, 52), (120, 2.38, 4.42)])
async def test_publish(broker: Broker, a_turn: int, ours: float, builtin: float) -> None:
    messages = 10 * a_turn
    with counted() as calls:
        await publish_one_by_one(broker, messages, a_turn)

    assert calls.are_within(messages, ours=ours, builtin=builtin), calls


async def test_line_of_a_batch(broker: Broker) -> None:
    with counted() as calls:
        await broker.publish("orders", [Publication([BODY] * 1000)])

    assert calls.are_within(1000, ours=0.04, builtin=1.05), calls


async def test_delivery_in_lock_step(broker: Broker) -> None:
    await publish(broker, *[BODY] * 500)
    with broker.subscribe("orders", nothing) as subscriber:
        subscriber.start()
        subscriber.take()
        await some_turns()
        with counted() as calls:
            for _ in range(100):
                subscriber.settle(Decision.ACK, "ACK")
                assert subscriber.take()
                await asyncio.sleep(0)

    assert calls.are_within(100, ours=48, builtin=62), calls


async def test_delivery_of_a_credit_that_is_settled_by_its_number(broker: Broker) -> None:
    await publish(broker, *[BODY] * 500)
    with broker.subscribe("orders", nothing) as subscriber:
        subscriber.start(100)
        taken = subscriber.take()
        await some_turns()
        with counted() as calls:
            for number, _ in taken:
                subscriber.settle(Decision.ACK, "ACK", (number,))
            assert len(subscriber.take()) == 100
            await some_turns()

    assert calls.are_within(100, ours=41.07, builtin=54.09), calls


async def test_delivery_of_a_credit_that_is_settled_with_others(broker: Broker) -> None:
    await publish(broker, *[BODY] * 500)
    with broker.subscribe("orders", nothing) as subscriber:
        subscriber.start(100)
        subscriber.take()
        await some_turns()
        with counted() as calls:
            subscriber.settle(Decision.ACK, "ACK", (), 100)
            assert len(subscriber.take()) == 100
            await some_turns()

    assert calls.are_within(100, ours=0.63, builtin=4.78), calls
