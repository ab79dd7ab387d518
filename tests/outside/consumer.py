"""A subscription as its user thinks of it: commands go out, messages come in."""

import base64
import json
from collections.abc import Mapping
from typing import Any, ClassVar, Self

from tests.outside.stream import PATIENCE, Stream
from tests.outside.wire import Connection

_UNRECOGNISED = "unrecognised command received"


def is_unrecognised(line: Mapping[str, Any]) -> bool:
    """Tell if that answers a word which the server does not know."""
    return bool(line.get("error") == _UNRECOGNISED)


class Consumer:
    """One stream on /subscribe, in MiniQueue's own words."""

    facts_of_errors: ClassVar[tuple[set[str], ...]] = (set(),)
    """What may stand in an error line beside the error."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream

    @classmethod
    async def open(
        cls, connection: Connection, topic: str, *commands: str, lease: str | None = None
    ) -> Self:
        """Subscribe, wait for the response headers, and send what is given."""
        query = "" if lease is None else f"?lease={lease}"
        stream = await connection.stream("POST", f"/subscribe/{topic}{query}")
        assert await stream.status() == 200
        consumer = cls(stream)
        await consumer.send(*commands)
        return consumer

    @classmethod
    async def holding(cls, connection: Connection, topic: str, body: bytes) -> Self:
        """A consumer that holds this message in flight."""
        consumer = await cls.open(connection, topic, "INIT")
        await consumer.expect(body)
        return consumer

    @classmethod
    async def waiting(cls, connection: Connection, topic: str) -> Self:
        """A consumer that is in the line, and was not given anything."""
        consumer = await cls.open(connection, topic, "INIT")
        await consumer.expect_nothing()
        return consumer

    async def send(self, *commands: str) -> None:
        await self.stream.send("".join(map(json.dumps, commands)).encode())

    async def receive(self, wait_seconds: float = PATIENCE) -> tuple[bytes, int]:
        """The next delivery: its body, and how often it was set aside."""
        line = await self.stream.read_line(wait_seconds)
        assert line.keys() <= {"msg", "dackCount"}, line
        assert line.get("dackCount") != 0, "a count of zero is left out"
        return base64.b64decode(line["msg"], validate=True), line.get("dackCount", 0)

    async def expect(self, body: bytes, dacks: int = 0, wait_seconds: float = PATIENCE) -> None:
        received = await self.receive(wait_seconds)
        assert received == (body, dacks), f"{received} came, not {(body, dacks)}"

    async def expect_error(self, text: str | None = None) -> None:
        line = await self.stream.read_line()
        assert line.keys() - {"error"} in self.facts_of_errors, line
        assert line["error"] == (text or line["error"]), line

    async def expect_nothing(self) -> None:
        """All that was sent is done, and it led to no line.

        Commands are done in order, so the answer to a word the server does
        not know tells that the ones before it are done.
        """
        await self.send("PING")
        line = await self.stream.read_line()
        assert is_unrecognised(line), line

    async def expect_closing(self) -> dict[str, Any]:
        """The last line, which says why the server ends the stream."""
        line: dict[str, Any] = await self.stream.read_line()
        assert line.keys() == {"closing"}, line
        return line


async def publish(connection: Connection, topic: str, *bodies: bytes) -> None:
    """Publish one after another, each confirmed before the next is sent."""
    for body in bodies:
        response = await connection.request("POST", f"/publish/{topic}", body)
        assert (response.status, response.body) == (201, b""), response
