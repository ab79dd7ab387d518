from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from miniqueue_py.broker.administration import Administration
from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.events import Observers
from miniqueue_py.broker.subscriber import Subscriber
from miniqueue_py.storage.memory import MemoryStorage
from miniqueue_py.testing.clock import ManualClock
from tests.broker.scenes import Consume, nothing


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def storage() -> MemoryStorage:
    return MemoryStorage()


@pytest.fixture
def broker(storage: MemoryStorage, clock: ManualClock) -> Broker:
    """Make a broker whose chance is always the middle: no wait is shorter or longer for it."""
    return Broker(storage, clock, chance=lambda: 0.5)


@pytest.fixture
def administration(broker: Broker, storage: MemoryStorage) -> Administration:
    return Administration(broker, storage, Observers())


@pytest.fixture
def consume(broker: Broker) -> Iterator[Consume]:
    """Make a consumer that stays until the test is over."""
    with ExitStack() as stack:

        def start(
            credit: int | None = None, *, topic: str = "orders", lease: float | None = None
        ) -> Subscriber:
            subscriber = stack.enter_context(broker.subscribe(topic, nothing, lease))
            subscriber.start(credit)
            return subscriber

        yield start
