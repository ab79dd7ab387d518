"""`miniqueue work`: tasks are done by functions of a module, and a signal lets them finish."""

import json
import logging
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from miniqueue_py.cli.work_log import work_log
from tests.cli.conftest import Here
from tests.cli.pages import Pages
from tests.client.proxy import Proxy
from tests.outside.server import RunningBroker
from tests.outside.task_worker import TaskWorker

JOBS = """
import asyncio, pathlib, threading, time
from miniqueue_py import Delivery, Reject, Retry, Task

here = pathlib.Path(__file__).parent
three = threading.Barrier(3)

async def send(to: str, delivery: Delivery) -> None:
    print("sent to", to)

def meet(number: int | None = None) -> None:
    three.wait(15)

async def wait(file: str) -> None:
    print("waits")
    while not (here / file).exists():
        await asyncio.sleep(0.01)

def hang() -> None:
    (here / "hangs").touch()
    time.sleep(600)

def fail() -> None:
    raise ValueError("\\x1b[31m no")

def reject() -> None:
    raise Reject("never")

def put_off() -> None:
    raise Retry(after=3600)

def anything(task: Task) -> None:
    (here / task.type).write_text(str(task.payload))

handlers = {f.__name__: f for f in (send, meet, wait, hang, fail, reject, put_off)}
nested = type("Nested", (), {"handlers": {"anything": anything}})
number = 17
"""

Start = Callable[..., TaskWorker]


@pytest.fixture
def jobs(tmp_path: Path) -> Path:
    file = tmp_path / "jobs.py"
    file.write_text(JOBS)
    return file


@pytest.fixture
def start(broker: RunningBroker, jobs: Path, topic: str) -> Iterator[Start]:
    """Start a worker, and wait until it is ready for work; none outlives the test."""
    with ExitStack() as stack:

        def start_one(*words: str) -> TaskWorker:
            worker = TaskWorker(broker, jobs, "--topic", topic, *words)
            stack.enter_context(worker)
            worker.wait_said("subscribed to")
            return worker

        yield start_one


def post(pages: Pages, topic: str, kind: str, payload: object = None) -> None:
    pages.publish(topic, json.dumps({"id": f"{kind}-1", "type": kind, "payload": payload}).encode())


def event_of(worker: TaskWorker, name: str) -> dict[str, Any]:
    worker.wait_for(lambda fact: fact.get("event") == name)
    return next(fact for fact in worker.facts if fact.get("event") == name)


def end(worker: TaskWorker) -> int:
    worker.send_signal(signal.SIGTERM)
    return worker.wait()


def test_a_task_is_done_by_the_function_for_its_type(
    start: Start, pages: Pages, topic: str
) -> None:
    post(pages, topic, "send", "user@example.com")

    worker = start()
    told = event_of(worker, "task.done")
    pages.wait_until(topic, lambda told: told["acknowledged"] == 1)

    assert end(worker) == 0
    assert told == {
        "timestamp": told["timestamp"],
        "level": "info",
        "event": "task.done",
        "task_id": "send-1",
        "type": "send",
        "message_id": told["message_id"],
        "attempt": 1,
        "seconds": told["seconds"],
    }
    assert 0 <= told["seconds"] < 10


def test_a_type_that_is_not_there_is_a_dead_letter_and_named(
    start: Start, pages: Pages, topic: str
) -> None:
    post(pages, topic, "nonsense")

    worker = start()
    told = event_of(worker, "task.dead")
    pages.wait_until(topic, lambda told: told["deadLettered"] == 1)

    assert (told["type"], told["reason"]) == ("nonsense", "nothing here does 'nonsense'")
    assert told["level"] == "warning"


@pytest.mark.parametrize(
    ("kind", "event", "told"),
    [
        ("fail", "task.retried", {"level": "error", "error": "ValueError: \x1b[31m no"}),
        ("reject", "task.dead", {"level": "warning", "reason": "never"}),
        ("put_off", "task.retried", {"level": "info", "again_in_seconds": 3600.0}),
    ],
)
def test_what_became_of_a_task_is_told(  # noqa: PLR0913, PLR0917  three ways to end
    start: Start, pages: Pages, topic: str, kind: str, event: str, told: dict[str, Any]
) -> None:
    post(pages, topic, kind)

    fact = event_of(start(), event)

    assert fact.items() >= told.items()
    trace = fact.get("traceback", "")
    assert ("jobs.py" in trace) == (kind == "fail")
    assert "miniqueue_py" not in trace


