"""Commands whose log or output nobody reads: they go on, and hear their signals."""

import fcntl
import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.cli.commands import PATIENCE, Commands, finish
from tests.cli.pages import Pages
from tests.client.proxy import Proxy
from tests.outside.server import RunningBroker

SMALL = 4096
TASKS = 200

JOBS = """
async def send(to: str) -> None:
    print("sent to", to)

def resize(picture: str) -> None:
    print("resized", picture)

handlers = {"send": send, "resize": resize}
"""


class Pipe(NamedTuple):
    reading: int
    writing: int


@pytest.fixture
def small() -> Iterator[Pipe]:
    """A pipe that nobody reads, and that is soon full."""
    pipe = Pipe(*os.pipe())
    fcntl.fcntl(pipe.writing, fcntl.F_SETPIPE_SZ, SMALL)
    yield pipe
    os.close(pipe.reading)


@pytest.fixture
def jobs(tmp_path: Path) -> str:
    (tmp_path / "jobs.py").write_text(JOBS)
    return "jobs:handlers"


@pytest.mark.parametrize("unread", ["stdout", "stderr"])
def test_a_worker_whose_output_nobody_reads_does_its_tasks_and_drains(  # noqa: PLR0913, PLR0917
    commands: Commands, pages: Pages, topic: str, jobs: str, small: Pipe, unread: str
) -> None:
    for number in range(TASKS):
        kind, text = ("send", "resize")[number % 2], "x" * 100
        task = {"id": str(number), "type": kind, "payload": text}
        pages.publish(topic, json.dumps(task).encode())
    worker = commands.start("work", jobs, "--topic", topic, **{unread: small.writing})
    os.close(small.writing)

    pages.wait_until(topic, lambda told: told["acknowledged"] == TASKS)
    worker.send_signal(signal.SIGTERM)

    assert worker.wait(PATIENCE) == 0


def test_what_functions_printed_and_nobody_read_is_told_on_stderr(
    commands: Commands, pages: Pages, topic: str, tmp_path: Path
) -> None:
    (tmp_path / "loud.py").write_text("def handlers():\n    print('x' * 700_000)\n")
    for _ in range(3):
        pages.publish(topic, b'{"id":"1","type":"any","payload":null}')
    worker = commands.start("work", "loud:handlers", "--topic", topic, "--json")
    pages.wait_until(topic, lambda told: told["acknowledged"] == 3)
    worker.send_signal(signal.SIGTERM)

    done = finish(worker)

    assert done.status == 0
    assert done.out.count(b"x") == 700_000
    facts = [json.loads(line) for line in done.err.splitlines()]
    [dropped] = [fact for fact in facts if fact["event"] == "output.dropped"]
    assert dropped["lines"] == 2


def test_a_follower_whose_notes_nobody_reads_goes_on(
    commands: Commands, pages: Pages, broker: RunningBroker, topic: str, small: Pipe
) -> None:
    os.write(small.writing, b"x" * SMALL)
    pages.publish(topic, b"one")
    with Proxy(broker.port) as proxy:
        words = ("subscribe", topic, "--follow", "-n", "2", "--url", proxy.url)
        follower = commands.start(*words, stderr=small.writing)
        os.close(small.writing)
        assert follower.stdout is not None
        assert follower.stdout.readline() == b"one\n"
        pages.wait_until(topic, lambda told: told["acknowledged"] == 1)

        proxy.reset()
        pages.publish(topic, b"two")

        assert follower.stdout.readline() == b"two\n"
        assert follower.wait(PATIENCE) == 0
