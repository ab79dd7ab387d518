"""What signals do to a worker: some drain, some do nothing."""

import signal
from collections.abc import Callable
from pathlib import Path

from tests.cli.commands import PATIENCE, Commands
from tests.cli.pages import Pages

JOBS = """
import asyncio, pathlib

async def handlers() -> None:
    while not pathlib.Path("go on").exists():
        await asyncio.sleep(0.01)
"""


def test_a_terminal_that_closes_and_says_so_twice_lets_what_runs_finish(
    commands: Commands, pages: Pages, topic: str, tmp_path: Path
) -> None:
    (tmp_path / "waiting.py").write_text(JOBS)
    pages.publish(topic, b'{"id":"1","type":"wait","payload":null}')
    worker = commands.start("work", "waiting:handlers", "--topic", topic)
    assert worker.stderr is not None
    pages.wait_until(topic, lambda told: told["inFlight"] == 1)

    for number in (signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE, signal.SIGHUP):
        worker.send_signal(number)
    said = read_until(worker.stderr.readline, b"got SIGHUP: draining")
    worker.send_signal(signal.SIGHUP)
    (tmp_path / "go on").touch()

    assert worker.wait(PATIENCE) == 0
    assert said.count(b"got ") == 1
    # The worker is gone when its ACK has left; the broker may read it a moment later.
    pages.wait_until(topic, lambda told: told["acknowledged"] == 1)


def read_until(read_line: Callable[[], bytes], words: bytes) -> bytes:
    said = b""
    while words not in said:
        line = read_line()
        assert line, said
        said += line
    return said
