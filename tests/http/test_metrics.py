"""/metrics: in two formats, as their own parsers read them."""

from collections.abc import Callable, Iterable

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_plain

from miniqueue_py.http.pages.metrics import prefers_openmetrics
from miniqueue_py.storage.memory import MemoryStorage
from miniqueue_py.testing.clock import ManualClock
from miniqueue_py.version import __version__
from tests.http.desk import Desk
from tests.http.streaming import FailingStorage

pytestmark = pytest.mark.anyio

Read = Callable[[str], Iterable[Metric]]
Sample = tuple[str, frozenset[tuple[str, str]]]

PLAIN = "text/plain; version=0.0.4; charset=utf-8"
OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
ACCEPT_OF_PROMETHEUS_2 = (
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75,"
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1"
)
ACCEPT_OF_PROMETHEUS_3 = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,"
    "application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def desk(clock: ManualClock) -> Desk:
    return Desk(clock)


async def scrape(desk: Desk, accept: str | None = None) -> dict[Sample, float]:
    """Return all samples, and refuse a page that its parser would."""
    headers = {} if accept is None else {"accept": accept}
    page = await desk.ask("GET", "/metrics", headers=headers)
    assert page.status == 200
    is_openmetrics = page.headers["content-type"].startswith("application/openmetrics-text")
    read: Read = read_openmetrics if is_openmetrics else read_plain
    samples: dict[Sample, float] = {}
    for family in read(page.body.decode()):
        assert family.documentation, family.name
        for sample in family.samples:
            key = (sample.name, frozenset(sample.labels.items()))
            assert key not in samples, "a series twice"
            samples[key] = sample.value
    return samples


def of(name: str, **labels: str) -> Sample:
    return f"miniqueue_{name}", frozenset(labels.items())


@pytest.mark.parametrize("accept", [None, "application/openmetrics-text"])
async def test_what_happened_is_counted(desk: Desk, clock: ManualClock, accept: str | None) -> None:
    await desk.publish("orders", b"one", b"three", b"four", b"dead")
    await desk.publish("orders", b"later", delay_seconds=60.0)
    await desk.publish("orders", b"brief", ttl_seconds=2.0)
    await clock.advance(2.5)
    await desk.broker.tick()
    acked, nacked, dead = [(await desk.receive("orders", "max=1"))[0] for _ in range(3)]
    settlement = {"ack": [acked], "nack": [nacked], "dead": [dead]}
    await desk.value("POST", "/settle/orders", settlement)
    await desk.receive("orders", "max=1")
    await desk.ask("POST", "/publish/orders?delay=soon", b"x")

    samples = await scrape(desk, accept)

    for name, value in (("published", 6), ("delivered", 4), ("redelivered", 1), ("expired", 1)):
        assert samples[of(f"messages_{name}_total")] == value
    assert samples[of("published_bytes_total")] == len(b"onethreefourdeadlaterbrief")
    for outcome in ("ack", "nack", "dead"):
        assert samples[of("deliveries_settled_total", outcome=outcome)] == 1
    assert samples[of("deliveries_settled_total", outcome="lease_expired")] == 0
    assert samples[of("messages_dead_lettered_total", reason="DEAD")] == 1
    assert samples[of("publishes_refused_total", reason="bad_parameter")] == 1
    assert samples[of("publishes_refused_total", reason="disk_full")] == 0
    assert samples[of("messages")] == 4
    assert samples[of("topics")] == 2
    assert samples[of("build_info", version=__version__)] == 1