def test_as_many_are_done_at_once_as_is_said(start: Start, pages: Pages, topic: str) -> None:
    for _ in range(3):
        post(pages, topic, "meet")

    worker = start("--concurrency", "3")

    pages.wait_until(topic, lambda told: told["acknowledged"] == 3)
    assert end(worker) == 0


def test_one_function_may_do_all_types(
    broker: RunningBroker, jobs: Path, pages: Pages, topic: str
) -> None:
    post(pages, topic, "one", {"a": 1})
    other = jobs.with_name("single.py")
    other.write_text("from jobs import anything as handlers")

    with TaskWorker(broker, other, "--topic", topic) as worker:
        event_of(worker, "task.done")

    assert (jobs.parent / "one").read_text() == "{'a': 1}"


def test_a_first_signal_lets_what_runs_finish_and_takes_nothing_new(
    start: Start, pages: Pages, topic: str, jobs: Path
) -> None:
    post(pages, topic, "wait", "go on")
    worker = start("--concurrency", "1")
    pages.wait_until(topic, lambda told: told["inFlight"] == 1)

    worker.send_signal(signal.SIGTERM)
    worker.wait_said("got SIGTERM: draining, for 30 s at most")
    post(pages, topic, "send", "late")
    (jobs.parent / "go on").touch()

    assert worker.wait() == 0
    told = pages.wait_until(topic, lambda told: told["inFlight"] == 0)
    assert (told["acknowledged"], told["ready"]) == (1, 1)
    assert event_of(worker, "task.done")["type"] == "wait"


def test_ctrl_c_is_told_by_the_exit_status(start: Start) -> None:
    worker = start()

    worker.send_signal(signal.SIGINT)

    assert worker.wait() == 130


@pytest.mark.parametrize("kind", ["wait", "hang"])
def test_a_second_signal_ends_at_once_and_gives_back(
    start: Start, pages: Pages, topic: str, kind: str
) -> None:
    post(pages, topic, kind, "for ever")
    worker = start()
    pages.wait_until(topic, lambda told: told["inFlight"] == 1)

    worker.send_signal(signal.SIGTERM)
    worker.wait_said("draining")
    worker.send_signal(signal.SIGTERM)

    assert worker.wait() == 143
    pages.wait_until(topic, lambda told: told["ready"] == 1)
    assert [each["attempt"] for each in pages.waiting(topic)] == [1]


def test_a_thread_that_does_not_end_in_time_is_left_behind(
    start: Start, pages: Pages, topic: str, jobs: Path
) -> None:
    post(pages, topic, "hang")
    worker = start("--drain", "100ms")
    pages.wait_until(topic, lambda _: (jobs.parent / "hangs").exists())

    assert end(worker) == 0
    pages.wait_until(topic, lambda told: told["ready"] == 1)


def test_a_lease_is_renewed_for_as_long_as_a_function_runs(
    start: Start, pages: Pages, topic: str, jobs: Path
) -> None:
    """Other tasks come and go meanwhile, until the lease would have been over twice."""
    post(pages, topic, "wait", "go on")
    worker = start("--lease", "1s", "--concurrency", "2")
    began = event_of(worker, "worker.said")["timestamp"]

    def seconds_since() -> float:
        post(pages, topic, "send", "me")
        pages.wait_until(topic, lambda told: told["ready"] == 0)
        latest = [fact for fact in worker.facts if fact.get("type") == "send"]
        return _seconds(latest[-1]["timestamp"]) - _seconds(began) if latest else 0.0

    while seconds_since() < 2.5:
        pass
    (jobs.parent / "go on").touch()
    worker.wait_for(lambda fact: fact.get("type") == "wait")

    assert [fact["attempt"] for fact in worker.facts if fact.get("type") == "wait"] == [1]


def _seconds(timestamp: str) -> float:
    return datetime.fromisoformat(timestamp).timestamp()


def test_lines_for_people_steer_no_terminal(
    broker: RunningBroker, pages: Pages, topic: str, jobs: Path
) -> None:
    for kind, payload in (("send", "me"), ("fail", None), ("\x1b[31mred", None)):
        post(pages, topic, kind, payload)

    with TaskWorker(broker, jobs, "--topic", topic, as_json=False) as worker:
        worker.wait_said("ValueError")
        worker.wait_said("\\x1b[31mred")
        worker.wait_said("task send-1 'send' (attempt 1): done in ")
        worker.wait_said("task fail-1 'fail' (attempt 1): failed in ")

    said = "".join(fact["message"] for fact in worker.facts)
    assert "\x1b" not in said
    assert "miniqueue_py/client" not in said


