"""A real file, line by line, through publishers, moody consumers and two deaths."""

import asyncio
import random
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.outside.absence import absent
from tests.outside.seed import seeded_random
from tests.outside.server import RunningBroker, StartBroker
from tests.outside.settler import BACK_AFTER, CARRIED_OUT, LONG, Settler, drain
from tests.outside.wire import Connection

pytestmark = pytest.mark.anyio

REAL_FILE = Path("/var/lib/dpkg/status")

PUBLISHERS = 12
AT_ONCE = 4
"""Publishes that a publisher has under way on its connection."""

CONSUMERS = 8
KILLED = 2

MOODS = {"ACK": 90, "NACK": 3, "BACK": 4, "DACK 0": 2, "DACK 1": 1}
"""How often each command is chosen, in a hundred."""

LAST = b"the end\n"
"""No line holds a newline. Whoever is given this one holds it to the end."""


class Run:
    """One file on its way through one topic."""

    def __init__(self, broker: RunningBroker, topic: str, choices: random.Random) -> None:
        self.certain: Counter[bytes] = Counter()
        self.uncertain: Counter[bytes] = Counter()
        self._broker = broker
        self._topic = topic
        self._choices = choices
        self._acks_left = 0
        self._all_acknowledged = asyncio.Event()
        self._all_hold_the_last = asyncio.Barrier(CONSUMERS)

    async def carry(self, lines: list[bytes]) -> None:
        """Publish everything while it is consumed; return when all was acknowledged."""
        self._acks_left = len(lines)
        supply = iter(lines)
        async with asyncio.TaskGroup() as consumers:
            for number in range(CONSUMERS):
                consumers.create_task(self._consume(is_killed=number < KILLED))
            async with asyncio.TaskGroup() as publishers:
                for _ in range(PUBLISHERS):
                    publishers.create_task(self._publish(supply))
            async with asyncio.timeout(LONG):
                await self._all_acknowledged.wait()
            await self._publish(iter([LAST] * CONSUMERS))

    async def drain(self) -> Counter[bytes]:
        async with await self._connect() as connection:
            return Counter(await drain(connection, self._topic, look_again_after=BACK_AFTER))

    async def _connect(self) -> Connection:
        return await Connection.open(self._broker.port, self._broker.ca, wait_seconds=LONG)

    async def _publish(self, supply: Iterator[bytes]) -> None:
        async with await self._connect() as connection, asyncio.TaskGroup() as lanes:
            for _ in range(AT_ONCE):
                lanes.create_task(self._publish_one_by_one(connection, supply))

    async def _publish_one_by_one(self, connection: Connection, supply: Iterator[bytes]) -> None:
        for line in supply:
            path = f"/publish/{self._topic}"
            response = await connection.request("POST", path, line, wait_seconds=LONG)
            assert response.status == 201, response

    async def _consume(self, *, is_killed: bool) -> None:
        if is_killed:
            await self._consume_and_vanish(self._choices.randrange(1, 500))
        async with await self._connect() as connection:
            settler = await self._subscribe(connection)
            while await self._settle_next(settler):
                pass
            async with asyncio.timeout(LONG):
                await self._all_hold_the_last.wait()

    async def _consume_and_vanish(self, after: int) -> None:
        async with await self._connect() as connection:
            settler = await self._subscribe(connection)
            for _ in range(after):
                if not await self._settle_next(settler):
                    break
            connection.abort()
            self.uncertain.update(settler.uncertain)

    async def _subscribe(self, connection: Connection) -> Settler:
        return await Settler.open(connection, self._topic, self.certain, CARRIED_OUT)

    async def _settle_next(self, settler: Settler) -> bool:
        body = await settler.receive()
        if body == LAST:
            return False
        command, *_ = self._choices.choices(list(MOODS), list(MOODS.values()))
        await settler.settle(body, command)
        if command == "ACK":
            self._acks_left -= 1
            if self._acks_left <= 0:
                self._all_acknowledged.set()
        return True


async def test_every_line_of_a_real_file_is_acknowledged_once(
    start_broker: StartBroker, topic: str
) -> None:
    if not REAL_FILE.exists():
        absent(f"{REAL_FILE} is not there")
    lines = REAL_FILE.read_bytes().split(b"\n")
    broker = start_broker()

    with seeded_random() as choices:
        run = Run(broker, topic, choices)
        await run.carry(lines)
        rest = await run.drain()

        # A killed consumer's last ACK may have been lost with it; then, and
        # only then, the line is still there.
        assert rest[LAST] == CONSUMERS
        rest[LAST] = 0
        acknowledged = run.certain + rest
        missing, too_many = Counter(lines) - acknowledged, acknowledged - Counter(lines)
        assert not too_many
        assert missing <= run.uncertain
        assert run.uncertain.total() <= KILLED
