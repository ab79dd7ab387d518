"""Names, labels and words of the metrics: what is counted, as prometheus_client has it.

The names follow Prometheus: seconds and bytes, `_total` for what only grows
(the encoders add that), and a label only where the sum over it makes sense.

prometheus_client takes long to import: nothing imports this before streams
are served.
"""

from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Protocol

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    InfoMetricFamily,
    Metric,
)

from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.settling import Decision
from miniqueue_py.broker.write_times import BOUNDS_SECONDS, Times, WriteTimes
from miniqueue_py.telemetry.metrics import Metrics
from miniqueue_py.telemetry.topic_series import Figures
from miniqueue_py.version import __version__

_OUTCOMES = {Decision.EXPIRED.value: "lease_expired"}
"""By another word than in the log: here is also what expired itself."""

_GAUGES = {
    "messages_ready": ("ready", "Messages that wait for a consumer."),
    "messages_in_flight": ("in_flight", "Messages that a consumer holds."),
    "messages_delayed": ("delayed", "Messages set aside until an instant."),
    "bytes": ("bytes", "Bytes of the bodies of all these."),
    "oldest_message_age_seconds": (
        "oldest_age_seconds",
        "How long ago the oldest message was published that is not delayed; 0 without one.",
    ),
    "consumers": ("consumers", "Streams and requests that want messages now."),
}
_COUNTERS = {
    "messages_published": ("published", "Messages published since the topic was made."),
    "messages_delivered": ("delivered", "Messages handed to a consumer since the topic was made."),
    "messages_acknowledged": ("acknowledged", "Messages done since the topic was made."),
    "messages_expired": ("expired", "Messages whose ttl was over since the topic was made."),
    "messages_dead_lettered": (
        "dead_lettered",
        "Messages that left for a dead-letter topic since the topic was made.",
    ),
}
"""By the name of a family behind miniqueue_topic_: the field it shows, and what that is."""


class ConnectionFigures(Protocol):
    """What is counted of the connections of a broker."""

    @property
    def struck(self) -> Mapping[str, int]: ...

    certificate_expires_at: float | None
    foreign: Mapping[str, int]

    def __len__(self) -> int: ...


class AccessFigures(Protocol):
    """What is counted of who asked, and what they were told."""

    @property
    def refused(self) -> Mapping[str, int]: ...

    @property
    def reloads(self) -> Mapping[str, int]: ...

    @property
    def admin_uses(self) -> int: ...

    @property
    def logins(self) -> int: ...

    @property
    def streams_ended(self) -> int: ...


def access_families(access: AccessFigures) -> Iterator[Metric]:
    """Yield who was refused and why, and what was done with rights."""
    for name, label, counts, text in (
        ("access_refused", "reason", access.refused, "Requests without the right they need."),
        ("access_reloads", "outcome", access.reloads, "Files of rights that were read anew."),
    ):
        family = CounterMetricFamily(f"miniqueue_{name}", text, labels=[label])
        for value, count in counts.items():
            family.add_metric([value], count)
        yield family
    for name, count, text in (
        ("access_admin", access.admin_uses, "Requests that used the right admin."),
        ("access_logins", access.logins, "Browsers that signed in."),
        ("access_streams_ended", access.streams_ended, "Streams whose right was taken away."),
    ):
        yield CounterMetricFamily(f"miniqueue_{name}", text, count)


