"""A subscriber that is opened and closed, for doors that are called back."""

import pytest

from miniqueue_py.broker.broker import Broker
from miniqueue_py.errors import ShuttingDown
from miniqueue_py.storage.memory import MemoryStorage
from tests.broker.scenes import bodies, nothing, places, publish

pytestmark = pytest.mark.anyio


async def test_subscriber_is_dealt_messages_until_it_is_closed(
    broker: Broker, storage: MemoryStorage
) -> None:
    subscriber = broker.open_subscriber("orders", nothing)
    subscriber.start(5)
    await publish(broker, b"1", b"2")
    assert bodies(subscriber) == [b"1", b"2"]

    broker.close_subscriber(subscriber)

    assert places(storage) == (2, 0, 0)
    assert broker.subscriber_count == 0


async def test_closing_again_changes_nothing_for_who_came_since(
    broker: Broker, storage: MemoryStorage
) -> None:
    first = broker.open_subscriber("orders", nothing)
    broker.close_subscriber(first)
    second = broker.open_subscriber("orders", nothing)
    second.start()

    broker.close_subscriber(first)
    await publish(broker, b"1")

    assert bodies(second) == [b"1"]
    assert broker.subscriber_count == 1


async def test_lease_is_that_of_who_opened_it(broker: Broker) -> None:
    subscriber = broker.open_subscriber("orders", nothing, 5.0)
    subscriber.start()
    await publish(broker, b"1")

    assert subscriber.next_expiry == broker.clock.monotonic() + 5


async def test_nobody_subscribes_while_the_broker_drains(broker: Broker) -> None:
    subscriber = broker.open_subscriber("orders", nothing)
    subscriber.start()
    await publish(broker, b"1")
    broker.drain()
    with pytest.raises(ShuttingDown):
        broker.open_subscriber("orders", nothing)

    broker.close_subscriber(subscriber)
    broker.close_subscriber(subscriber)

    await broker.wait_drained()
    assert broker.given_back == 1
