"""`run` and its signals, in processes of their own."""

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from miniqueue_py.client import Client, Worker
from tests.client.waiting import PATIENCE, wait_counts
from tests.outside.server import PROJECT

pytestmark = pytest.mark.anyio

PROGRAM = """
import logging, sys, time, anyio
from miniqueue_py import Worker

logging.basicConfig(level=logging.INFO)
url, ca, topic, backend = sys.argv[1:]
worker = Worker(url, ca=ca)

@worker.handles(topic)
async def wait() -> None:
    logging.info("begun")
    await anyio.sleep_forever()

worker.run(backend)
print("returned")
"""


@pytest.fixture
def program(
    tmp_path: Path, url: str, ca: Path, topic: str, anyio_backend: str
) -> Iterator["subprocess.Popen[str]"]:
    file = tmp_path / "program.py"
    file.write_text(PROGRAM)
    with subprocess.Popen(
        [sys.executable, str(file), url, str(ca), topic, anyio_backend],
        env={"PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        yield running
        running.kill()


def read_until(running: "subprocess.Popen[str]", words: str) -> str:
    assert running.stderr is not None
    for line in running.stderr:
        if words in line:
            return line
    raise AssertionError(f"it never said {words!r}")


async def test_a_second_signal_ends_at_once_and_gives_back(
    program: "subprocess.Popen[str]", queue: Client, topic: str
) -> None:
    await queue.publish(topic, b"1")
    await anyio.to_thread.run_sync(read_until, program, "begun")

    program.send_signal(signal.SIGINT)
    await anyio.to_thread.run_sync(read_until, program, "got SIGINT: draining, for 30 s at most")
    await wait_counts(queue, topic, in_flight=1)
    program.send_signal(signal.SIGTERM)
    said, _ = await anyio.to_thread.run_sync(program.communicate, None, PATIENCE)

    assert program.returncode == 0
    assert said == "returned\n"
    await wait_counts(queue, topic, ready=1, in_flight=0)
    assert [message.attempt for message in await queue.peek(topic)] == [1]


async def test_run_in_a_thread_ends_by_stop(
    url: str, ca: Path, queue: Client, topic: str, anyio_backend: str
) -> None:
    worker = Worker(url, ca=ca)

    @worker.handles(topic)
    async def handle() -> None:
        worker.stop()

    await queue.publish(topic, b"1")
    thread = threading.Thread(target=worker.run, args=[anyio_backend], daemon=True)
    thread.start()
    await anyio.to_thread.run_sync(thread.join, PATIENCE)

    assert not thread.is_alive()
    await wait_counts(queue, topic, acknowledged=1)
