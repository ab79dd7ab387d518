"""Tasks are done at least once, whatever becomes of the workers; what fails ends as a dead letter.

The module that works writes down each attempt with its instant, so the gaps
between them are read from there, and not from the broker.
"""

import json
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.client.proxy import Proxy
from tests.outside.server import PROJECT, RunningBroker, StartBroker
from tests.outside.task_worker import PATIENCE, TaskQueue, TaskWorker

JOBS = """
import asyncio, json, os, pathlib, time

here = pathlib.Path(__file__).parent
log = os.open(here / "attempts", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

def note(task, what):
    line = {"what": what, "payload": task.payload, "id": task.id, "at": time.time()}
    os.write(log, json.dumps(line).encode() + b"\\n")

from miniqueue_py import Task

def fail(task: Task) -> None:
    note(task, "began")
    raise ValueError("as always")

async def wait_for_file(task: Task) -> None:
    note(task, "began")
    while not (here / task.payload).exists():
        await asyncio.sleep(0.01)
    note(task, "done")

def quick(task: Task) -> None:
    time.sleep(0.002)
    note(task, "done")

handlers = {"fail": fail, "wait": wait_for_file, "quick": quick}
"""

QUICKLY = {"initial": 0.2, "factor": 2, "max": 60, "jitter": 0}


@pytest.fixture
def jobs(tmp_path: Path) -> Path:
    file = tmp_path / "jobs.py"
    file.write_text(JOBS)
    return file


@pytest.fixture
def broker(start_broker: StartBroker) -> RunningBroker:
    """One for each test: all tasks are in one topic."""
    return start_broker()


@pytest.fixture
def tasks(broker: RunningBroker) -> TaskQueue:
    return TaskQueue(broker)


def attempts(jobs: Path, what: str) -> list[dict[str, Any]]:
    """What was written down, each line at once."""
    file = jobs.parent / "attempts"
    lines = file.read_text().splitlines() if file.exists() else []
    return [fact for fact in map(json.loads, lines) if fact["what"] == what]


def wait_done(jobs: Path, count: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while (done := len(attempts(jobs, "done"))) < count:
        assert time.monotonic() < deadline, done


def redrive(broker: RunningBroker) -> str:
    where = ["--url", f"https://localhost:{broker.port}", "--ca", str(broker.ca)]
    done = subprocess.run(
        [sys.executable, "-m", "miniqueue_py", "redrive", "tasks.dead", *where],
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=True,
    )
    return done.stdout


def test_a_worker_killed_in_the_middle_of_a_task_leaves_it_to_another(
    broker: RunningBroker, tasks: TaskQueue, jobs: Path
) -> None:
    tasks.set_policy(maxDeliveries=4, backoff=QUICKLY)
    with TaskWorker(broker, jobs) as first:
        task_id = tasks.post("wait", "go on")
        tasks.wait_stats(processing=1, workers=1)
        first.kill()

    tasks.wait_stats(processing=0, workers=0)
    (jobs.parent / "go on").touch()
    with TaskWorker(broker, jobs) as second:
        second.wait_for(lambda fact: fact.get("event") == "task.done")
        tasks.wait_stats(pending=0, processing=0, retrying=0, dead_letter=0)

    (done,) = attempts(jobs, "done")
    assert done["id"] == task_id
    [told] = [fact for fact in second.facts if fact["event"] == "task.done"]
    assert told["task_id"] == task_id
    assert told["type"] == "wait"
    assert told["attempt"] == 2


def test_one_that_always_fails_is_retried_three_times_and_is_one_dead_letter(
    broker: RunningBroker, tasks: TaskQueue, jobs: Path
) -> None:
    tasks.set_policy(maxDeliveries=4, backoff=QUICKLY)
    with TaskWorker(broker, jobs) as worker:
        tasks.post("fail")
        tasks.wait_stats(dead_letter=1, pending=0, processing=0, retrying=0)
        began = [each["at"] for each in attempts(jobs, "began")]
        gaps = [later - earlier for earlier, later in pairwise(began)]

        # A machine that is slow makes a gap longer; shorter than the policy says it is never.
        assert all(gap > wait - 0.002 for gap, wait in zip(gaps, (0.2, 0.4, 0.8), strict=True))
        worker.wait_for(lambda fact: fact.get("event") == "task.dead")
        announced = [fact.get("again_in_seconds") for fact in worker.facts if "task_id" in fact]
        assert announced == [0.2, 0.4, 0.8, None]
        events = [fact["event"] for fact in worker.facts if "task_id" in fact]
        assert events == ["task.retried"] * 3 + ["task.dead"]

        assert redrive(broker) == "sent back: 1\n"
        worker.wait_for(lambda fact: fact.get("event") == "task.dead", count=2)

    tasks.wait_stats(dead_letter=1, pending=0)
    assert len(attempts(jobs, "began")) == 8


def test_nothing_is_lost_of_a_burst_while_workers_are_killed(
    broker: RunningBroker, tasks: TaskQueue, jobs: Path
) -> None:
    tasks.set_policy(maxDeliveries=100, backoff=QUICKLY | {"max": 0.2})
    rounds, burst = 4, 150
    posted: set[str] = set()

    with ThreadPoolExecutor(8) as posters:
        for _ in range(rounds):
            ids = posters.map(lambda _: tasks.post("quick"), range(burst))
            enough = len(attempts(jobs, "done")) + 30
            with TaskWorker(broker, jobs), TaskWorker(broker, jobs):
                wait_done(jobs, enough)
            posted |= set(ids)

    with TaskWorker(broker, jobs) as last:
        tasks.wait_stats(pending=0, processing=0, retrying=0, dead_letter=0, workers=1)
        last.send_signal(signal.SIGTERM)
        assert last.wait() == 0
    assert len(posted) == rounds * burst
    assert {each["id"] for each in attempts(jobs, "done")} == posted


def test_a_worker_waits_for_a_broker_that_is_away_and_comes_back(
    broker: RunningBroker, jobs: Path
) -> None:
    with Proxy(broker.port) as proxy, TaskWorker(broker, jobs, "--url", proxy.url) as worker:
        TaskQueue(broker).post("quick", 1)
        worker.wait_for(lambda fact: fact.get("event") == "task.done")
        TaskQueue(broker).wait_stats(pending=0, processing=0)
        broker.kill()
        worker.wait_said("is away")
        broker.start()
        proxy.aim(broker.port)
        TaskQueue(broker).post("quick", 2)
        TaskQueue(broker).wait_stats(pending=0, processing=0, workers=1)

        worker.send_signal(signal.SIGTERM)
        assert worker.wait() == 0

    assert {each["payload"] for each in attempts(jobs, "done")} == {1, 2}


def test_the_first_task_brings_the_retries(tasks: TaskQueue, broker: RunningBroker) -> None:
    with ThreadPoolExecutor(8) as posters:
        ids = set(posters.map(lambda _: tasks.post("any"), range(40)))

    assert len(ids) == 40
    tasks.wait_stats(pending=40, paused=False)
    policy = json.loads(tasks._ask("GET", "/topics/tasks"))["policy"]
    assert policy["maxDeliveries"] == 4
    assert policy["backoff"] == {"initial": 1, "factor": 2, "max": 60, "jitter": 0.1}
    assert policy["lease"] == 300