def test_a_line_comes_once_though_somebody_else_writes_the_log_too(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    log = logging.getLogger("miniqueue.worker")
    with work_log(as_json=False):
        log.warning("meanwhile")
    log.warning("afterwards")

    assert capsys.readouterr().err.count("meanwhile") == 1
    assert [record.getMessage() for record in caplog.records] == ["afterwards"]


def test_a_broker_that_is_away_is_waited_for(broker: RunningBroker, jobs: Path) -> None:
    with TaskWorker(broker, jobs, "--url", "https://localhost:1") as worker:
        worker.wait_said("cannot connect to")

        assert end(worker) == 0


@pytest.mark.parametrize("as_json", [True, False])
def test_an_outage_is_told_in_a_line_and_so_is_its_end(
    broker: RunningBroker, jobs: Path, topic: str, *, as_json: bool
) -> None:
    with (
        Proxy(broker.port) as proxy,
        TaskWorker(broker, jobs, "--url", proxy.url, "--topic", topic, as_json=as_json) as worker,
    ):
        worker.wait_said(f"subscribed to '{topic}' for")
        proxy.reset()
        worker.wait_said(f"subscribed to '{topic}' again")
        assert end(worker) == 0

    said = [fact["message"].rstrip() for fact in worker.facts]
    assert [line if as_json else line.partition(" ")[2] for line in said[1:3]] == [
        f"subscription to '{topic}' is away: the connection was lost (Connection reset by peer)",
        f"subscribed to '{topic}' again",
    ]


def test_a_broker_that_is_not_trusted_is_no_broker(broker: RunningBroker, jobs: Path) -> None:
    with TaskWorker(broker, jobs, "--ca", "") as worker:
        assert worker.wait() == 3


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["jobs"], "'jobs' is not MODULE:NAME, such as jobs:handlers"),
        ([":x"], "':x' is not MODULE:NAME"),
        (["jobs:"], "'jobs:' is not MODULE:NAME"),
        (["nowhere:x"], "cannot import 'nowhere': it is neither in "),
        (["jobs:x"], "there is no 'x' in "),
        (["jobs:nested.x"], "there is no 'nested.x' in "),
        (["jobs:number"], "jobs:number: 17 cannot handle messages: it is no function"),
        (["jobs:handlers", "--app-dir", "nowhere"], "--app-dir: nowhere is no directory"),
        (["jobs:handlers", "--topic", "a/b"], "--topic: invalid topic value"),
        (["jobs:handlers", "--concurrency", "0"], "--concurrency: 0 is not from 1 to 10000"),
        (["jobs:handlers", "--lease", "48h"], "work: --lease: 172800 s is not from 0.001 to 86400"),
        (["jobs:handlers", "--lease", "0"], "work: --lease: 0 s is not from 0.001 to 86400"),
        (["jobs.py:handlers"], "cannot import 'jobs.py': name the module, as in jobs:handlers"),
        (["no.py:x.y"], "cannot import 'no.py': name the module, as in no:x.y"),
        (["short.py:x"], "cannot import 'short.py': ModuleNotFoundError: No module named 'sho'"),
        (["a/jobs.py:x"], "'a/jobs.py': name the module, as in jobs:x with --app-dir a"),
        (["./jobs.py:x"], "'./jobs.py': name the module, as in jobs:x"),
        (["/a/b:x"], "'/a/b': name the module, as in b:x with --app-dir /a"),
        (["jobs:handlers", "--drain", "soon"], "--drain: 'soon' "),
        (["broken:x"], "cannot import 'broken': ZeroDivisionError: division by zero ("),
        (["unfinished:x"], "cannot import 'unfinished': SyntaxError: "),
        (["needy:x"], "cannot import 'needy': ModuleNotFoundError: No module named 'nothing_such'"),
        (["ending:x"], "cannot import 'ending': it ends the program (3)"),
    ],
)
def test_what_cannot_be_served_is_told_in_a_line(
    miniqueue: Here, jobs: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], told: str
) -> None:
    texts = {
        "broken": "1 / 0",
        "unfinished": "x = (",
        "needy": "import nothing_such",
        "short": "import sho",
    }
    for name, text in {**texts, "ending": "raise SystemExit(3)"}.items():
        jobs.with_name(f"{name}.py").write_text(text)
    monkeypatch.chdir(jobs.parent)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "jobs", raising=False)

    done = miniqueue("work", *words)

    assert (done.status, done.out) == (2, b"")
    assert done.err.startswith("miniqueue: work: ")
    assert told in done.err
    assert done.err.count("\n") == 1