def fact_families(metrics: Metrics) -> Iterator[Metric]:
    """Yield what happened since the process began."""
    for name, count, text in (
        ("messages_published", metrics.published, "Messages stored and confirmed."),
        ("published_bytes", metrics.published_bytes, "Bytes of their bodies."),
        ("publishes_duplicate", metrics.duplicates, "Publishes whose key was known: none stored."),
        ("messages_delivered", metrics.delivered, "Messages handed to a consumer."),
        ("messages_redelivered", metrics.redelivered, "Those of them that were so before."),
        ("messages_redriven", metrics.redriven, "Dead letters sent back to their topics."),
    ):
        yield CounterMetricFamily(f"miniqueue_{name}", text, count)
    settled = {_OUTCOMES.get(name, name): count for name, count in metrics.settled.items()}
    for name, label, counts, text in (
        ("deliveries_settled", "outcome", settled, "Deliveries that ended, and how."),
        ("messages_dead_lettered", "reason", metrics.dead_lettered, "Dead letters made, and why."),
        ("publishes_refused", "reason", metrics.refused, "Publishes not taken, and why."),
    ):
        family = CounterMetricFamily(f"miniqueue_{name}", text, labels=[label])
        for value, count in counts.items():
            family.add_metric([value], count)
        yield family


def state_families(broker: Broker, topics: int) -> Iterator[Metric]:
    """Yield how the broker stands now."""
    totals = broker.totals()
    yield InfoMetricFamily("miniqueue_build", "What runs here.", {"version": __version__})
    for name, value, text in (
        ("topics", topics, "Topics that were made and not deleted."),
        ("messages", totals.messages, "Messages kept, in whatever state."),
        ("bytes", totals.bytes, "Bytes of their bodies."),
        ("subscribers", broker.subscriber_count, "Open subscriptions, and requests that wait."),
        ("draining", broker.is_draining, "1 while the broker stops."),
        ("storage_damages", len(broker.damages), "What could not be read, and is passed over."),
        ("storage_writable", broker.failure is None, "0 while publishing is refused by storage."),
    ):
        yield GaugeMetricFamily(f"miniqueue_{name}", text, float(value))
    yield CounterMetricFamily(
        "miniqueue_messages_expired", "Messages whose ttl was over.", totals.expired
    )


def connection_families(connections: ConnectionFigures) -> Iterator[Metric]:
    """Yield how many connections there are, and which of their limits were reached how often."""
    yield GaugeMetricFamily("miniqueue_connections", "Connections that are open.", len(connections))
    family = CounterMetricFamily(
        "miniqueue_connection_limits", "Limits of connections that were reached.", labels=["limit"]
    )
    for limit, count in connections.struck.items():
        family.add_metric([limit], count)
    yield family
    foreign = CounterMetricFamily(
        "miniqueue_foreign_requests",
        "Requests refused for the page they came from, or the host they were for.",
        labels=["reason"],
    )
    for reason, count in connections.foreign.items():
        foreign.add_metric([reason], count)
    yield foreign
    if connections.certificate_expires_at is not None:
        yield GaugeMetricFamily(
            "miniqueue_certificate_expires_timestamp_seconds",
            "When the certificate that is shown expires.",
            connections.certificate_expires_at,
        )


def topic_families(topics: Mapping[str, Figures]) -> Iterator[Metric]:
    """Yield how each topic stands, and what happened in it."""
    for name, (field, text) in _GAUGES.items():
        gauge = GaugeMetricFamily(f"miniqueue_topic_{name}", text, labels=["topic"])
        for topic, figures in topics.items():
            gauge.add_metric([topic], getattr(figures, field))
        yield gauge
    for name, (field, text) in _COUNTERS.items():
        counter = CounterMetricFamily(f"miniqueue_topic_{name}", text, labels=["topic"])
        for topic, figures in topics.items():
            counter.add_metric([topic], getattr(figures.counted, field))
        yield counter


def write_families(times: WriteTimes) -> Iterator[Metric]:
    """Yield how long the store takes."""
    yield _histogram("commit", "How long writing a batch took, without fsync.", times.commit)
    yield _histogram("fsync", "How long an fsync took.", times.fsync)


def _histogram(name: str, text: str, times: Times) -> Metric:
    bounds = [*map(str, BOUNDS_SECONDS), "+Inf"]
    buckets = list(zip(bounds, accumulate(times.counts), strict=True))
    return HistogramMetricFamily(
        f"miniqueue_storage_{name}_seconds", text, buckets, times.sum_seconds
    )
