"""Metrics as text, for whoever scrapes them.

prometheus_client takes long to import: nothing imports this before streams
are served. Nothing of ours is in its global registry.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence

from prometheus_client import ProcessCollector
from prometheus_client.core import Metric
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from miniqueue_py.broker.administration import Administration
from miniqueue_py.broker.broker import Broker
from miniqueue_py.telemetry.families import (
    AccessFigures,
    ConnectionFigures,
    access_families,
    connection_families,
    fact_families,
    state_families,
    topic_families,
    write_families,
)
from miniqueue_py.telemetry.metrics import Metrics
from miniqueue_py.telemetry.topic_series import Figures, TopicSeries

OPENMETRICS = "application/openmetrics-text"
OPENMETRICS_VERSION = "1.0.0"

_END = b"# EOF\n"
"""A page of OpenMetrics ends with it."""


class Exposition:
    """All that is known of a broker."""

    def __init__(
        self,
        metrics: Metrics,
        broker: Broker,
        administration: Administration,
        connections: ConnectionFigures,
        access: AccessFigures | None = None,
    ) -> None:
        self._access = access
        self._metrics = metrics
        self._connections = connections
        self._broker = broker
        self._topics = TopicSeries(administration)
        self._process = ProcessCollector(registry=None)

    def __repr__(self) -> str:
        return f"<Exposition of {self._metrics!r}>"

    async def render(self, *, is_openmetrics: bool) -> tuple[bytes, str]:
        """Return a page and its content type."""
        topics = await self._topics.look()
        return await render_families(self._families(topics), is_openmetrics=is_openmetrics)

    def _families(self, topics: Mapping[str, Figures]) -> Iterator[Metric]:
        yield from fact_families(self._metrics)
        yield from state_families(self._broker, self._topics.count)
        yield from connection_families(self._connections)
        if self._access is not None:
            yield from access_families(self._access)
        yield from topic_families(topics)
        yield from write_families(self._metrics.write_times)
        yield from self._process.collect()


async def render_families(families: Iterator[Metric], *, is_openmetrics: bool) -> tuple[bytes, str]:
    """Return a page and its content type.

    Others have their turn between two families: each has as many lines as
    topics are shown.
    """
    wanted = f"{OPENMETRICS}; version={OPENMETRICS_VERSION}" if is_openmetrics else ""
    encode, content_type = choose_encoder(wanted)
    page = []
    for family in families:
        page.append(encode(_Single(family)).removesuffix(_END))
        await asyncio.sleep(0)
    if is_openmetrics:
        page.append(_END)
    return b"".join(page), content_type


class _Single(Collector):
    """All that an encoder is given at a time."""

    def __init__(self, family: Metric) -> None:
        self._family = family

    def collect(self) -> Sequence[Metric]:
        return (self._family,)
