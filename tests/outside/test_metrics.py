"""/metrics of a running broker, scraped with curl: true to what was done, in both formats."""

import asyncio
import time
from collections.abc import Callable, Iterable

import pytest
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as read_openmetrics
from prometheus_client.parser import text_string_to_metric_families as read_plain

from tests.outside.consumer import publish
from tests.outside.credit import CreditConsumer
from tests.outside.curl import run_curl
from tests.outside.server import RunningBroker
from tests.outside.stream import PATIENCE
from tests.outside.wire import Connection

pytestmark = pytest.mark.anyio

Read = Callable[[str], Iterable[Metric]]
Samples = dict[str, float]
"""By name and labels, as in `published_total{topic="a"}`."""

LONGEST = 1024


@pytest.fixture(scope="module")
def flags() -> tuple[str, ...]:
    return ("-fsync", "always", "-period", "50ms", "-max-message", str(LONGEST))


async def fetch(broker: RunningBroker, *options: str) -> str:
    url = f"https://localhost:{broker.port}/metrics"
    return (await run_curl(broker.ca, *options, url)).decode()


def samples_of(page: str, read: Read) -> Samples:
    return {
        sample.name
        + "".join(f'{{{label}="{value}"}}' for label, value in sample.labels.items()): sample.value
        for family in read(page)
        for sample in family.samples
    }


async def scrape(broker: RunningBroker) -> Samples:
    page = await fetch(broker, "-H", "Accept: application/openmetrics-text")
    return samples_of(page, read_openmetrics)


async def since(broker: RunningBroker, before: Samples) -> Samples:
    """What was added to what counts; other tests have used the broker before."""
    return {
        name.removeprefix("miniqueue_"): value - before.get(name, 0)
        for name, value in (await scrape(broker)).items()
        if value != before.get(name, 0)
    }


async def wait_added(broker: RunningBroker, before: Samples, expected: Samples) -> None:
    """Scrape again and again, until this was added."""
    added: Samples = {}
    try:
        async with asyncio.timeout(PATIENCE):
            while any(added.get(name) != value for name, value in expected.items()):
                added = await since(broker, before)
    except TimeoutError:
        raise AssertionError(f"{expected} did not come true: {added}") from None


async def test_what_is_done_is_counted(
    broker: RunningBroker, connection: Connection, topic: str
) -> None:
    before = await scrape(broker)
    await publish(connection, topic, *(b"%d" % number for number in range(10)))
    await connection.request("POST", f"/publish/{topic}?ttl=1ms", b"brief")
    await connection.request("POST", f"/publish/{topic}?delay=1h", b"later")
    consumer = await CreditConsumer.with_credit(connection, topic, 5)
    await consumer.take_bodies(5)
    await consumer.send("ACK ..2", "NACK 3", "DEAD 4", "DACK 3600 5")
    await consumer.take_bodies(5)

    shown = f'{{topic="{topic}"}}'
    await wait_added(
        broker,
        before,
        {
            "messages_published_total": 12,
            "published_bytes_total": 20,
            "messages_delivered_total": 10,
            "messages_redelivered_total": 1,
            'deliveries_settled_total{outcome="ack"}': 2,
            'deliveries_settled_total{outcome="nack"}': 1,
            'deliveries_settled_total{outcome="dead"}': 1,
            'deliveries_settled_total{outcome="dack"}': 1,
            'messages_dead_lettered_total{reason="DEAD"}': 1,
            "subscribers": 1,
            f"topic_messages_delayed{shown}": 2,
            f"topic_consumers{shown}": 1,
            f"topic_messages_acknowledged_total{shown}": 2,
            f"topic_messages_expired_total{shown}": 1,
            f"topic_messages_dead_lettered_total{shown}": 1,
        },
    )

    consumer.stream.reset()
    await wait_added(broker, before, {'deliveries_settled_total{outcome="left"}': 5})


async def test_refusals_are_counted_by_reason(
    broker: RunningBroker, connection: Connection, topic: str
) -> None:
    before = await scrape(broker)

    for path, body in (
        (f"/publish/{topic}", b"x" * (LONGEST + 1)),
        (f"/publish/{topic}?delay=soon", b""),
        (f"/publish/{topic}?delay=1h&ttl=1m", b""),
    ):
        assert (await connection.request("POST", path, body)).status >= 400

    refused = {
        f'publishes_refused_total{{reason="{reason}"}}': 1.0
        for reason in ("message_too_long", "bad_parameter", "contradiction")
    }
    added = await since(broker, before)
    assert {name: value for name, value in added.items() if "refused" in name} == refused


async def test_writes_and_syncs_are_timed(
    broker: RunningBroker, connection: Connection, topic: str
) -> None:
    before, start = await scrape(broker), time.monotonic()
    await publish(connection, topic, b"1", b"2", b"3")
    added = await since(broker, before)

    for name in ("commit", "fsync"):
        assert added[f"storage_{name}_seconds_count"] >= 1
        assert 0 < added[f"storage_{name}_seconds_sum"] < time.monotonic() - start


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
async def test_both_formats_are_what_their_parsers_read(
    broker: RunningBroker, connection: Connection, version: str, topic: str
) -> None:
    await publish(connection, f"{topic}%22%5C", b"x")

    plain = samples_of(await fetch(broker, version), read_plain)
    openmetrics = samples_of(
        await fetch(broker, version, "-H", "Accept: application/openmetrics-text"), read_openmetrics
    )

    assert plain.keys() == openmetrics.keys()
    assert plain[f'miniqueue_topic_messages_ready{{topic="{topic}"\\"}}'] == 1
    assert plain["process_resident_memory_bytes"] > 1 << 20


@pytest.mark.parametrize("version", ["--http1.1", "--http2"])
async def test_head_has_the_headers_of_the_page(broker: RunningBroker, version: str) -> None:
    head = (await fetch(broker, version, "--head")).lower()

    assert " 200" in head.splitlines()[0]
    assert "content-type: text/plain; version=0.0.4; charset=utf-8" in head


@pytest.mark.parametrize(
    "accept", ["application/openmetrics-text;version=banana", "image/png", ";;q=q,=", "x" * 4000]
)
async def test_accept_that_makes_no_sense_gets_the_plain_page(
    broker: RunningBroker, accept: str
) -> None:
    page = await fetch(broker, "-i", "-H", f"Accept: {accept}")

    assert " 200" in page.splitlines()[0]
    assert "content-type: text/plain; version=0.0.4" in page.lower()
