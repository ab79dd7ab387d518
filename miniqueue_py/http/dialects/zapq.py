"""ZapQ's API: one queue of bytes, first in first out, at most once.

Its queue is the topic `zapq`. Counters are of what went through these pages
since the start, or since /clear. What is taken is gone, whether its consumer
gets it or not.
"""

import asyncio
from dataclasses import dataclass
from pathlib import Path

from quart import Blueprint, Response, request
from werkzeug.exceptions import RequestEntityTooLarge

from miniqueue_py.broker.administration import Administration
from miniqueue_py.broker.admission import Caps
from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.message import Publication
from miniqueue_py.broker.snapshots import Snapshots
from miniqueue_py.broker.storage import TopicStatistics
from miniqueue_py.errors import BodyCutShort, MessageTooLong, TopicFull, TopicNotFound
from miniqueue_py.http.dialects.options import ZAPQ, ZapqOptions
from miniqueue_py.http.dialects.zapq_snapshots import ZapqSnapshots
from miniqueue_py.http.json_bodies import answer, nothing
from miniqueue_py.http.refusing import refusing

LONGEST_MESSAGE_BYTES = 128 << 10

READ_ON_BYTES = 8 << 20
"""Of a longer body, no more is read before it is refused."""

_SETTINGS = ("-zapq-max-msgs", "-zapq-max-bytes")

_GO_SAYS = {404: "404 page not found", 405: "Method Not Allowed"}


def zapq(
    broker: Broker, administration: Administration, snapshots: Snapshots, options: ZapqOptions
) -> Blueprint:
    """Return ZapQ's pages."""
    pages = Blueprint("zapq", __name__)
    kept = ZapqSnapshots(broker, snapshots, options, _longest_bytes(broker))
    queue = _Queue(broker, administration, kept, options)
    pages.post("/enqueue")(queue.enqueue)
    pages.get("/dequeue")(queue.dequeue)
    pages.post("/clear")(queue.clear)
    pages.post("/persist")(kept.persist)
    pages.post("/load")(kept.load)
    pages.get("/metrics")(queue.metrics)
    pages.get("/health")(queue.health)
    return pages


def explain_zapq(status: int, text: str) -> Response:
    """Say what went wrong as Go's http.Error does."""
    body = f"{_GO_SAYS.get(status, text)}\n".encode(errors="backslashreplace")
    headers = {"x-content-type-options": "nosniff"}
    return Response(body, status, headers, content_type="text/plain; charset=utf-8")


class _PayloadTooLarge(MessageTooLong):
    """The message is longer than ZapQ takes, or the broker: send less."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.args = (f"Payload Too Large: a message has at most {limit} bytes",)


@dataclass(slots=True)
class _Counters:
    enqueued: int = 0
    dequeued: int = 0
    missed: int = 0


class _Queue:
    def __init__(
        self,
        broker: Broker,
        administration: Administration,
        snapshots: ZapqSnapshots,
        options: ZapqOptions,
    ) -> None:
        self._broker = broker
        self._administration = administration
        self._snapshots = snapshots
        self._options = options
        self._caps = Caps(options.max_msgs, options.max_bytes, _SETTINGS)
        self._longest_bytes = _longest_bytes(broker)
        self._counters = _Counters()
        self._since = broker.clock.now()

    async def enqueue(self) -> Response:
        with refusing(self._broker, ZAPQ):
            body = await self._read_message()
        try:
            await self._broker.publish(ZAPQ, [Publication([body])], caps=self._caps)
        except TopicFull as error:
            raise TopicFull(f"Queue Full: {error}") from error
        self._counters.enqueued += 1
        return nothing(202)

    async def dequeue(self) -> Response:
        taken = await self._broker.take(ZAPQ, 1, 0.0)
        if not taken:
            self._counters.missed += 1
            return nothing(204)
        self._counters.dequeued += 1
        return Response(taken[0].message.body, 200, content_type="application/octet-stream")

    async def clear(self) -> Response:
        await self._snapshots.clear()
        self._counters = _Counters()
        return nothing(200)

    async def metrics(self) -> Response:
        counters, held = self._counters, self._statistics()
        return answer(
            {
                "uptime_sec": max(0, int(self._broker.clock.now() - self._since)),
                "enqueue_count": counters.enqueued,
                "dequeue_count": counters.dequeued,
                "dequeue_miss": counters.missed,
                "queue_length": held.messages,
                "queue_bytes": held.bytes,
                "max_bytes": self._options.max_bytes,
                "max_msgs": self._options.max_msgs,
                "open_fds": _count_open_files(),
                "tasks": len(asyncio.all_tasks()),
            }
        )

    async def health(self) -> Response:
        return Response("ok", 200, content_type="text/plain; charset=utf-8")

    async def _read_message(self) -> bytes:
        """Return the body. Raises _PayloadTooLarge and BodyCutShort.

        One that is too long is read on for a while, and thrown away: some
        clients never see an answer that comes while they send.
        """
        declared = request.content_length
        if declared is not None and declared > READ_ON_BYTES:
            raise _PayloadTooLarge(self._longest_bytes)
        body, size = bytearray(), 0
        try:
            async for piece in request.body:
                size += len(piece)
                if size > READ_ON_BYTES:
                    break
                if size > self._longest_bytes:
                    body.clear()
                else:
                    body += piece
        except RequestEntityTooLarge:
            raise _PayloadTooLarge(self._longest_bytes) from None
        if size > self._longest_bytes:
            raise _PayloadTooLarge(self._longest_bytes)
        if declared is not None and declared != size:
            raise BodyCutShort(declared, size)
        return bytes(body)

    def _statistics(self) -> TopicStatistics:
        try:
            return self._administration.overview(ZAPQ).statistics
        except TopicNotFound:  # nothing was ever put into it
            return TopicStatistics()


def _longest_bytes(broker: Broker) -> int:
    """Return what a message may have: as much as ZapQ takes, and as the broker does."""
    return min(LONGEST_MESSAGE_BYTES, broker.limits.max_message_bytes)


def _count_open_files() -> int | None:
    try:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())
    except OSError:  # there is no /proc, or no descriptor left to look with
        return None
