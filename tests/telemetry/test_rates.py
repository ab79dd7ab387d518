"""Rates of a topic: seconds pass, the ring turns, and nothing has to wake up for it."""

import asyncio

import pytest

from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.delivery import (
    ACK,
    RELEASE,
    TO_BACK,
    TO_FRONT,
    Bury,
    Delay,
    Delivery,
    Outcome,
)
from miniqueue_py.broker.events import Deleted, Delivered, Event, Observers, Published, Settled
from miniqueue_py.broker.message import Message, Publication
from miniqueue_py.broker.settling import Decision
from miniqueue_py.storage.memory import MemoryStorage
from miniqueue_py.telemetry.rates import SECONDS, Rates
from miniqueue_py.testing.clock import ManualClock
from tests.broker.scenes import receive

pytestmark = pytest.mark.anyio

DELIVERY = Delivery(Message(b"", (1, 1), 0), None)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(monotonic=500.5)


@pytest.fixture
def rates(clock: ManualClock) -> Rates:
    return Rates(clock, "tasks")


def queued(count: int) -> Event:
    return Published("tasks", count, 0)


def settled(outcome: Outcome, count: int = 1) -> Event:
    return Settled("tasks", "", outcome, [DELIVERY] * count)


def test_topic_where_nothing_happened_has_sixty_seconds_of_nothing(rates: Rates) -> None:
    assert SECONDS == 60
    assert rates.history() == ([0] * 60, [0] * 60, [0] * 60)
    assert rates.per_second() == (0.0, 0.0, 0.0)


async def test_second_is_shown_when_it_is_over(rates: Rates, clock: ManualClock) -> None:
    rates.observe(queued(3))
    await clock.advance(0.4)
    rates.observe(queued(4))
    assert rates.history().queued == [0] * 60

    await clock.advance(0.2)

    assert rates.history().queued == [0] * 59 + [7]
    assert rates.per_second().queued == 0.7
    assert rates.per_second(over=1).queued == 7.0


async def test_seconds_of_nothing_are_zeros_between(rates: Rates, clock: ManualClock) -> None:
    for count, gap in ((1, 1), (2, 5), (3, 1)):
        rates.observe(queued(count))
        await clock.advance(gap)

    assert rates.history().queued[-8:] == [0, 1, 2, 0, 0, 0, 0, 3]
    assert rates.per_second(over=6).queued == 5 / 6


async def test_ring_goes_round_and_forgets_the_oldest(rates: Rates, clock: ManualClock) -> None:
    for second in range(200):
        rates.observe(queued(second))
        await clock.advance(1)

    assert rates.history().queued == list(range(140, 200))
    assert rates.per_second().queued == sum(range(190, 200)) / 10
    assert rates.per_second(over=999).queued == sum(range(140, 200)) / 60


@pytest.mark.parametrize("gap", [60, 61, 62, 122, 1e9])
async def test_pause_as_long_as_the_ring_leaves_nothing_of_what_was_before(
    rates: Rates, clock: ManualClock, gap: float
) -> None:
    rates.observe(queued(5))

    await clock.advance(gap)
    rates.observe(queued(1))
    await clock.advance(1)

    assert rates.history().queued == [0] * 59 + [1]


async def test_oldest_second_is_shown_for_a_minute_and_no_longer(
    rates: Rates, clock: ManualClock
) -> None:
    rates.observe(queued(5))

    await clock.advance(60)
    assert rates.history().queued == [5] + [0] * 59

    await clock.advance(1)
    assert rates.history().queued == [0] * 60


@pytest.mark.parametrize("step", [-3600, -1, -0.2, 0.2, 30, 3600])
async def test_seconds_pass_as_they_do_whatever_the_calendar_is_set_to(
    rates: Rates, clock: ManualClock, step: float
) -> None:
    rates.observe(queued(1))
    await clock.advance(1)
    rates.observe(queued(2))

    clock.set(step)
    rates.observe(queued(4))
    assert rates.history().queued == [0] * 59 + [1]
    await clock.advance(1)
    rates.observe(queued(8))
    await clock.advance(1)

    assert rates.history().queued == [0] * 57 + [1, 6, 8]


async def test_only_facts_of_the_topic_count(rates: Rates, clock: ManualClock) -> None:
    rates.observe(Published("tasks.dead", 1, 0))
    rates.observe(Settled("other", "ack", ACK, [DELIVERY]))
    rates.observe(Delivered("tasks", [DELIVERY]))
    rates.observe(Deleted("tasks"))
    await clock.advance(1)

    assert rates.per_second() == (0.0, 0.0, 0.0)


@pytest.mark.parametrize(
    ("outcome", "completed", "failed"),
    [
        (ACK, 3, 0),
        (TO_FRONT, 0, 3),
        (TO_BACK, 0, 3),
        (Delay(1.0), 0, 3),
        (Delay(1.0, is_dack=False), 0, 3),
        (Bury("tasks.dead", "maxDeliveries", 0), 0, 3),
        (RELEASE, 0, 0),
    ],
    ids=repr,
)
async def test_attempt_is_completed_or_failed_or_counts_for_nothing(
    rates: Rates, clock: ManualClock, outcome: Outcome, completed: int, failed: int
) -> None:
    rates.observe(settled(outcome, 3))
    await clock.advance(1)

    assert rates.per_second(over=1) == (0, completed, failed)


async def test_broker_is_counted_as_it_works(clock: ManualClock) -> None:
    rates = Rates(clock, "tasks")
    broker = Broker(MemoryStorage(), clock, observers=Observers(rates.observe))
    await broker.publish("tasks", [Publication([b"1", b"2", b"3", b"4"])])
    await asyncio.sleep(0)  # that it is durable is told in a turn of its own
    receipts = await receive(broker, "tasks", 4, 0.0, lease_seconds=5.0)
    for decision, receipt in zip(
        (Decision.ACK, Decision.NACK, Decision.RELEASE), receipts, strict=False
    ):
        broker.receipts.settle("tasks", [receipt.receipt], decision)
    await clock.advance(6)
    await broker.tick()  # the lease of the fourth is over
    await clock.advance(1)

    history = rates.history()

    assert history.queued[-7:] == [4, 0, 0, 0, 0, 0, 0]
    assert history.completed[-7:] == [1, 0, 0, 0, 0, 0, 0]
    assert history.failed[-7:] == [1, 0, 0, 0, 0, 0, 1]
