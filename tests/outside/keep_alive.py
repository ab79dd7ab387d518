"""A load over HTTP/1.1 in clear: connections that ask, read the answer and ask again.

What it does is what `hey -c CONNECTIONS -n REQUESTS` does, which is not to be
had everywhere, but it looks at every answer.
"""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

Ask = Callable[[], bytes | None]
"""Returns the next request, None when there is no more to ask."""

Take = Callable[[int, bytes], None]
"""Is given status and body of each answer."""

_LENGTH = b"content-length: "


def post(path: str, body: bytes) -> bytes:
    """Return a whole request."""
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()


def from_each(requests: Iterator[bytes]) -> Ask:
    """Ask these, shared by all connections."""
    return lambda: next(requests, None)


async def drive(port: int, connections: int, ask: Ask, take: Take, limit_seconds: float) -> float:
    """Ask over many connections until there is no more; return the seconds that it took."""
    loop = asyncio.get_running_loop()
    lanes = [_Lane(ask, take, loop.create_future()) for _ in range(connections)]
    try:
        async with asyncio.timeout(limit_seconds):
            for lane in lanes:
                await loop.create_connection(lambda lane=lane: lane, "127.0.0.1", port)  # type: ignore[misc]
            start = time.perf_counter()
            for lane in lanes:
                lane.begin()
            await asyncio.gather(*(lane.done for lane in lanes))
            return time.perf_counter() - start
    finally:
        for lane in lanes:
            lane.close()


class _Lane(asyncio.Protocol):
    """One connection, with one request under way."""

    def __init__(self, ask: Ask, take: Take, done: "asyncio.Future[None]") -> None:
        self.done = done
        self._ask = ask
        self._take = take
        self._data = b""
        self._transport: Any = None

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def connection_lost(self, error: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(error or ConnectionError("the broker closed a connection"))

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, end, body = self._data.partition(b"\r\n\r\n")
        if not end:
            return
        length = _length_of(head)
        if len(body) < length:
            return
        self._data = b""
        try:
            self._take(int(head[9:12]), body)
        except Exception as error:  # noqa: BLE001  told to whoever waits
            if not self.done.done():
                self.done.set_exception(error)
            self.close()
        else:
            self.begin()

    def begin(self) -> None:
        request = self._ask()
        if request is not None:
            self._transport.write(request)
        elif not self.done.done():
            self.done.set_result(None)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()


def _length_of(head: bytes) -> int:
    at = head.lower().find(_LENGTH)
    return 0 if at < 0 else int(head[at + len(_LENGTH) :].split(b"\r\n", 1)[0])
