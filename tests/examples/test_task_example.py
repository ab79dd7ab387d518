"""The example of tasks does what it says: one program posts, and `miniqueue work` does it."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from miniqueue_py import SyncClient
from tests.client.sync.waiting import wait_counts
from tests.examples.running import PATIENCE, Example
from tests.outside.server import PROJECT


@pytest.fixture
def worker(where: tuple[str, ...]) -> Iterator["subprocess.Popen[str]"]:
    words = ["work", "tasks:handlers", "--app-dir", "examples", *where]
    with subprocess.Popen(
        [sys.executable, "-m", "miniqueue_py", *words],
        cwd=PROJECT,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        yield running
        running.kill()


def post(where: tuple[str, ...], kind: str, payload: str) -> str:
    with Example("tasks.py", *where, kind, payload) as example:
        [task_id] = example.wait()
    return task_id


def test_tasks_are_posted_and_done(
    where: tuple[str, ...], sync_queue: SyncClient, worker: "subprocess.Popen[str]"
) -> None:
    ids = [
        post(where, "email-notification", "user@example.com"),
        post(where, "email-notification", "nobody"),
        post(where, "email-notification", "me@busy.example"),
        post(where, "resize", "a.jpg"),
    ]
    wait_counts(sync_queue, "tasks", acknowledged=2, ready=0, in_flight=0, delayed=0)
    wait_counts(sync_queue, "tasks.dead", ready=2)
    worker.send_signal(signal.SIGTERM)
    printed, said = worker.communicate(timeout=PATIENCE)

    assert worker.returncode == 0
    assert sorted(printed.splitlines()) == ["sent to me@busy.example", "sent to user@example.com"]
    assert ids == sorted(ids)
    assert f"task {ids[0]} 'email-notification' (attempt 1): done in " in said
    assert f"task {ids[1]} 'email-notification' (attempt 1): dead letter: an address has" in said
    assert f"task {ids[2]} 'email-notification' (attempt 1): failed in " in said
    assert f"task {ids[2]} 'email-notification' (attempt 2): done in " in said
    assert f"task {ids[3]} 'resize' (attempt 1): dead letter: it is no Picture" in said
