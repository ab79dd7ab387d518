"""From publish to delivery, at a rate that leaves the broker time to breathe."""

import asyncio
import json
import time
from base64 import b64decode

from benchmarks.figures import Figures, Peer
from benchmarks.frames import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    FrameProtocol,
    connect,
    frame,
    post_block,
)

_RATE = 100
_CREDIT = 10
_WARM_UP = 20
_GRACE_SECONDS = 10


class Ticker(FrameProtocol):
    """Publishes one message after another, each its own number, at a steady pace."""

    def __init__(self, topic: str, count: int) -> None:
        super().__init__()
        self.sent_at: list[float] = []
        self._block = post_block(f"/publish/{topic}")
        self._count = count

    def begin(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._start = self._loop.time()
        self._publish()

    def _publish(self) -> None:
        number = len(self.sent_at)
        self.sent_at.append(time.perf_counter())
        self.send(
            frame(HEADERS, END_HEADERS, 2 * number + 1, self._block),
            frame(DATA, END_STREAM, 2 * number + 1, b"%010d" % number),
        )
        self.flush()
        if number + 1 < self._count:
            self._loop.call_at(self._start + (number + 1) / _RATE, self._publish)


class Listener(FrameProtocol):
    """A consumer with some credit that notes when each number came."""

    def __init__(self, topic: str, count: int) -> None:
        super().__init__()
        self.came_at: dict[int, float] = {}
        self._block = post_block(f"/subscribe/{topic}")
        self._count = count
        self._unfinished = b""

    def begin(self) -> None:
        self.send(
            frame(HEADERS, END_HEADERS, 1, self._block),
            frame(DATA, 0, 1, b'"INIT %d"' % _CREDIT),
        )

    def take_data(self, _stream_id: int, payload: bytes) -> None:
        now = time.perf_counter()
        *lines, self._unfinished = (self._unfinished + payload).split(b"\n")
        for line in lines:
            delivery = json.loads(line)
            if "msg" not in delivery:
                self.fail(f"the broker answered {line!r}")
                return
            self.came_at[int(b64decode(delivery["msg"]))] = now
            self.send(frame(DATA, 0, 1, b'"ACK %d"' % delivery["id"]))
        if len(self.came_at) == self._count:
            self.finish()

    def take_end(self, _stream_id: int) -> None:
        self.fail("the broker ended the subscription")


async def latency_load(peer: Peer, topic: str, seconds: int) -> Figures:
    """Publish on one connection, receive on another."""
    count = _WARM_UP + _RATE * seconds
    listener, ticker = Listener(topic, count), Ticker(topic, count)
    start = time.perf_counter()
    try:
        async with asyncio.timeout(seconds + _GRACE_SECONDS):
            await connect(listener, peer.port, peer.ca)
            await connect(ticker, peer.port, peer.ca)
            done, _ = await asyncio.wait(
                {listener.done, ticker.done}, return_when=asyncio.FIRST_COMPLETED
            )
            for each in done:
                each.result()
    finally:
        for protocol in (listener, ticker):
            protocol.close()
    elapsed = time.perf_counter() - start
    latencies = [
        listener.came_at[number] - ticker.sent_at[number] for number in range(_WARM_UP, count)
    ]
    return Figures(f"latency at {_RATE}/s", count, elapsed, latencies)
