"""A run of random faults: what is published through them comes through, once.

Publishers and consumers talk to a broker through a proxy that cuts, stalls,
resets and trickles, while the broker is ended, with kill -9 or by SIGTERM, and
started again.
Then there is peace, and the books have to balance.

The test of the suite does this for seconds, `python -m benchmarks soak` for as
long as one likes.
"""

import random
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio

from miniqueue_py.client import Client, Delivery
from miniqueue_py.client.errors import AlreadySettled
from miniqueue_py.errors import SettlementError, Unavailable
from tests.client.ledger import Ledger
from tests.client.mischief import Mischief
from tests.client.proxy import Proxy
from tests.outside.server import RunningBroker

TERMS = ((None, None), (None, None), (None, 7), (0.1, None))
"""Delay and priority of a publish."""

LEASES = (None, None, 0.5)

_PATIENCE = 60.0
"""For everything to come through when there is peace."""

_WAIT_TO_LOOK = 0.02


@dataclass(frozen=True)
class Plan:
    """How hard a run is."""

    seconds: float
    ends: int = 1
    """Of the broker, at least, however long that takes."""
    every_bytes: int = 150_000
    """Between two faults, on average."""
    bytes_of_a_life: int = 4_000_000
    """Between two ends of the broker, on average."""
    publishers: int = 4
    streams: int = 2
    consumers: int = 3
    visitors: int = 1
    credit: int = 50
    room: int = 100_000
    """For messages in the ledger; with none left nothing more is published."""


class Reaper:
    """Ends the broker when so many bytes went by, this way or that, and starts it again."""

    def __init__(
        self, broker: RunningBroker, proxy: Proxy, choices: random.Random, bytes_of_a_life: int
    ) -> None:
        self.kills = 0
        self.drains = 0
        self._broker = broker
        self._proxy = proxy
        self._choices = choices
        self._bytes_of_a_life = bytes_of_a_life
        self._has_to_end = threading.Event()
        self._problem: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="reaper", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """End it no more; when it returns, the broker runs."""
        self._has_to_end.set()
        self._thread.join(_PATIENCE)
        assert not self._thread.is_alive(), "the reaper does not end"
        if self._problem is not None:
            raise self._problem

    def _run(self) -> None:
        try:
            due = self._draw_due()
            while not self._has_to_end.wait(_WAIT_TO_LOOK):
                if self._proxy.bytes_forwarded >= due:
                    self._end()
                    self._broker.start()
                    self._proxy.aim(self._broker.port)
                    due = self._draw_due()
        except BaseException as error:  # noqa: BLE001  it is raised by `stop`
            self._problem = error

    def _end(self) -> None:
        """Kill it and drain it in turn: both happen in every run."""
        if self.kills > self.drains:
            self._broker.terminate()
            assert self._broker.wait(_PATIENCE) == 0
            self.drains += 1
        else:
            self._broker.kill()
            self.kills += 1

    def _draw_due(self) -> float:
        life = self._choices.uniform(0.5, 1.5) * self._bytes_of_a_life
        return self._proxy.bytes_forwarded + life


