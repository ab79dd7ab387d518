"""The page of metrics: what is told of it is what is in it."""

import asyncio
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from prometheus_client import Metric
from prometheus_client.parser import text_string_to_metric_families

from miniqueue_py.broker.administration import Administration
from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.events import Observers
from miniqueue_py.http.access.audit import Audit
from miniqueue_py.http.servers.connections import ConnectionLimits, Connections
from miniqueue_py.storage.memory import MemoryStorage
from miniqueue_py.telemetry.exposition import Exposition
from miniqueue_py.telemetry.metrics import Metrics
from miniqueue_py.telemetry.topic_series import MOST_TOPICS, OTHERS
from miniqueue_py.testing.clock import ManualClock
from tests.broker.scenes import publish

pytestmark = pytest.mark.anyio

OPERATING = Path(__file__).resolve().parents[2] / "docs" / "operating.md"
TYPE_ENDS = {"counter": "_total", "info": "_info"}


@pytest.fixture
def broker() -> Broker:
    return Broker(MemoryStorage(), ManualClock())


@pytest.fixture
def exposition(broker: Broker) -> Exposition:
    storage = broker._storage
    administration = Administration(broker, storage, Observers())
    connections = Connections(ConnectionLimits())
    connections.certificate_expires_at = 1_800_000_000.0
    connections.foreign = {"host": 1, "origin": 0}
    audit = Audit(ManualClock(), nothing_told)
    return Exposition(Metrics(), broker, administration, connections, audit)


def nothing_told(_event: str, _facts: Mapping[str, object]) -> None:
    """Write no line."""


@pytest.fixture
async def families(exposition: Exposition, broker: Broker) -> list[Metric]:
    await publish(broker, b"one")
    page, _ = await exposition.render(is_openmetrics=False)
    return list(text_string_to_metric_families(page.decode()))


def chapter() -> str:
    _, _, rest = OPERATING.read_text().partition("\n## Metrics\n")
    return rest.partition("\n## ")[0]


async def test_every_metric_of_ours_is_in_the_manual_and_no_other(families: list[Metric]) -> None:
    ours = {
        family.name + TYPE_ENDS.get(family.type, "")
        for family in families
        if family.name.startswith("miniqueue_")
    }
    # The counters of topics are told in one row, the first of them in full.
    told = set(re.findall(r"\bminiqueue_\w+", chapter())) - {
        "miniqueue_storage_fsync_seconds_bucket"
    }
    for rest in re.findall(r"`(_\w+_total)`", chapter()):
        told.add(f"miniqueue_topic_messages{rest}")

    assert {name.removesuffix("_info") for name in told} == {
        name.removesuffix("_info") for name in ours
    }


async def test_every_value_of_a_label_is_in_the_manual(families: list[Metric]) -> None:
    values = {
        value
        for family in families
        for sample in family.samples
        for label, value in sample.labels.items()
        if label in {"reason", "outcome"}
    }

    assert len(values) > 15
    assert [value for value in values if f"`{value}`" not in chapter()] == []
    assert f"{MOST_TOPICS} topics have series" in chapter()
    assert f'`topic="{OTHERS}"`' in chapter()


async def test_every_metric_has_a_sentence(families: list[Metric]) -> None:
    assert [family.name for family in families if not family.documentation.endswith(".")] == []


async def test_others_have_their_turn_between_the_families(
    exposition: Exposition, families: list[Metric]
) -> None:
    rendering = asyncio.create_task(exposition.render(is_openmetrics=True))
    turns = 0
    while not rendering.done():
        await asyncio.sleep(0)
        turns += 1

    assert turns >= len(families)


def test_broker_serves_before_it_imports_what_takes_long() -> None:
    program = "import sys, miniqueue_py.server; print(*sys.modules)"
    imported = subprocess.run(
        [sys.executable, "-c", program], check=True, capture_output=True, text=True
    ).stdout.split()

    assert "miniqueue_py.telemetry.metrics" in imported
    assert not {"prometheus_client", "quart"} & set(imported)
