"""A broker on memory whose time is moved, and its streams."""

import asyncio
from collections.abc import Sequence
from typing import Any, NoReturn

from miniqueue_py.broker.administration import Administration
from miniqueue_py.broker.admission import Limits
from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.events import Observers
from miniqueue_py.broker.message import Publication, Stored
from miniqueue_py.errors import StorageUnavailable
from miniqueue_py.http.door import Door
from miniqueue_py.http.native.streams import Streams
from miniqueue_py.storage.memory import MemoryStorage
from miniqueue_py.testing.clock import ManualClock
from tests.http.exchanges import Exchange

TEXT = {"content-type": "text/plain"}
NDJSON = {"content-type": "application/x-ndjson"}


class Wire:
    """Everything between a stream and what is kept, in this process."""

    def __init__(
        self,
        storage: MemoryStorage | None = None,
        *,
        limits: Limits = Limits(),  # noqa: B008  never changed
        drain_seconds: float = 10.0,
    ) -> None:
        self.clock = ManualClock()
        self.storage = storage or MemoryStorage()
        self.broker = Broker(self.storage, self.clock, limits=limits, chance=lambda: 0.5)
        self.administration = Administration(self.broker, self.storage, Observers())
        self.stumbles: list[Exception] = []
        self.streams = Streams(
            self.broker, _nothing_else, drain_seconds=drain_seconds, on_error=self._stumble
        )
        self.door = Door(self.streams.route, on_error=self._stumble)

    def _stumble(self, _path: str, error: Exception) -> None:
        self.stumbles.append(error)

    async def publish(self, *bodies: bytes, topic: str = "orders", **terms: Any) -> None:
        await self.broker.publish(topic, [Publication(bodies, **terms)])

    def resume(self, key: str = "k", kind: dict[str, str] = TEXT) -> Exchange:
        """Begin a batch under a key, or go on with it."""
        return self.batch({**kind, "idempotency-key": key})

    def subscribe(self, query: str = "") -> Exchange:
        return Exchange(self.door, "POST", f"/subscribe/orders{query}")

    def batch(self, headers: dict[str, str] = TEXT, query: str = "") -> Exchange:
        return Exchange(self.door, "POST", f"/publish/orders/batch{query}", headers=headers)

    async def tick_after(self, seconds: float) -> None:
        await self.clock.advance(seconds)
        await self.broker.tick()

    def places(self, topic: str = "orders") -> tuple[int, int, int]:
        """Count what is ready, in flight and delayed."""
        statistics = self.storage.statistics(topic)
        return statistics.ready, statistics.in_flight, statistics.delayed

    def kept(self, topic: str = "orders") -> list[bytes]:
        """Return the bodies of what is ready."""
        with self.storage.snapshot(topic, self.clock.now()) as messages:
            return [each.body for each in messages]


class SlowStorage(MemoryStorage):
    """Messages are seen at once, and are durable when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self._writing: list[tuple[asyncio.Future[Sequence[Stored]], Sequence[Stored]]] = []

    def append(self, *arguments: Any) -> "asyncio.Future[Sequence[Stored]]":
        stored = super().append(*arguments).result()
        durable: asyncio.Future[Sequence[Stored]] = asyncio.get_running_loop().create_future()
        self._writing.append((durable, stored))
        return durable

    async def batch_count(self, *arguments: Any) -> int:
        count = await super().batch_count(*arguments)
        begun = [durable for durable, _ in self._writing]
        if begun:
            await asyncio.wait(begun)
        for durable in begun:
            durable.result()
        return count

    @property
    def writing(self) -> int:
        """How many writes are not done."""
        return len(self._writing)

    def finish(self, count: int = 1) -> None:
        """Let the oldest writes be done."""
        for durable, stored in self._writing[:count]:
            durable.set_result(stored)
        del self._writing[:count]

    def fail(self, cause: str) -> None:
        """Let all writes fail."""
        for durable, _ in self._writing:
            durable.set_exception(StorageUnavailable(cause))
        self._writing.clear()


class FailingStorage(MemoryStorage):
    """Refuses publishes from when the test says so, as far as anybody can ask."""

    has_failed = False

    @property
    def failure(self) -> StorageUnavailable | None:
        return StorageUnavailable("bad disk") if self.has_failed else None


def _nothing_else(exchange: object) -> NoReturn:
    raise AssertionError(f"only streams are asked for here, and not {exchange}")
