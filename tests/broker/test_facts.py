"""What the broker tells observers."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from miniqueue_py.broker.administration import Administration
from miniqueue_py.broker.admission import Limits
from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.delivery import ACK, RELEASE, TO_FRONT, Bury, Delay, Delivery
from miniqueue_py.broker.events import (
    Buried,
    Deleted,
    Delivered,
    Event,
    Expired,
    Listener,
    Observers,
    PolicySet,
    Published,
    Redriven,
    Refused,
    Restored,
    Settled,
    StorageDamaged,
    StorageFailed,
    StorageRecovered,
)
from miniqueue_py.broker.message import Publication
from miniqueue_py.broker.policy import TopicPolicy
from miniqueue_py.broker.settling import Decision
from miniqueue_py.errors import MessageTooLong, ShuttingDown, StorageUnavailable
from miniqueue_py.storage.memory import MemoryStorage
from miniqueue_py.testing.clock import ManualClock
from tests.broker.scenes import ack, nothing, publish, settle, tick_after
from tests.storage.faulty import faulty

pytestmark = pytest.mark.anyio


@pytest.fixture
def facts() -> list[Event]:
    return []


@pytest.fixture
def observers(facts: list[Event]) -> Observers:
    return Observers(facts.append)


@pytest.fixture
def observed(storage: MemoryStorage, clock: ManualClock, observers: Observers) -> Broker:
    return Broker(storage, clock, observers=observers)


async def told(facts: list[Event]) -> list[Any]:
    """Return the facts, with the bodies of their deliveries, and forget them.

    That a publish is durable is told in a turn of its own.
    """
    await asyncio.sleep(0)
    plain = [
        fact._replace(deliveries=[each.message.body for each in fact.deliveries])  # type: ignore[misc]
        if isinstance(fact, Delivered | Settled)
        else fact
        for fact in facts
    ]
    facts.clear()
    return plain


async def test_life_of_messages_is_told_in_facts_of_many(
    observed: Broker, facts: list[Event], clock: ManualClock
) -> None:
    await publish(observed, b"one", b"two")
    both = [b"one", b"two"]
    assert await told(facts) == [Published("orders", 2, 6)]
    with observed.subscribe("orders", nothing) as subscriber:
        subscriber.start(5)
        subscriber.take()
        settle(subscriber, Decision.DACK, 1, 2, delay_seconds=1)
        await tick_after(observed, clock, 1)
        subscriber.take()
        ack(subscriber)

    assert await told(facts) == [
        Delivered("orders", both),  # type: ignore[arg-type]
        Settled("orders", "dack", Delay(1_000_001.0), both),  # type: ignore[arg-type]
        Delivered("orders", both),  # type: ignore[arg-type]
        Restored(2),
        Settled("orders", "ack", ACK, [b"one"]),  # type: ignore[list-item]
        Settled("orders", "left", TO_FRONT, [b"two"]),  # type: ignore[list-item]
    ]


async def test_nobody_is_told_that_a_settlement_changed_something_when_it_did_not(
    observed: Broker, facts: list[Event]
) -> None:
    await publish(observed, b"one")
    with observed.subscribe("orders", nothing) as subscriber:
        subscriber.start()
        subscriber.take()
        await observed.delete("orders")
        await told(facts)

        ack(subscriber)

    assert await told(facts) == []


async def test_decision_and_what_came_of_it_are_two_things(
    observed: Broker, observers: Observers, storage: MemoryStorage, facts: list[Event]
) -> None:
    administration = Administration(observed, storage, observers)
    await administration.set_policy("orders", TopicPolicy(max_deliveries=1))
    await publish(observed, b"one", b"two")
    with observed.subscribe("orders", nothing) as subscriber:
        subscriber.start(1)
        subscriber.take()
        await told(facts)

        settle(subscriber, Decision.NACK)

    buried = Bury("orders.dead", "maxDeliveries", 1_000_000_000)
    assert await told(facts) == [
        Settled("orders", "nack", buried, [b"one"]),  # type: ignore[list-item]
        Delivered("orders", [b"two"]),  # type: ignore[list-item]
        Settled("orders", "release", RELEASE, [b"two"]),  # type: ignore[list-item]
    ]


async def test_duplicates_are_counted_beside_what_was_stored(
    observed: Broker, facts: list[Event]
) -> None:
    await publish(observed, b"one", key="k")
    again = [Publication([b"one"], key="k"), Publication([b"two", b"three"])]
    await observed.publish("orders", again)

    assert await told(facts) == [Published("orders", 1, 3), Published("orders", 2, 8, 1)]


async def test_what_operators_do_is_told(
    observed: Broker, observers: Observers, storage: MemoryStorage, facts: list[Event]
) -> None:
    administration = Administration(observed, storage, observers)
    policy = TopicPolicy(lease=5)

    await administration.set_policy("orders", policy)
    await administration.pause("orders")
    await administration.redrive("orders")
    await observed.delete("orders")

    paused = TopicPolicy(lease=5, is_paused=True)
    assert await told(facts) == [
        PolicySet("orders", policy),
        PolicySet("orders", paused),
        Redriven("orders", 0),
        Deleted("orders"),
    ]


async def test_messages_that_time_removed_are_told(
    observed: Broker, facts: list[Event], clock: ManualClock
) -> None:
    await publish(observed, b"1", b"2", ttl_seconds=1)
    await told(facts)

    await tick_after(observed, clock, 1)

    assert await told(facts) == [Expired(2)]


class Failing(MemoryStorage):
    """Refuses messages while there is a cause."""

    cause: str | None = None

    @property
    def failure(self) -> StorageUnavailable | None:
        return None if self.cause is None else StorageUnavailable(self.cause)

    def append(self, *arguments: Any) -> Any:
        if self.failure is not None:
            raise self.failure
        return super().append(*arguments)


async def test_failure_of_storage_is_told_once_and_its_end_too(
    clock: ManualClock, facts: list[Event]
) -> None:
    storage = Failing()
    broker = Broker(storage, clock, observers=Observers(facts.append))
    storage.cause = "bad disk"

    for _ in range(2):
        with pytest.raises(StorageUnavailable):
            await publish(broker, b"one")
    await broker.tick()
    refused = Refused("orders", "storage_unavailable")
    assert await told(facts) == [StorageFailed("bad disk"), refused, refused]

    storage.cause = None
    await broker.tick()
    assert await told(facts) == [StorageRecovered()]


async def test_each_damage_is_told_once(
    clock: ManualClock, facts: list[Event], monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = Failing()
    broker = Broker(storage, clock, observers=Observers(facts.append))

    for damages in ((), ("one",), ("one",), ("one", "two")):
        monkeypatch.setattr(Failing, "damages", damages)
        await broker.tick()

    assert await told(facts) == [StorageDamaged("one"), StorageDamaged("two")]


async def test_failure_that_comes_after_the_publish_began_is_told_too(
    clock: ManualClock, facts: list[Event]
) -> None:
    class Late(Failing):
        def append(self, *_: Any) -> Any:
            self.cause = "bad disk"
            stored = asyncio.get_running_loop().create_future()
            stored.set_exception(StorageUnavailable("bad disk"))
            return stored

    broker = Broker(Late(), clock, observers=Observers(facts.append))

    with pytest.raises(StorageUnavailable):
        await publish(broker, b"one")

    refused = Refused("orders", "storage_unavailable")
    assert await told(facts) == [StorageFailed("bad disk"), refused]


async def test_refusal_is_told_of_the_one_message_that_it_is_for(
    storage: MemoryStorage, clock: ManualClock, observers: Observers, facts: list[Event]
) -> None:
    broker = Broker(storage, clock, limits=Limits(max_message_bytes=3), observers=observers)

    with pytest.raises(MessageTooLong):
        await publish(broker, b"1", b"2", b"four")
    assert await told(facts) == [], "whoever published many tries again in parts"
    with pytest.raises(MessageTooLong):
        await publish(broker, b"four")

    assert await told(facts) == [Refused("orders", "message_too_long")]


async def test_broker_that_drains_tells_each_publish_it_refuses(
    observed: Broker, facts: list[Event]
) -> None:
    observed.drain()

    for bodies in ([b"1"], [b"1", b"2"]):
        with pytest.raises(ShuttingDown):
            await publish(observed, *bodies)

    assert await told(facts) == [Refused("orders", "draining")] * 2


async def test_door_tells_what_it_refuses_by_itself(observed: Broker, facts: list[Event]) -> None:
    observed.reports.refused("orders", MessageTooLong(3))

    assert await told(facts) == [Refused("orders", "message_too_long")]


async def test_delivery_tells_its_size_and_attempt_and_not_its_body(observed: Broker) -> None:
    await publish(observed, b"secret")
    with observed.subscribe("orders", nothing) as subscriber:
        subscriber.start()
        [(_, delivery)] = subscriber.take()

    assert isinstance(delivery, Delivery)
    assert repr(delivery) == "<Delivery of 6 bytes, attempt 1>"


def test_observers_that_are_none_are_asked_for_nothing() -> None:
    assert not Observers()
    assert Observers(lambda _: None)


async def test_publish_whose_publisher_goes_while_it_is_written_is_told(tmp_path: Path) -> None:
    facts: list[Event] = []
    storage, _, sync = faulty(tmp_path)
    broker = Broker(storage, ManualClock(), observers=Observers(facts.append))

    async def publish_one() -> None:
        await broker.publish("orders", [Publication([b"1"])])

    with sync.held_back():
        publishing = asyncio.create_task(publish_one())
        await sync.wait_begun(1)
        publishing.cancel()
        await asyncio.wait([publishing])
        assert publishing.cancelled()
    await storage.settled()

    assert facts == [Published("orders", 1, 1, 0)]
    await storage.aclose()


async def test_listener_hears_what_it_asked_for_and_no_other_fact(
    storage: MemoryStorage, clock: ManualClock, facts: list[Event]
) -> None:
    settled: list[Event] = []
    buried: list[Event] = []
    observers = Observers(
        Listener(settled.append, (Settled, Deleted), "orders"),
        Listener(buried.append, (Buried,)),
    )
    assert observers.kinds == {Settled, Buried, Deleted}
    broker = Broker(storage, clock, observers=observers)
    for topic in ("orders", "bills"):
        await publish(broker, b"1", b"2", topic=topic)
        with broker.subscribe(topic, nothing) as subscriber:
            subscriber.start(2)
            subscriber.take()
            settle(subscriber, Decision.ACK, 1)
            settle(subscriber, Decision.DEAD, 2)
        await broker.delete(topic)

    assert [each.topic for each in buried] == ["orders", "bills"]  # type: ignore[union-attr]
    assert [type(each) for each in settled] == [Settled, Buried, Deleted]
    assert settled[-1] == Deleted("orders")
