"""Getting messages without a stream: be a subscriber for one answer, and hold no place in line."""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from miniqueue_py.broker.clock import Clock
from miniqueue_py.broker.delivery import Delivery
from miniqueue_py.broker.storage import Storage
from miniqueue_py.broker.subscriber import Subscriber
from miniqueue_py.broker.topic import Topic
from miniqueue_py.errors import ShuttingDown


class _Broker(Protocol):
    clock: Clock

    def subscribe(
        self, name: str, on_change: Callable[[], None]
    ) -> AbstractContextManager[Subscriber]: ...


async def withdraw(
    broker: _Broker, storage: Storage, topic: str, limit: int, wait_seconds: float
) -> Sequence[Delivery]:
    """Return up to `limit` deliveries, which are the caller's to end; wait for the first.

    There are none when the wait is over. Raises ShuttingDown.
    """
    changed = asyncio.Event()
    with broker.subscribe(topic, changed.set) as subscriber:
        subscriber.start(limit)
        if not changed.is_set() and wait_seconds > 0:
            await _wait_for(changed, broker.clock, wait_seconds)
        if not changed.is_set():
            await _wait_dealt(subscriber.topic, storage, changed)
        if subscriber.closing and not subscriber.in_flight:
            raise ShuttingDown
        return subscriber.hand_over()


async def _wait_for(changed: asyncio.Event, clock: Clock, seconds: float) -> None:
    waits = (
        asyncio.create_task(changed.wait()),
        asyncio.create_task(clock.sleep(seconds)),
    )
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()


async def _wait_dealt(topic: Topic, storage: Storage, changed: asyncio.Event) -> None:
    """Return when something came, or what is ready now is dealt to others.

    Only so much is dealt in a turn. Of what has expired storage removes only
    so much at a time, and then deals again.
    """
    expired = None
    while not changed.is_set():
        statistics = storage.statistics(topic.name)
        has_stopped = statistics.expired == expired and not topic.goes_on_later
        if not statistics.ready or has_stopped:
            return
        expired = statistics.expired
        await asyncio.sleep(0)
