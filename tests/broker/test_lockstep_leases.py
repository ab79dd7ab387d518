"""A plain INIT with a lease: its late word is not taken for one on another message."""

import pytest

from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.settling import Decision
from miniqueue_py.broker.subscriber import Subscriber
from miniqueue_py.errors import LeaseExpired, NotInFlight
from miniqueue_py.storage.memory import MemoryStorage
from miniqueue_py.testing.clock import ManualClock
from tests.broker.scenes import Consume, ack, bodies, places, publish, settle

pytestmark = pytest.mark.anyio


@pytest.fixture
async def late(broker: Broker, consume: Consume, clock: ManualClock) -> Subscriber:
    """Have a plain consumer that held a message for too long, with more that wait."""
    await publish(broker, b"1", b"2", b"3")
    subscriber = consume(lease=10)
    assert bodies(subscriber) == [b"1"]
    await clock.advance(10)
    await broker.tick()
    return subscriber


async def test_nothing_comes_until_it_speaks(late: Subscriber, storage: MemoryStorage) -> None:
    assert not late.take()
    assert late.take_expired() == [1]
    assert places(storage) == (3, 0, 0)


@pytest.mark.parametrize("decision", [Decision.ACK, Decision.NACK, Decision.BACK, Decision.DEAD])
async def test_its_late_word_is_an_error_and_brings_the_next_message(
    late: Subscriber, storage: MemoryStorage, decision: Decision
) -> None:
    word = decision.value.upper()
    with pytest.raises(LeaseExpired, match=f"{word} came too late"):
        settle(late, decision)

    assert bodies(late) == [b"1"]
    assert places(storage) == (2, 1, 0)


async def test_its_word_counts_again_after_that(late: Subscriber) -> None:
    with pytest.raises(LeaseExpired):
        ack(late)
    late.take()

    ack(late)

    assert bodies(late) == [b"2"]


async def test_its_late_word_by_number_is_an_error_and_brings_the_next_message(
    late: Subscriber,
) -> None:
    [error] = ack(late, 1)

    assert "its lease ran out" in str(error)
    assert bodies(late) == [b"1"]


async def test_its_late_word_up_to_a_number_brings_the_next_message(late: Subscriber) -> None:
    assert not ack(late, up_to=1)

    assert bodies(late) == [b"1"]


async def test_touch_too_late_does_not_bring_a_message_that_the_word_behind_it_would_settle(
    late: Subscriber, clock: ManualClock
) -> None:
    with pytest.raises(LeaseExpired, match="TOUCH came too late"):
        late.touch(clock.monotonic(), "TOUCH")
    assert not late.take()

    with pytest.raises(LeaseExpired, match="ACK came too late"):
        ack(late)

    assert bodies(late) == [b"1"]


async def test_credit_is_a_word_too(late: Subscriber) -> None:
    late.set_credit(2)

    assert bodies(late) == [b"1", b"2"]


async def test_other_consumers_get_the_message_meanwhile(
    late: Subscriber, consume: Consume
) -> None:
    other = consume()
    assert bodies(other) == [b"1"]

    with pytest.raises(LeaseExpired):
        ack(late)

    assert bodies(late) == [b"2"]


async def test_what_it_had_not_taken_may_expire_without_a_word(
    broker: Broker, consume: Consume, clock: ManualClock
) -> None:
    await publish(broker, b"1", b"2")
    subscriber = consume(lease=10)
    await clock.advance(10)
    await broker.tick()

    assert not subscriber.take()
    with pytest.raises(NotInFlight):
        ack(subscriber)

    assert bodies(subscriber) == [b"1"]