class Run:
    """Publishers and consumers, and the books they keep."""

    def __init__(  # noqa: PLR0913, PLR0917  as many as there are players
        self,
        plan: Plan,
        broker: RunningBroker,
        proxy: Proxy,
        ca: Path,
        topic: str,
        choices: random.Random,
    ) -> None:
        self.ledger = Ledger(plan.room)
        self.left = 0
        """Deliveries that were given back unsettled, or whose settlement came too late."""
        self.visits = 0
        self.failed_visits = 0
        self._plan = plan
        self._proxy = proxy
        self._ca = ca
        self._topic = topic
        self._choices = choices
        self._is_over = False
        self._reaper = Reaper(broker, proxy, choices, plan.bytes_of_a_life)

    @property
    def kills(self) -> int:
        """How often the broker was killed."""
        return self._reaper.kills

    @property
    def drains(self) -> int:
        """How often it was asked to end."""
        return self._reaper.drains

    async def go(self, look: Callable[["Run"], None] | None = None) -> None:
        """Publish and consume among faults for the time of the plan, and then in peace.

        `look` is called again and again meanwhile. Raises what does not balance.
        """
        async with Client(self._proxy.url, ca=self._ca, timeout_seconds=_PATIENCE) as queue:
            await queue.set_policy(self._topic, {})
            async with self._consumers(queue):
                await self._publish_among_faults(queue, look)
            # What they held unsettled went back, to others who settle everything.
            async with self._consumers(queue):
                await self._wait_done(queue)
        self.ledger.check_complete()

    @asynccontextmanager
    async def _consumers(self, queue: Client) -> AsyncIterator[None]:
        async with anyio.create_task_group() as tasks:
            for _ in range(self._plan.consumers):
                tasks.start_soon(self._consume, queue)
            yield
            tasks.cancel_scope.cancel()

    async def _publish_among_faults(
        self, queue: Client, look: Callable[["Run"], None] | None
    ) -> None:
        plan = self._plan
        with self._reaper as reaper:
            self._proxy.misbehave(Mischief(self._choices, plan.every_bytes))
            async with anyio.create_task_group() as publishers:
                for _ in range(plan.publishers):
                    publishers.start_soon(self._publish, queue)
                for _ in range(plan.streams):
                    publishers.start_soon(self._stream, queue)
                for _ in range(plan.visitors):
                    publishers.start_soon(self._visit)
                await self._pass_time(look)
                await anyio.to_thread.run_sync(reaper.stop)
                self._proxy.make_peace()

    async def _pass_time(self, look: Callable[["Run"], None] | None) -> None:
        until = anyio.current_time() + self._plan.seconds
        while anyio.current_time() < until or self.kills + self.drains < self._plan.ends:
            if look is not None:
                look(self)
            if self.ledger.is_full:
                break
            await anyio.sleep(_WAIT_TO_LOOK)
        self._is_over = True

    async def _wait_done(self, queue: Client) -> None:
        """Wait until the topic is empty; what it counts are our own counts."""
        with anyio.fail_after(_PATIENCE):
            told = await queue.topic(self._topic)
            while told.ready + told.in_flight + told.delayed:
                await anyio.sleep(_WAIT_TO_LOOK)
                told = await queue.topic(self._topic)
        assert told.published == self.ledger.begun, "something was stored twice, or not at all"
        assert told.acknowledged == self.ledger.begun

    async def _publish(self, queue: Client) -> None:
        """Publish one by one."""
        while not self._has_to_stop:
            number = self.ledger.begin()
            delay, priority = self._choices.choice(TERMS)
            body = self._body(number)
            receipt = await queue.publish(self._topic, body, delay=delay, priority=priority)
            assert not receipt.is_duplicate
            self.ledger.confirm(number, receipt.message_id)

    async def _stream(self, queue: Client) -> None:
        """Publish some in a row, and then some more."""
        while not self._has_to_stop:
            numbers = []
            async with queue.publisher(self._topic) as publisher:
                for _ in range(self._choices.randint(1, 300)):
                    if self.ledger.is_full:
                        break
                    numbers.append(self.ledger.begin())
                    await publisher.send(self._body(numbers[-1]))
            for number in numbers:
                self.ledger.confirm(number)

    async def _visit(self) -> None:
        """Come, publish one, and go; who is not let in comes again."""
        while not self._has_to_stop:
            try:
                async with Client(self._proxy.url, ca=self._ca, timeout_seconds=_PATIENCE) as queue:
                    number = self.ledger.begin()
                    receipt = await queue.publish(self._topic, self._body(number))
                    self.ledger.confirm(number, receipt.message_id)
                    self.visits += 1
            except Unavailable:
                self.failed_visits += 1
                await anyio.sleep(_WAIT_TO_LOOK)

    async def _consume(self, queue: Client) -> None:
        """Take some, settle most of them, leave in peace or not, and come again."""
        while True:
            count = self._choices.randint(1, 2000)
            lease = self._choices.choice(LEASES)
            subscription = queue.subscribe(self._topic, credit=self._plan.credit, lease=lease)
            with anyio.CancelScope() as scope:
                async with subscription as deliveries:
                    async for delivery in deliveries:
                        await self._settle(delivery)
                        count -= 1
                        if count < 0:
                            scope.cancel()
                        if count == 0 and self._choices.random() < 0.5:
                            break

    async def _settle(self, delivery: Delivery) -> None:
        number = int(delivery.body.split(maxsplit=1)[0])
        self.ledger.deliver(number, delivery.message_id)
        try:
            match 0 if self._is_over else self._choices.randint(1, 50):
                case 1:
                    await delivery.nack()
                case 2:
                    await delivery.back()
                case 3:
                    await delivery.release()
                case 4:
                    await delivery.touch()
                    await delivery.ack()
                    self.ledger.finish(number)
                case 5:
                    self.left += 1  # it is not settled, and goes back in the end
                case _:
                    await delivery.ack()
                    self.ledger.finish(number)
        except AlreadySettled:
            raise
        except SettlementError:
            self.left += 1

    @property
    def _has_to_stop(self) -> bool:
        return self._is_over or self.ledger.is_full

    def _body(self, number: int) -> bytes:
        """Give a body that begins with the number; most are short, some have line ends."""
        kind = self._choices.random()
        if kind < 0.01:
            return b"%d " % number + b"x" * self._choices.randint(0, 50_000)
        return b"%d%b" % (number, b" \n" if kind < 0.05 else b" " * self._choices.randint(0, 200))
