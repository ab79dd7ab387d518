"""What a consumer can make the broker hold: it is bounded whatever its credit."""

import pytest

from miniqueue_py.broker import subscriber as rules
from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.topic import SHARE_BYTES
from miniqueue_py.broker.untaken import MOST_UNTAKEN, MOST_UNTAKEN_BYTES
from miniqueue_py.storage.memory import MemoryStorage
from tests.broker.scenes import Consume, ack, bodies, places, publish

pytestmark = pytest.mark.anyio

MILLION = 1_000_000


async def test_who_does_not_take_is_dealt_so_many_messages_and_no_more(
    broker: Broker, consume: Consume, storage: MemoryStorage
) -> None:
    await publish(broker, *[b"x"] * 3 * MOST_UNTAKEN)

    subscriber = consume(MILLION)
    await publish(broker, b"x")

    assert len(subscriber.in_flight) == MOST_UNTAKEN
    assert len(subscriber.take()) == MOST_UNTAKEN
    assert places(storage) == (MOST_UNTAKEN + 1, 2 * MOST_UNTAKEN, 0)


async def test_who_does_not_take_is_dealt_so_many_bytes_and_no_more(
    broker: Broker, consume: Consume
) -> None:
    body = bytes(10_000)
    for _ in range(10):
        await publish(broker, *[body] * 20)
    subscriber = consume(MILLION)

    assert subscriber.in_flight.size < MOST_UNTAKEN_BYTES + SHARE_BYTES + len(body)
    while len(subscriber.in_flight) < 200:
        before = subscriber.in_flight.size
        assert subscriber.take()
        assert subscriber.in_flight.size < before + MOST_UNTAKEN_BYTES + SHARE_BYTES + len(body)


async def test_messages_one_by_one_are_bounded_in_the_same_way(
    broker: Broker, consume: Consume, storage: MemoryStorage
) -> None:
    subscriber = consume(MILLION)

    for _ in range(40):
        await publish(broker, bytes(10_000))

    assert subscriber.in_flight.size < MOST_UNTAKEN_BYTES + 10_000
    assert places(storage)[0] > 0


async def test_what_one_does_not_take_others_get(broker: Broker, consume: Consume) -> None:
    consume(MILLION)
    other = consume()
    await publish(broker, *[b"x"] * 2 * MOST_UNTAKEN)

    for _ in range(MOST_UNTAKEN):
        assert bodies(other) == [b"x"]
        ack(other)


async def test_so_many_messages_are_in_flight_and_no_more(
    broker: Broker, consume: Consume, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "MOST_HELD", 3)
    await publish(broker, *[b"x"] * 5)
    subscriber = consume(MILLION)
    assert len(subscriber.take()) == 3
    assert not subscriber.take()

    ack(subscriber, 2)

    assert len(subscriber.take()) == 1


async def test_so_many_bytes_are_in_flight_and_no_more(
    broker: Broker, consume: Consume, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "MOST_HELD_BYTES", 100)
    subscriber = consume(MILLION)
    for body in (bytes(60), bytes(60), b"third"):
        await publish(broker, body)

    assert len(subscriber.take()) == 2
    assert not subscriber.take()
    ack(subscriber, 2)
    assert bodies(subscriber) == [b"third"]


async def test_message_longer_than_all_bounds_is_delivered_alone(
    broker: Broker, consume: Consume, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "MOST_HELD_BYTES", 10)
    await publish(broker, bytes(100), bytes(100))
    subscriber = consume()

    for _ in range(2):
        assert bodies(subscriber) == [bytes(100)]
        ack(subscriber)
