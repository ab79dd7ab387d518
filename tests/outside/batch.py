"""A streamed publish: lines go out, confirms come in, at the same time."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any, Self

from tests.outside.stream import PATIENCE, Stream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.outside.wire import Connection

TEXT = "text/plain"
JSON = "application/x-ndjson"


class BatchStream:
    """One stream on /publish/{topic}/batch."""

    def __init__(self, stream: Stream) -> None:
        self.stream = stream

    @classmethod
    async def open(
        cls, connection: Connection, topic: str, kind: str = TEXT, key: str | None = None
    ) -> Self:
        """Begin, or go on with what was begun under a key; wait for the response headers."""
        headers = [("content-type", kind)]
        if key is not None:
            headers.append(("idempotency-key", key))
        stream = await connection.stream("POST", f"/publish/{topic}/batch", headers)
        assert await stream.status() == 200
        return cls(stream)

    async def send(self, data: bytes, wait_seconds: float = PATIENCE) -> None:
        await self.stream.send(data, wait_seconds)

    async def expect_confirmed(self, count: int, wait_seconds: float = PATIENCE) -> None:
        """Read on until exactly so many messages are confirmed."""
        confirmed = -1
        while confirmed < count:
            line = await self.stream.read_line(wait_seconds)
            assert line.keys() == {"published"}, line
            assert line["published"] >= confirmed
            confirmed = line["published"]
        assert confirmed == count

    async def start(self, wait_seconds: float = PATIENCE) -> int:
        """Read how much of the batch is stored already: the first line says so, under a key."""
        line = await self.stream.read_line(wait_seconds)
        assert line.keys() == {"published"}, line
        count: int = line["published"]
        return count

    async def last_line(self, wait_seconds: float = PATIENCE) -> Any:
        """Read to the end; the last line says how it went."""
        lines = (await self.stream.read_until_end(wait_seconds)).splitlines()
        assert self.stream.is_complete
        return json.loads(lines[-1])


async def publish_lines(
    connection: Connection,
    topic: str,
    lines: Sequence[bytes],
    kind: str = TEXT,
    wait_seconds: float = PATIENCE,
) -> None:
    """Publish a whole batch; all of it is confirmed."""
    batch = await BatchStream.open(connection, topic, kind)
    await batch.send(b"".join(line + b"\n" for line in lines), wait_seconds)
    batch.stream.end()
    assert await batch.last_line(wait_seconds) == {"published": len(lines)}


def entry(body: bytes, **terms: object) -> bytes:
    """One line of JSON that publishes."""
    return json.dumps({"msg": base64.b64encode(body).decode(), **terms}).encode()
