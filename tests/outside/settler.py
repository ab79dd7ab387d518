"""A consumer that keeps account: which of its ACKs the broker has surely carried out.

The wire confirms no ACK. But commands are carried out in order, so the line
that answers a command tells that it is done. A broker that may be killed is
another matter: it writes what happened in a turn of its loop when the turn is
over, and the line may leave before. What it receives after that line is
handled in a later turn; so there the *second* line proves that an ACK lasts.
"""

import asyncio
import base64
from collections import Counter, deque
from typing import Self

from tests.outside.consumer import Consumer, is_unrecognised
from tests.outside.wire import Connection

CARRIED_OUT = 1
"""Lines that prove an ACK to be done, by a broker that lives on."""

WRITTEN = 2
"""Lines that prove it to outlive the broker."""

LONG = 60.0
"""Nothing takes that long, however busy the machine."""

BACK_AFTER = 1.5
"""Seconds until what `DACK 1` set aside is back, and some."""


class Settler:
    """A subscription whose every line and command is noted."""

    def __init__(self, consumer: Consumer, certain: Counter[bytes], proof: int) -> None:
        self.certain = certain
        """Acknowledged without doubt; settlers may share it."""
        self._consumer = consumer
        self._proof = proof
        self._unproven: deque[bytes | None] = deque([None])

    @classmethod
    async def open(
        cls, connection: Connection, topic: str, certain: Counter[bytes], proof: int
    ) -> Self:
        return cls(await Consumer.open(connection, topic, "INIT"), certain, proof)

    @property
    def uncertain(self) -> list[bytes]:
        """Acknowledged, and not proven to be."""
        return [body for body in self._unproven if body is not None]

    async def receive(self) -> bytes:
        """The next delivery, which proves something about the commands before it."""
        body, _ = await self._consumer.receive(LONG)
        while len(self._unproven) >= self._proof:
            proven = self._unproven.popleft()
            if proven is not None:
                self.certain[proven] += 1
        return body

    async def settle(self, body: bytes, command: str) -> None:
        self._unproven.append(body if command == "ACK" else None)
        await self._consumer.send(command)


async def drain(connection: Connection, topic: str, *, look_again_after: float = 0) -> list[bytes]:
    """Acknowledge all that the topic holds; look again for what was set aside."""
    received: list[bytes] = []
    consumer = await Consumer.open(connection, topic, "INIT")
    for is_last in (False, True):
        while True:
            # The word nobody knows is answered in any case.
            await consumer.send("PING")
            line = await consumer.stream.read_line(LONG)
            if is_unrecognised(line):
                break
            received.append(base64.b64decode(line["msg"]))
            assert is_unrecognised(await consumer.stream.read_line(LONG))
            await consumer.send("ACK")
        if not is_last:
            await asyncio.sleep(look_again_after)
    consumer.stream.end()
    await consumer.stream.read_until_end(LONG)
    return received
