"""What `miniqueue work` does where nothing is said."""

import re
import sys
from pathlib import Path
from typing import Any

import pytest

from miniqueue_py.cli.main import main
from miniqueue_py.client import Worker
from miniqueue_py.client.worker import task_handlers
from miniqueue_py.units import parse_duration


def test_what_nobody_says_is_as_a_worker_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tmp_path.joinpath("jobs.py").write_text(
        "def anything(): ...\nhandlers = {'anything': anything}"
    )
    asked: dict[str, Any] = {}
    monkeypatch.setattr(Worker, "handles_tasks", lambda *_, **options: asked.update(options))
    monkeypatch.setattr(Worker, "run", lambda _: ())
    monkeypatch.setattr(task_handlers, "TOPIC", "jobs-to-do")
    monkeypatch.setattr(task_handlers, "LEASE_SECONDS", 17.0)
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delitem(sys.modules, "jobs", raising=False)

    with pytest.raises(SystemExit) as ended:
        main(["work", "jobs:handlers", "--app-dir", str(tmp_path)])

    assert ended.value.code == 0
    assert asked == {"topic": "jobs-to-do", "concurrency": 8, "lease": 17.0}


def test_the_help_tells_the_topic_and_the_lease_of_a_worker(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit):
        main(["work", "-h"])

    lines = capsys.readouterr().out.splitlines()
    [topic] = [line for line in lines if line.lstrip().startswith("--topic")]
    assert topic.endswith(f"({task_handlers.TOPIC})")
    lease = next(n for n, line in enumerate(lines) if line.lstrip().startswith("--lease"))
    told = re.search(r"given up \((\w+)\)", " ".join(" ".join(lines[lease : lease + 3]).split()))
    assert told is not None
    assert parse_duration(told[1]) == task_handlers.LEASE_SECONDS