async def test_topics_are_shown_one_by_one(desk: Desk, clock: ManualClock) -> None:
    await desk.publish("orders", b"one", b"two", b"three")
    await desk.publish("orders", b"later", delay_seconds=60.0)
    await desk.publish("orders", b"brief", b"short", ttl_seconds=2.0)
    await clock.advance(2.5)
    await desk.broker.tick()
    [receipt] = await desk.receive("orders", "max=1")
    await desk.receive("orders", "max=1")
    await desk.value("POST", "/settle/orders", {"ack": [receipt]})

    samples = await scrape(desk)

    shown = {
        name.removeprefix("miniqueue_topic_"): value
        for (name, labels), value in samples.items()
        if labels == {("topic", "orders")}
    }
    assert shown == {
        "messages_ready": 1,
        "messages_in_flight": 1,
        "messages_delayed": 1,
        "bytes": len(b"twothreelater"),
        "oldest_message_age_seconds": 2.5,
        "consumers": 0,
        "messages_published_total": 6,
        "messages_delivered_total": 2,
        "messages_acknowledged_total": 1,
        "messages_expired_total": 2,
        "messages_dead_lettered_total": 0,
    }


@pytest.mark.parametrize("accept", [None, "application/openmetrics-text"])
async def test_topic_may_be_called_anything(desk: Desk, accept: str | None) -> None:
    names = ['"', "\\", 'a"b\\c', "\\n", "{topic=}", "a b", "\u00e9\u2028\U0001f600", "# EOF", "'"]
    for name in names:
        await desk.publish(name, b"x")

    samples = await scrape(desk, accept)

    for name in names:
        assert samples[of("topic_messages_ready", topic=name)] == 1


async def test_number_of_series_is_bounded(desk: Desk) -> None:
    for number in range(600):
        await desk.publish(f"topic{number:03}", b"x")

    samples = await scrape(desk)

    ready = {dict(labels)["topic"] for name, labels in samples if "messages_ready" in name}
    assert ready == {f"topic{number:03}" for number in range(500)} | {"/others"}
    assert samples[of("topic_messages_ready", topic="/others")] == 100
    assert samples[of("topics")] == 600


async def test_writes_of_the_store_are_histograms(clock: ManualClock) -> None:
    storage = MemoryStorage()
    desk = Desk(clock, storage)
    for seconds in (0.00005, 0.0001, 0.003, 60.0):
        desk.metrics.write_times.fsync.note(seconds)

    samples = await scrape(desk)

    def bucket(bound: str) -> float:
        return samples[of("storage_fsync_seconds_bucket", le=bound)]

    assert [bucket(bound) for bound in ("0.0001", "0.0025", "0.005", "10.0", "+Inf")] == [
        *(2, 2, 3, 3, 4),
    ]
    assert samples[of("storage_fsync_seconds_count")] == 4
    assert samples[of("storage_fsync_seconds_sum")] == pytest.approx(60.00315)
    assert samples[of("storage_commit_seconds_count")] == 0


async def test_broker_that_drains_says_so(desk: Desk) -> None:
    assert (await scrape(desk))[of("draining")] == 0
    desk.broker.drain()
    await desk.ask("POST", "/publish/orders", b"x")

    samples = await scrape(desk)

    assert samples[of("draining")] == 1
    assert samples[of("publishes_refused_total", reason="draining")] == 1


