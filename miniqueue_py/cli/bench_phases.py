"""What `miniqueue bench` does with a broker: fill a topic, empty it, and time single messages.

One after the other, so that each figure is of one thing. Latency is that of a
message that nothing waits in front of: from when the publisher is handed it
to when the consumer has it.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio

from miniqueue_py.cli.progress import progress
from miniqueue_py.cli.running import Interruption

if TYPE_CHECKING:
    from miniqueue_py.client import Client

_BLOCK = 1000
_BLOCK_BYTES = 1 << 20
"""Handed to the publisher at a time: so many messages, or so many bytes."""

TIMED_ALONE = 1000
ALONE_SECONDS = 10.0
"""Single messages, and for how long at most."""


@dataclass(slots=True)
class Measured:
    """So many messages in so long."""

    messages: int = 0
    seconds: float = 0.0

    @property
    def per_second(self) -> float:
        return self.messages / self.seconds if self.seconds else 0.0

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Take the time of the block, however it ends."""
        began = time.perf_counter()
        try:
            yield
        finally:
            self.seconds = time.perf_counter() - began


@dataclass(slots=True)
class Results:
    """What is known so far."""

    published: Measured = field(default_factory=Measured)
    consumed: Measured = field(default_factory=Measured)
    latencies: list[float] = field(default_factory=list)
    is_whole: bool = False

    def latency(self, part: float) -> float | None:
        """Return how many seconds that part of the messages took at most."""
        if not self.latencies:
            return None
        return sorted(self.latencies)[int(part * (len(self.latencies) - 1))]


class Bounds:
    """When to stop: at Ctrl-C, or when the time is over."""

    def __init__(self, interruption: Interruption, limit_seconds: float) -> None:
        self._interruption = interruption
        self._until = anyio.current_time() + limit_seconds

    @property
    def are_reached(self) -> bool:
        return self._interruption.signal is not None or anyio.current_time() >= self._until

    @contextmanager
    def apply(self) -> Iterator[None]:
        """Leave the block when it is time.

        It stands inside those of publishers and subscriptions: these end in
        order, for what is still on its way would make the topic anew after it
        was deleted.
        """
        with self._interruption.stops(), anyio.CancelScope(deadline=self._until):
            yield


class Phases:
    """Fills in the results, one after the other; what is there when it stops holds."""

    def __init__(self, queue: "Client", topic: str, bounds: Bounds, results: Results) -> None:
        self._queue = queue
        self._topic = topic
        self._bounds = bounds
        self._results = results

    async def run(self, messages: int, size: int, credit: int) -> None:
        body = b"x" * size
        await self._publish(body, messages)
        if not self._bounds.are_reached:
            await self._consume(size, messages, credit)
        if not self._bounds.are_reached:
            await self._time_alone(body, min(messages, TIMED_ALONE))
        everything = self._results.consumed.messages == messages
        self._results.is_whole = everything and bool(self._results.latencies)

    async def _publish(self, body: bytes, messages: int) -> None:
        block = max(1, min(_BLOCK, _BLOCK_BYTES // len(body)))
        measured, publisher = self._results.published, self._queue.publisher(self._topic)
        with progress(messages * len(body), "publishing") as bar, measured.timed():
            async with publisher:
                with self._bounds.apply():
                    while (some := min(block, messages - publisher.sent)) > 0:
                        await publisher.send_many([body] * some)
                        bar.advance(some, some * len(body))
        measured.messages = publisher.confirmed

    async def _consume(self, size: int, messages: int, credit: int) -> None:
        measured = self._results.consumed
        with progress(messages * size, "consuming") as bar, measured.timed():
            async with self._queue.subscribe(self._topic, credit=credit) as deliveries:
                with self._bounds.apply():
                    while measured.messages < messages:
                        some = await deliveries.receive_many(credit)
                        for delivery in some:
                            await delivery.ack()
                        measured.messages += len(some)
                        bar.advance(len(some), len(some) * size)

    async def _time_alone(self, body: bytes, messages: int) -> None:
        latencies, until = self._results.latencies, time.perf_counter() + ALONE_SECONDS
        async with (
            self._queue.subscribe(self._topic, credit=1) as deliveries,
            self._queue.publisher(self._topic) as publisher,
        ):
            with self._bounds.apply():
                while len(latencies) < messages and time.perf_counter() < until:
                    began = time.perf_counter()
                    await publisher.send(body)
                    delivery = await deliveries.receive()
                    latencies.append(time.perf_counter() - began)
                    await delivery.ack()
