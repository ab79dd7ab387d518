"""A subscription with credit: deliveries have ids, and many are in flight."""

import base64
from typing import Any, NamedTuple, Self

from tests.outside.consumer import Consumer
from tests.outside.stream import PATIENCE
from tests.outside.wire import Connection

ALWAYS = {"msg", "id", "attempt", "messageId", "publishedAt"}
SOMETIMES = {"dackCount", "priority", "dead"}


class Taken(NamedTuple):
    """One delivery, as its line says."""

    id: int
    body: bytes
    attempt: int
    line: dict[str, Any]

    @classmethod
    def of(cls, line: dict[str, Any]) -> Self:
        assert line.keys() >= ALWAYS, line
        assert line.keys() - ALWAYS <= SOMETIMES, line
        assert line.get("priority") != 0, "a priority of zero is left out"
        body = base64.b64decode(line["msg"], validate=True)
        return cls(line["id"], body, line["attempt"], line)


class CreditConsumer(Consumer):
    """One stream on /subscribe that said `INIT n`."""

    facts_of_errors = ({"code"}, {"code", "id"})

    @classmethod
    async def with_credit(
        cls, connection: Connection, topic: str, credit: int, lease: str | None = None
    ) -> Self:
        return await cls.open(connection, topic, f"INIT {credit}", lease=lease)

    async def take(self, wait_seconds: float = PATIENCE) -> Taken:
        """The next delivery."""
        return Taken.of(await self.stream.read_line(wait_seconds))

    async def take_bodies(self, count: int, wait_seconds: float = PATIENCE) -> list[bytes]:
        return [(await self.take(wait_seconds)).body for _ in range(count)]

    async def expect_next(
        self, body: bytes, *, number: int | None = None, attempt: int | None = None
    ) -> Taken:
        """The next delivery, which must be this one."""
        taken = await self.take()
        assert taken.body == body, taken
        assert number in (None, taken.id), taken
        assert attempt in (None, taken.attempt), taken
        return taken

    async def expect_expired(self, number: int, wait_seconds: float = PATIENCE) -> None:
        line = await self.stream.read_line(wait_seconds)
        assert line == {"expired": number}, line

    async def leave(self) -> None:
        """End the stream, and wait until what it held is given back."""
        self.stream.end()
        await self.stream.read_until_end()


async def rest_of(connection: Connection, topic: str, credit: int = 1000) -> list[bytes]:
    """Acknowledge all that is ready in a topic, in its order."""
    bodies: list[bytes] = []
    consumer = await CreditConsumer.with_credit(connection, topic, credit)
    while True:
        # The word nobody knows is answered behind everything that was ready.
        await consumer.send("FOO")
        line = await consumer.stream.read_line()
        last = None
        while "error" not in line:
            bodies.append(base64.b64decode(line["msg"]))
            last = line["id"]
            line = await consumer.stream.read_line()
        if last is None:
            await consumer.leave()
            return bodies
        await consumer.send(f"ACK ..{last}")
