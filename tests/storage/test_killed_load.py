"""kill -9 in the middle of a load, wherever that is: the snapshot before or the next, whole."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from miniqueue_py.storage.keyvalue.library import Library
from miniqueue_py.storage.ordered.offline.inspection import inspect_database
from miniqueue_py.testing.storing import bodies, lease
from tests.outside.server import PROJECT
from tests.storage import loader
from tests.storage.faulty import reopen

pytestmark = pytest.mark.anyio

SLICES = 8
MESSAGES = SLICES * loader.SLICE


def load_and_kill(path: str, after_lines: int) -> int:
    """Load until so many lines were said, then kill; return how many loads had ended by then."""
    command = [sys.executable, loader.__file__, path, str(MESSAGES)]
    environment = {**os.environ, "PYTHONPATH": str(PROJECT)}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment) as process:
        assert process.stdout is not None
        said = [process.stdout.readline().strip() for _ in range(after_lines)]
        process.kill()
        rest = process.stdout.read().split("\n")
    assert "stored a slice" in said
    return (said + rest).count("loaded")


# The last slice of the second load, and what follows it, are where the places change.
@pytest.mark.parametrize("after_lines", [SLICES + 1, SLICES + 5, *[2 * SLICES + 1] * 3, 30])
async def test_killed_load_leaves_a_whole_snapshot(
    tmp_path: Path, library: Library, after_lines: int
) -> None:
    ended = load_and_kill(f"{library.scheme}:{tmp_path}", after_lines)

    damages = inspect_database(tmp_path, check=lambda _messages, _bytes: None).damages
    storage = reopen(tmp_path)
    found = bodies(lease(storage, "topic", 2 * MESSAGES))

    loads = [
        [b"%d of load %d" % (number, load) for number in range(MESSAGES)]
        for load in (ended - 1, ended)
    ]
    assert found in loads
    assert damages == []
    await storage.aclose()
