"""What is asked of ZoldyQ once in a while: how it does."""

import asyncio
from collections.abc import Iterator, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from quart import Blueprint, Response

from miniqueue_py.http.access.pages import caller
from miniqueue_py.http.access.rights import INSPECT
from miniqueue_py.http.dialects.zoldyq.queues import ZoldyqQueues
from miniqueue_py.http.json_bodies import answer_pieces
from miniqueue_py.http.json_text import encode
from miniqueue_py.telemetry.exposition import render_families
from miniqueue_py.telemetry.topic_series import OTHERS, Figures, TopicSeries

_TOPICS_A_TURN = 100
_ALL = 1 << 62


def zoldyq_pages(queues: ZoldyqQueues) -> Blueprint:
    """Return ZoldyQ's pages."""
    pages = Blueprint("zoldyq", __name__)
    desk = _Pages(queues)
    pages.get("/health")(desk.health)
    pages.get("/metrics")(desk.metrics)
    return pages


class _Pages:
    def __init__(self, queues: ZoldyqQueues) -> None:
        self._queues = queues
        self._series = TopicSeries(queues.administration)

    async def health(self) -> Response:
        broker, pieces = self._queues.broker, []
        sees = caller().sees
        known = await self._queues.administration.topics_after(None, _ALL)
        topics = [topic for topic in known if sees(INSPECT, topic)]
        for start in range(0, len(topics), _TOPICS_A_TURN):
            if told := self._tell(topics[start : start + _TOPICS_A_TURN]):
                pieces.append(b"," + encode(told)[1:-1])
            await asyncio.sleep(0)
        if pieces:
            pieces[0] = pieces[0][1:]
        is_well = broker.failure is None and not broker.is_draining
        uptime = int(broker.clock.monotonic() - self._queues.began)
        status = encode("healthy" if is_well else "unhealthy")
        page = (
            b'{"status":%b,"queues":{' % status,
            *pieces,
            b'},"uptime_seconds":%d}\n' % uptime,
        )
        return answer_pieces(page, 200 if is_well else 503)

    async def metrics(self) -> Response:
        families = _families(await self._series.look(), self._queues)
        page, content_type = await render_families(families, is_openmetrics=False)
        return Response(page, 200, content_type=content_type)

    def _tell(self, topics: Sequence[str]) -> dict[str, object]:
        administration, capacity = self._queues.administration, self._queues.options.capacity
        told: dict[str, object] = {}
        for topic in topics:
            if not administration.knows(topic):
                continue  # deleted in one of the turns between
            statistics = administration.statistics(topic)
            told[topic] = {
                "size": statistics.held,
                "capacity": capacity,
                "enqueued_total": statistics.published,
                "dequeued_total": statistics.acknowledged,
            }
        return told


def _families(topics: Mapping[str, Figures], queues: ZoldyqQueues) -> Iterator[Metric]:
    """Yield ZoldyQ's metrics, by the names that its users would look for."""
    sizes = GaugeMetricFamily("zoldyq_queue_size", "Messages in the queue.", labels=["queue"])
    for name, figures in topics.items():
        sizes.add_metric([name], figures.ready + figures.in_flight + figures.delayed)
    yield sizes
    capacities = GaugeMetricFamily(
        "zoldyq_queue_capacity", "Messages it may hold.", labels=["queue"]
    )
    for name in topics:
        if name != OTHERS:
            capacities.add_metric([name], queues.options.capacity)
    yield capacities
    enqueued = CounterMetricFamily("zoldyq_enqueued", "Messages put in.", labels=["queue"])
    for name, figures in topics.items():
        enqueued.add_metric([name], figures.counted.published)
    yield enqueued
    dequeued = CounterMetricFamily("zoldyq_dequeued", "Messages taken.", labels=["queue"])
    for name, figures in topics.items():
        dequeued.add_metric([name], figures.counted.acknowledged)
    yield dequeued
    counters = queues.counters
    yield CounterMetricFamily("zoldyq_queue_full", "Enqueues into a full queue.", counters.full)
    yield CounterMetricFamily(
        "zoldyq_dequeue_timeouts", "Dequeues that got nothing.", counters.timeouts
    )
