"""Somebody who does everything right while others do everything wrong."""

import itertools
from typing import Self

from tests.outside import frames
from tests.outside.consumer import Consumer, publish
from tests.outside.frames import HANDSHAKE, frame, request
from tests.outside.raw import RawConnection
from tests.outside.wire import Connection

_numbers = itertools.count(1)


class Bystander:
    """A connection with a subscription on it, which must go on working."""

    def __init__(self, connection: Connection, topic: str, consumer: Consumer) -> None:
        self.connection = connection
        self._topic = topic
        self._consumer = consumer

    @classmethod
    async def waiting(cls, connection: Connection, topic: str) -> Self:
        return cls(connection, topic, await Consumer.waiting(connection, topic))

    async def expect_served(self) -> None:
        await publish(self.connection, self._topic, b"next")
        await self._consumer.expect(b"next")
        await self._consumer.send("ACK")

    async def new_topic(self, *bodies: bytes) -> str:
        """A topic that nobody has used, with these messages."""
        topic = f"{self._topic}-{next(_numbers)}"
        await publish(self.connection, topic, *bodies)
        return topic

    async def have_held(self, raw: RawConnection) -> str:
        """Have stream 1 of the raw connection hold the one message of a topic."""
        topic = await self.new_topic(b"held")
        subscribe = request(1, f"/subscribe/{topic}".encode())
        raw.send(HANDSHAKE + subscribe + frame(frames.DATA, 0, 1, b'"INIT"'))
        raw.read_until(lambda received: b'{"msg":' in received)
        assert not raw.has_ended
        return topic

    async def expect_given_back(self, topic: str) -> None:
        """What was held is ready again, for the next who asks."""
        heir = await Consumer.open(self.connection, topic, "INIT", "ACK")
        await heir.expect(b"held")
        heir.stream.end()
        assert await heir.stream.read_until_end() == b""
