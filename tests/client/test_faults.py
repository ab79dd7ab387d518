"""Random faults on the way, kill -9 and SIGTERM at its end: nothing is lost, nothing is doubled."""

from pathlib import Path

import anyio
import pytest

from tests.client.faults import Plan, Run
from tests.client.leaks import rss_bytes
from tests.client.proxy import Proxy
from tests.outside.seed import seeded_random
from tests.outside.server import RunningBroker

pytestmark = pytest.mark.anyio

PLAN = Plan(seconds=2.5, ends=2, every_bytes=30_000, bytes_of_a_life=250_000)

ALLOWED_GROWTH = 64 << 20


async def test_what_is_published_among_faults_and_ends_is_acknowledged_once(
    own_broker: RunningBroker, ca: Path, topic: str
) -> None:
    before = rss_bytes()
    with seeded_random() as choices, Proxy(own_broker.port) as proxy:
        run = Run(PLAN, own_broker, proxy, ca, topic, choices)
        with anyio.fail_after(60):
            await run.go()

        assert run.kills >= 1
        assert run.drains >= 1
        assert run.ledger.done == run.ledger.begun > 100
        assert proxy.faults.total() >= 5, "there were no faults to speak of"
    assert rss_bytes() - before < ALLOWED_GROWTH
