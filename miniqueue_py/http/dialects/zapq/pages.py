"""What is asked of ZapQ's queue once in a while: figures, and what takes it as a whole."""

import asyncio
from pathlib import Path

from quart import Blueprint, Response

from miniqueue_py.broker.administration import Administration
from miniqueue_py.broker.snapshots import Snapshots
from miniqueue_py.broker.storage import TopicStatistics
from miniqueue_py.errors import TopicNotFound
from miniqueue_py.http.dialects.zapq.dialect import TOPIC
from miniqueue_py.http.dialects.zapq.requests import Counters, ZapqQueue
from miniqueue_py.http.dialects.zapq.snapshots import ZapqSnapshots
from miniqueue_py.http.json_bodies import answer, nothing


def zapq_pages(queue: ZapqQueue, administration: Administration, snapshots: Snapshots) -> Blueprint:
    """Return ZapQ's pages."""
    pages = Blueprint("zapq", __name__)
    kept = ZapqSnapshots(queue.broker, snapshots, queue.options, queue.longest_bytes)
    shown = _Pages(queue, administration, kept)
    pages.post("/clear")(shown.clear)
    pages.post("/persist")(kept.persist)
    pages.post("/load")(kept.load)
    pages.get("/metrics")(shown.metrics)
    pages.get("/health")(shown.health)
    return pages


class _Pages:
    def __init__(
        self, queue: ZapqQueue, administration: Administration, snapshots: ZapqSnapshots
    ) -> None:
        self._queue = queue
        self._administration = administration
        self._snapshots = snapshots

    async def clear(self) -> Response:
        await self._snapshots.clear()
        self._queue.counters = Counters()
        return nothing(200)

    async def metrics(self) -> Response:
        queue, held = self._queue, await self._statistics()
        counters = queue.counters
        return answer(
            {
                "uptime_sec": int(queue.broker.clock.monotonic() - queue.since),
                "enqueue_count": counters.enqueued,
                "dequeue_count": counters.dequeued,
                "dequeue_miss": counters.missed,
                "queue_length": held.messages,
                "queue_bytes": held.bytes,
                "max_bytes": queue.options.max_bytes,
                "max_msgs": queue.options.max_msgs,
                "open_fds": _count_open_files(),
                "tasks": len(asyncio.all_tasks()),
            }
        )

    async def health(self) -> Response:
        return Response("ok", 200, content_type="text/plain; charset=utf-8")

    async def _statistics(self) -> TopicStatistics:
        await self._administration.refresh(TOPIC)
        try:
            return self._administration.overview(TOPIC).statistics
        except TopicNotFound:  # nothing was ever put into it
            return TopicStatistics()


def _count_open_files() -> int | None:
    try:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())
    except OSError:  # there is no /proc, or no descriptor left to look with
        return None
