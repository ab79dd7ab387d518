"""A broker's place at the store: its number, its lease, its share of the store's time.

It says that it is there every third of its lease. If the store takes it for gone, or has
not answered for a whole lease, then others hold what it held; it registers anew.
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress

from miniqueue_py.broker.storage import is_hidden
from miniqueue_py.errors import StorageUnavailable
from miniqueue_py.storage.shared.store import Lost, Pulse, Store


class Presence:
    """Keeps a broker registered, for as long as it is open."""

    def __init__(self, store: Store, lease_seconds: float, *, follows_store: bool = True) -> None:
        self.lease_seconds = lease_seconds
        self.broker = 0
        self.failure: StorageUnavailable | None = None
        self._store = store
        self._follows_store = follows_store
        """False for tests that move the time."""
        self._apart = 0.0
        """What is between the store's time and the calendar here."""
        self._known_policies = -1
        self._told_policies = 0
        self._learning = asyncio.Lock()
        self._renewed_at = 0.0
        self._is_lost = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._on_begin: Callable[[int], None]
        self._on_lost: Callable[[], None]
        self._on_policies: Callable[[], Awaitable[None]]

    async def start(
        self,
        on_begin: Callable[[int], None],
        on_lost: Callable[[], None],
        on_policies: Callable[[], Awaitable[None]],
    ) -> None:
        """Register. Raises StorageUnavailable."""
        self._on_begin, self._on_lost, self._on_policies = on_begin, on_lost, on_policies
        await self._register()
        self._task = asyncio.create_task(self._run())

    def at(self, now: float) -> float:
        """Return an instant of the calendar here in the store's time."""
        return now + self._apart

    def name(self, topic: str) -> str:
        """Return what a topic is called in the store: a hidden one is this broker's own."""
        return f"/{self.broker}{topic}" if is_hidden(topic) else topic

    def shown(self, name: str) -> str:
        """Return what a topic of the store is called here."""
        return name.removeprefix(f"/{self.broker}") if is_hidden(name) else name

    def check(self) -> None:
        """Raise StorageUnavailable if the store is known to be away."""
        if self.failure is not None:
            raise self.failure

    def note(self, failure: StorageUnavailable | None) -> None:
        """Take note of how the store answered."""
        self.failure = failure

    def lose(self) -> None:
        """Register anew, soon: this broker was taken for gone."""
        self._is_lost.set()

    def want_policies(self) -> None:
        """Take what is known of policies for out of date."""
        self._told_policies += 1

    async def learn_anew(self) -> None:
        """Learn the policies though nobody has said that they are others."""
        self.want_policies()
        await self.learn()

    async def learn(self) -> None:
        """Learn the policies if they have changed."""
        async with self._learning:
            told = self._told_policies
            if told != self._known_policies:
                await self._on_policies()
                self._known_policies = told

    async def aclose(self) -> None:
        """Leave, so that others have at once what is held. Idempotent."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            self._task = None
            with suppress(StorageUnavailable):
                await self._store.leave(self.broker)

    async def _register(self) -> None:
        if self.broker:
            await self._store.leave(self.broker)  # others need not wait for the end of its lease
        began = time.monotonic()
        self.broker = await self._store.register(self.lease_seconds)
        self._renewed_at = began
        await self._renew()
        await self.learn()
        self.failure = None
        self._is_lost.clear()
        self._on_begin(self.broker)

    async def _renew(self) -> None:
        began, at = time.monotonic(), time.time()
        pulse: Pulse = await self._store.renew(self.broker, self.lease_seconds)
        self._renewed_at = began
        if self._follows_store:
            self._apart = pulse.now - (at + time.time()) / 2
        self._told_policies = max(self._told_policies, pulse.policies)

    async def _run(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self.lease_seconds / 3):
                    await self._is_lost.wait()
            try:
                if self._is_lost.is_set():
                    await self._register()
                else:
                    await self._renew()
                    await self.learn()
                self.failure = None
            except Lost:
                self._on_lost()
            except StorageUnavailable as error:
                self.failure = error
                is_over = time.monotonic() - self._renewed_at > self.lease_seconds
                if is_over and not self._is_lost.is_set():
                    self._on_lost()
                if self._is_lost.is_set():
                    await asyncio.sleep(min(1.0, self.lease_seconds / 3))
