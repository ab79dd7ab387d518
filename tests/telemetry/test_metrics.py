"""What is counted of the broker's facts."""

import asyncio

import pytest

from miniqueue_py import errors
from miniqueue_py.broker.administration import Administration
from miniqueue_py.broker.admission import Limits
from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.delivery import ACK, TO_FRONT, Bury, Delivery
from miniqueue_py.broker.events import (
    Deleted,
    Delivered,
    Event,
    Expired,
    Observers,
    PolicySet,
    Published,
    Purged,
    Redriven,
    Refused,
    Restored,
    Settled,
    StorageFailed,
    StorageRecovered,
)
from miniqueue_py.broker.message import Extras, Message, Publication
from miniqueue_py.broker.policy import DEFAULT_POLICY, TopicPolicy
from miniqueue_py.broker.refusals import REASONS, reason_of
from miniqueue_py.broker.settling import Decision
from miniqueue_py.errors import CapReached, MiniqueueError
from miniqueue_py.storage.memory import MemoryStorage
from miniqueue_py.telemetry.metrics import Metrics
from miniqueue_py.testing.clock import ManualClock
from tests.broker.scenes import publish, settle, tick_after

pytestmark = pytest.mark.anyio

FRESH = Delivery(Message(b"", (1, 1), 0), None)
AGAIN = Delivery(Message(b"", (1, 2), 0, Extras(attempts=1)), None)
URGENT = Delivery(Message(b"", (1, 3), 0, Extras(priority=9)), None)


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


def test_publishes_are_counted_with_their_bytes_and_their_duplicates(metrics: Metrics) -> None:
    metrics.observe(Published("orders", 3, 30))
    metrics.observe(Published("other", 2, 5, duplicates=4))

    assert (metrics.published, metrics.published_bytes, metrics.duplicates) == (5, 35, 4)


def test_what_was_handed_out_before_is_counted_as_redelivered_too(metrics: Metrics) -> None:
    metrics.observe(Delivered("orders", [FRESH, AGAIN, URGENT, AGAIN]))
    metrics.observe(Delivered("orders", [FRESH]))

    assert (metrics.delivered, metrics.redelivered) == (5, 2)


def test_settlements_are_counted_by_what_was_decided(metrics: Metrics) -> None:
    metrics.observe(Settled("orders", "ack", ACK, [FRESH, AGAIN]))
    metrics.observe(Settled("orders", "left", TO_FRONT, [FRESH]))
    metrics.observe(Settled("orders", "nack", Bury("orders.dead", "maxDeliveries", 1), [FRESH]))
    metrics.observe(Settled("orders", "dead", Bury("orders.dead", "DEAD", 1), [FRESH, FRESH]))

    assert {name: count for name, count in metrics.settled.items() if count} == {
        "ack": 2,
        "left": 1,
        "nack": 1,
        "dead": 2,
    }
    assert metrics.dead_lettered == {"maxDeliveries": 1, "DEAD": 2}


def test_rare_facts_are_counted(metrics: Metrics) -> None:
    refused = Refused("orders", "draining")
    facts: list[Event] = [Redriven("orders.dead", 4), refused, refused]
    for fact in facts:
        metrics.observe(fact)

    assert (metrics.redriven, metrics.refused["draining"]) == (4, 2)


@pytest.mark.parametrize(
    "event",
    [
        Restored(1),
        Expired(3),
        PolicySet("orders", DEFAULT_POLICY),
        Deleted("orders"),
        Purged("orders", 2),
        StorageFailed("bad disk"),
        StorageRecovered(),
    ],
    ids=lambda event: type(event).__name__,
)
def test_other_facts_change_no_count(metrics: Metrics, event: Event) -> None:
    metrics.observe(event)

    counts = vars(metrics) | {"write_times": None}
    assert counts == vars(Metrics()) | {"write_times": None}


def test_all_that_can_be_counted_is_there_from_the_start(metrics: Metrics) -> None:
    assert set(metrics.settled) == {decision.value for decision in Decision}
    assert set(metrics.refused) == set(REASONS)
    assert set(metrics.dead_lettered) == {"maxDeliveries", "DEAD"}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (errors.MessageTooLong(10), "message_too_long"),
        (errors.BadParameter("delay", "is not a duration"), "bad_parameter"),
        (errors.BadTopicName("it is empty"), "bad_request"),
        (errors.BodyCutShort(2, 1), "body_cut_short"),
        (errors.UnknownContentType("text/html", "text/plain"), "unknown_content_type"),
        (errors.Contradiction("a delay outlasts the ttl"), "contradiction"),
        (errors.CapReached("-max-msgs", 3), "topic_full"),
        (errors.BatchTakenOver(), "batch_taken_over"),
        (errors.ShuttingDown(), "draining"),
        (errors.DiskFull(), "disk_full"),
        (errors.StorageUnavailable("bad disk"), "storage_unavailable"),
        (errors.StorageCorrupt("a record"), "other"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_each_refusal_has_its_word(error: MiniqueueError, reason: str) -> None:
    assert reason_of(error) == reason
    assert reason in REASONS


async def test_broker_is_counted_as_it_works(metrics: Metrics) -> None:
    clock, storage, observers = ManualClock(), MemoryStorage(), Observers(metrics.observe)
    broker = Broker(storage, clock, limits=Limits(max_messages=6), observers=observers)
    administration = Administration(broker, storage, observers)
    await administration.set_policy("orders", TopicPolicy(max_deliveries=2))
    await publish(broker, b"one", b"two", b"three")
    await publish(broker, b"brief", ttl_seconds=1)
    await publish(broker, b"once", key="k")
    await publish(broker, b"once", key="k")
    with pytest.raises(CapReached):
        await broker.publish("orders", [Publication([b"1"]), Publication([b"2"])])
    for _ in range(2):
        with pytest.raises(CapReached):
            await publish(broker, b"1", b"2")
    await publish(broker, b"last")
    with pytest.raises(CapReached):
        await publish(broker, b"7")
    await tick_after(broker, clock, 1)
    with broker.subscribe("orders", lambda: None) as consumer:
        consumer.start(2)
        consumer.take()
        settle(consumer, Decision.ACK, 1)
        settle(consumer, Decision.NACK, 2)
        consumer.take()
    await asyncio.sleep(0)
    await administration.redrive("orders.dead")

    assert (metrics.published, metrics.published_bytes) == (6, len(b"onetwothreebriefoncelast"))
    assert (metrics.duplicates, broker.totals().expired) == (1, 1)
    assert metrics.refused["topic_full"] == 1, "what is many at a time is tried again in parts"
    assert (metrics.delivered, metrics.redelivered) == (4, 1)
    assert {name: count for name, count in metrics.settled.items() if count} == {
        "ack": 1,
        "nack": 1,
        "left": 2,
    }
    assert metrics.dead_lettered == {"maxDeliveries": 1, "DEAD": 0}
    assert metrics.redriven == 1
