"""What using the client imports."""

import os
import sys
from pathlib import Path

import anyio
import pytest

from miniqueue_py.http2.choose import VARIABLE
from tests.client.waiting import PATIENCE

pytestmark = pytest.mark.anyio

PROGRAM = """
import sys
import anyio
from miniqueue_py import Client

async def main(url: str, ca: str) -> None:
    async with Client(url, ca=ca) as queue:
        await queue.publish("imports", b"1")
        async with queue.subscribe("imports") as deliveries:
            await (await deliveries.receive()).ack()

anyio.run(main, *sys.argv[1:])
unwanted = {"h2", "hpack", "hyperframe", "hypercorn", "quart"}
sys.exit(f"imported {unwanted & set(sys.modules)}" if unwanted & set(sys.modules) else 0)
"""


async def test_a_client_on_ngh2_imports_no_h2(url: str, ca: Path) -> None:
    with anyio.fail_after(PATIENCE):
        command = [sys.executable, "-c", PROGRAM, url, str(ca)]
        await anyio.run_process(command, env=os.environ | {VARIABLE: "ngh2"})
