"""Lives of a broker, each ended with kill -9 in the middle of what its clients do."""

import asyncio
import contextlib
import random
from collections.abc import Awaitable, Callable, Sequence

from tests.outside.server import RunningBroker
from tests.outside.settler import LONG
from tests.outside.wire import Connection


class Fuse:
    """Kills the broker when something has happened so many times."""

    def __init__(
        self,
        broker: RunningBroker,
        choices: random.Random,
        events: Sequence[str],
        longest_life: int,
    ) -> None:
        self._broker = broker
        self._event = choices.choice(events)
        self._left = choices.randint(1, longest_life)

    @property
    def is_blown(self) -> bool:
        return self._left <= 0

    def note(self, event: str) -> None:
        if event == self._event:
            self._left -= 1
            if self._left == 0:
                self._broker.kill()


Client = Callable[[Connection, Fuse], Awaitable[None]]


async def connect(broker: RunningBroker) -> Connection:
    return await Connection.open(broker.port, broker.ca, wait_seconds=LONG)


async def live_once(broker: RunningBroker, fuse: Fuse, clients: Sequence[Client]) -> None:
    """Run each client on a connection of its own until the broker is killed; start it again."""

    async def run(client: Client, connection: Connection) -> None:
        try:
            await client(connection, fuse)
        except ConnectionError:
            assert fuse.is_blown, "the broker dropped a connection"

    async with contextlib.AsyncExitStack() as connections, asyncio.TaskGroup() as group:
        opened = [await connections.enter_async_context(await connect(broker)) for _ in clients]
        for client, connection in zip(clients, opened, strict=True):
            group.create_task(run(client, connection))
    broker.start()