async def test_damages_are_counted(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (await scrape(desk))[of("storage_damages")] == 0
    monkeypatch.setattr(MemoryStorage, "damages", ("one", "two"))

    assert (await scrape(desk))[of("storage_damages")] == 2


async def test_store_that_refuses_publishes_says_so(clock: ManualClock) -> None:
    storage = FailingStorage()
    desk = Desk(clock, storage)
    assert (await scrape(desk))[of("storage_writable")] == 1
    storage.has_failed = True

    assert (await scrape(desk))[of("storage_writable")] == 0


@pytest.mark.parametrize(
    ("target", "headers", "reason"),
    [
        ("/publish/orders", {"content-length": f"{2 << 20}"}, "message_too_long"),
        ("/publish/orders", {"content-length": "7"}, "body_cut_short"),
        ("/publish/orders", {"idempotency-key": "x" * 300}, "bad_parameter"),
        ("/publish/orders?delay=2s&ttl=1s", {}, "contradiction"),
        ("/publish/orders?priority=high", {}, "bad_parameter"),
        ("/publish/orders/batch", {"content-type": "text/html"}, "unknown_content_type"),
        ("/publish/orders/batch?ttl=now", {}, "bad_parameter"),
        ("/publish/%ff", {}, "bad_request"),
        ("/publish/%00/batch", {}, "bad_request"),
    ],
)
async def test_refusal_is_counted_once_whoever_refused(
    desk: Desk, target: str, headers: dict[str, str], reason: str
) -> None:
    answer = await desk.ask("POST", target, b"x", headers=headers)

    assert answer.status >= 400
    assert {name: count for name, count in desk.metrics.refused.items() if count} == {reason: 1}


async def test_batch_counts_the_line_at_which_it_ended(desk: Desk) -> None:
    await desk.value("PUT", "/topics/orders", {"maxMessages": 5})

    answer = await desk.ask("POST", "/publish/orders/batch", b"line\n" * 100)

    assert [each.get("published") for each in answer.values if "published" in each][-1] == 5
    assert {name: count for name, count in desk.metrics.refused.items() if count} == {
        "topic_full": 1
    }


async def test_batch_that_comes_too_late_is_counted(desk: Desk) -> None:
    desk.broker.drain()

    await desk.ask("POST", "/publish/orders/batch", b"line\n" * 100)

    assert desk.metrics.refused["draining"] == 1


async def test_process_is_shown_too(desk: Desk) -> None:
    samples = await scrape(desk)

    for name in ("start_time_seconds", "resident_memory_bytes", "open_fds", "cpu_seconds_total"):
        assert samples[f"process_{name}", frozenset()] > 0


@pytest.mark.parametrize(
    ("accept", "is_openmetrics"),
    [
        ("", False),
        ("*/*", False),
        ("text/plain", False),
        ("application/openmetrics-text", True),
        ("Application/OpenMetrics-Text ; Version=1.0.0", True),
        ('application/openmetrics-text;version="1.0.0"', True),
        (ACCEPT_OF_PROMETHEUS_2, True),
        (ACCEPT_OF_PROMETHEUS_3, True),
        ("application/openmetrics-text;version=0.0.1", False),
        ("application/openmetrics-text;version=2.0.0", False),
        ("application/openmetrics-text;version=banana", False),
        ("application/openmetrics-text;q=0.2, text/plain;q=0.3", False),
        ("application/openmetrics-text;q=0", False),
        ("application/openmetrics-text;q=much", False),
        ("application/openmetrics-text;q=nan", False),
        ("application/openmetrics-text;;;q", False),
        ("image/png", False),
        (",;=,,", False),
        ("\x00\u00ff", False),
    ],
)
def test_openmetrics_is_for_those_who_prefer_it(accept: str, is_openmetrics: bool) -> None:
    assert prefers_openmetrics(accept) == is_openmetrics


@pytest.mark.parametrize(
    ("accept", "content_type"),
    [
        (ACCEPT_OF_PROMETHEUS_3, OPENMETRICS),
        ("application/openmetrics-text;version=banana", PLAIN),
        ("image/png", PLAIN),
    ],
)
async def test_content_type_is_that_of_the_format(
    desk: Desk, accept: str, content_type: str
) -> None:
    page = await desk.ask("GET", "/metrics", headers={"accept": accept})

    assert page.headers["content-type"].startswith(content_type)
    assert page.body.endswith(b"# EOF\n") == (content_type == OPENMETRICS)
    assert page.body.count(b"# EOF") == (content_type == OPENMETRICS)
    assert page.headers["vary"] == "accept"


async def test_head_tells_of_a_page_and_sends_none(desk: Desk) -> None:
    head = await desk.ask("HEAD", "/metrics")

    assert (head.status, head.body) == (200, b"")
    assert head.headers["content-type"] == PLAIN
    assert int(head.headers["content-length"]) > 1000


async def test_only_reading_is_allowed(desk: Desk) -> None:
    status, error = await desk.refusal("POST", "/metrics")

    assert status == 405
    assert "not allowed" in error
