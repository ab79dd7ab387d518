"""The load: publishers that never rest, and a consumer in lock-step.

Both are bounded in count and in time, whichever is reached first.
"""

import asyncio
import time
from collections.abc import Sequence

from benchmarks.figures import Figures, Peer, Plan
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

_GRACE_SECONDS = 10


class Publishers(FrameProtocol):
    """One connection that always has as many publishes under way as it has lanes."""

    def __init__(self, topic: str, body: bytes, lanes: int, until: float, limit: int) -> None:
        super().__init__()
        self.latencies: list[float] = []
        self._block = post_block(f"/publish/{topic}")
        self._body = body
        self._lanes = lanes
        self._until = until
        self._left = limit
        self._next_id = 1
        self._begun: dict[int, float] = {}

    def begin(self) -> None:
        for _ in range(self._lanes):
            self._publish(time.perf_counter())

    def take_end(self, _stream_id: int) -> None:
        now = time.perf_counter()
        self.latencies.append(now - self._begun.pop(_stream_id))
        self._publish(now)
        if not self._begun:
            self.finish()

    def _publish(self, now: float) -> None:
        if now >= self._until or not self._left:
            return
        self._left -= 1
        stream_id, self._next_id = self._next_id, self._next_id + 2
        self._begun[stream_id] = now
        self.send(
            frame(HEADERS, END_HEADERS, stream_id, self._block),
            frame(DATA, END_STREAM, stream_id, self._body),
        )


class LockStep(FrameProtocol):
    """One consumer that acknowledges each message when it has come."""

    def __init__(self, topic: str, until: float, limit: int) -> None:
        super().__init__()
        self.latencies: list[float] = []
        self._block = post_block(f"/subscribe/{topic}")
        self._until = until
        self._limit = limit
        self._asked_at = 0.0
        self._acknowledge = frame(DATA, 0, 1, b'"ACK"')

    def begin(self) -> None:
        self._asked_at = time.perf_counter()
        self.send(
            frame(HEADERS, END_HEADERS, 1, self._block),
            frame(DATA, 0, 1, b'"INIT"'),
        )

    def take_data(self, _stream_id: int, payload: bytes) -> None:
        if not payload.endswith(b"\n"):
            return  # the rest of the line comes with the next frame
        if b'"error"' in payload:
            self.fail(f"the broker answered {payload!r}")
        now = time.perf_counter()
        self.latencies.append(now - self._asked_at)
        self._asked_at = now
        if now >= self._until or len(self.latencies) >= self._limit:
            self.finish()
        else:
            self.send(self._acknowledge)

    def take_end(self, _stream_id: int) -> None:
        self.fail("the broker ended the subscription")


async def publish_load(peer: Peer, topic: str, plan: Plan) -> Figures:
    """Publish with all connections at once."""
    start = time.perf_counter()
    until, limit = start + plan.seconds, plan.limit // plan.connections
    publishers = [
        Publishers(topic, b"0123456789", plan.lanes, until, limit) for _ in range(plan.connections)
    ]
    await _run(publishers, peer, plan)
    elapsed = time.perf_counter() - start
    latencies = [latency for publisher in publishers for latency in publisher.latencies]
    return Figures(f"publish {plan}", len(latencies), elapsed, latencies)


async def consume_load(peer: Peer, topic: str, plan: Plan) -> Figures:
    """Take and acknowledge messages that are already there."""
    start = time.perf_counter()
    consumer = LockStep(topic, start + plan.seconds, plan.limit)
    await _run([consumer], peer, plan)
    elapsed = time.perf_counter() - start
    return Figures("consume", len(consumer.latencies), elapsed, consumer.latencies)


async def _run(protocols: Sequence[FrameProtocol], peer: Peer, plan: Plan) -> None:
    try:
        async with asyncio.timeout(plan.seconds + _GRACE_SECONDS):
            await asyncio.gather(*(connect(each, peer.port, peer.ca) for each in protocols))
            await asyncio.gather(*(each.done for each in protocols))
    finally:
        for each in protocols:
            each.close()
