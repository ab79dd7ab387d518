"""Two lawful clients, and one who only ever connects: what an attack leaves of their share."""

import asyncio
import contextlib
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from pathlib import Path

from tests.outside.credit import CreditConsumer
from tests.outside.wire import Connection

_CLIENTS = 2
_PUBLISHES_A_SECOND = 250
_MOST_WAITING = 100
_CREDIT = 100
_NEW_CONNECTION_EVERY = 0.5
_PATIENCE = 30.0
_WARM_UP_SECONDS = 0.3


@dataclass
class Share:
    """What the neighbours got."""

    confirmed: int = 0
    delivered: int = 0
    slowest_connection: float = 0.0
    seconds: float = 0.0
    problem: str = ""

    def beside(self, other: "Share") -> float:
        """Return the smaller of the two rates, as a share of another's."""
        pairs = ((self.confirmed, other.confirmed), (self.delivered, other.delivered))
        return min(mine / self.seconds / (its / other.seconds) for mine, its in pairs)


def watch(port: int, ca: Path, seconds: float, pipe: Pipe, token: str) -> None:
    """Be them for so long, in a process of their own; tell in the end."""
    pipe.send(asyncio.run(_watch(port, ca, seconds, pipe, token)))


async def _watch(port: int, ca: Path, seconds: float, pipe: Pipe, token: str) -> Share:
    share = Share()
    clients = [await _Client.begin(port, ca, f"lawful-{i}", share, token) for i in range(_CLIENTS)]
    await asyncio.sleep(_WARM_UP_SECONDS)
    pipe.send("ready")
    began = time.monotonic()
    share.confirmed = share.delivered = 0
    tasks = [asyncio.create_task(client.publish(began + seconds)) for client in clients]
    tasks += [asyncio.create_task(client.consume()) for client in clients]
    tasks.append(asyncio.create_task(_connect(port, ca, began + seconds, share)))
    await asyncio.sleep(seconds)
    share.seconds = time.monotonic() - began
    result = Share(share.confirmed, share.delivered, seconds=share.seconds)
    await asyncio.wait(tasks[-1:], timeout=_PATIENCE)
    result.slowest_connection = share.slowest_connection
    for task in tasks:
        task.cancel()
    for ended in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(ended, Exception):
            result.problem = f"{type(ended).__name__}: {ended}"[:200]
    for client in clients:
        await client.leave()
    return result


class _Client:
    """Publishes at a steady pace to a topic of its own, and consumes that."""

    def __init__(
        self, connection: Connection, consumer: CreditConsumer, topic: str, share: Share
    ) -> None:
        self.connection = connection
        self._consumer = consumer
        self._topic = topic
        self._share = share
        self._waiting: set[asyncio.Task[None]] = set()

    @classmethod
    async def begin(cls, port: int, ca: Path, topic: str, share: Share, token: str) -> "_Client":
        connection = await Connection.open(port, ca, wait_seconds=_PATIENCE)
        if token:
            connection.always.append(("authorization", f"Bearer {token}"))
        consumer = await CreditConsumer.with_credit(connection, topic, _CREDIT)
        return cls(connection, consumer, topic, share)

    async def publish(self, until: float) -> None:
        due = time.monotonic()
        while due < until:
            await asyncio.sleep(due - time.monotonic())
            due = max(due, time.monotonic() - 1.0) + 1 / _PUBLISHES_A_SECOND
            if len(self._waiting) < _MOST_WAITING:
                task = asyncio.create_task(self._publish_one())
                self._waiting.add(task)
                task.add_done_callback(self._waiting.discard)
        await asyncio.gather(*self._waiting)

    async def leave(self) -> None:
        for task in self._waiting:
            task.cancel()
        await asyncio.gather(*self._waiting, return_exceptions=True)
        await self.connection.close()

    async def _publish_one(self) -> None:
        answer = await self.connection.request(
            "POST", f"/publish/{self._topic}", b"lawful", wait_seconds=_PATIENCE
        )
        assert answer.status == 201, answer
        self._share.confirmed += 1

    async def consume(self) -> None:
        while True:
            taken = await self._consumer.take(_PATIENCE)
            await self._consumer.send(f"ACK {taken.id}")
            self._share.delivered += 1


async def _connect(port: int, ca: Path, until: float, share: Share) -> None:
    while time.monotonic() < until:
        began = time.monotonic()
        try:
            async with await Connection.open(port, ca, wait_seconds=_PATIENCE) as connection:
                answer = await connection.request("GET", "/healthz", wait_seconds=_PATIENCE)
                assert answer.status == 200, answer
                took = time.monotonic() - began
        except (OSError, AssertionError, TimeoutError) as error:
            share.slowest_connection = max(share.slowest_connection, _PATIENCE)
            raise ConnectionError(f"no new connection: {error!r}") from error
        share.slowest_connection = max(share.slowest_connection, took)
        with contextlib.suppress(asyncio.CancelledError):
            await asyncio.sleep(max(0.0, began + _NEW_CONNECTION_EVERY - time.monotonic()))


def take_the_place_of_an_attacker(port: int, ca: Path, seconds: float, token: str) -> None:
    """Be one more lawful client: what the neighbours are compared with."""

    async def be_lawful() -> None:
        share = Share()
        client = await _Client.begin(port, ca, "lawful-too", share, token)
        consuming = asyncio.create_task(client.consume())
        await client.publish(time.monotonic() + seconds)
        consuming.cancel()
        await client.leave()

    asyncio.run(be_lawful())
