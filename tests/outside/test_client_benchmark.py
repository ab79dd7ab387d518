"""The benchmark of the client, as small as it can be: it runs, and keeps its own promises."""

import anyio
import pytest

from benchmarks.client_ours import consume, send_many, send_one_by_one
from benchmarks.crossing import Load
from miniqueue_py.client import Client
from tests.outside.server import StartBroker

pytestmark = pytest.mark.anyio


async def test_each_message_of_the_benchmark_crosses_once(start_broker: StartBroker) -> None:
    broker = start_broker()
    load = Load.of(2_000, size=100, credit=1000, limit_seconds=10)

    with anyio.fail_after(load.limit_seconds):
        async with Client(f"https://localhost:{broker.port}", ca=broker.ca) as queue:
            await send_one_by_one(queue, "one", load)
            await send_many(queue, "many", load)
            await consume(queue, "one", load)
            await consume(queue, "many", load)
