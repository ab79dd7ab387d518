"""`miniqueue work` as a process of its own, and the task queue as a client of it sees it."""

import json
import os
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.request import Request, urlopen

from tests.outside.server import PROJECT, RunningBroker, parse_fact

PATIENCE = 30.0


class TaskWorker:
    """Works with the functions of a module until it is told to end; its log is JSON or text."""

    def __init__(
        self, broker: RunningBroker, module: Path, *words: str, as_json: bool = True
    ) -> None:
        self._command = [sys.executable, "-m", "miniqueue_py", "work", f"{module.stem}:handlers"]
        self._command += ["--url", f"https://localhost:{broker.port}", "--ca", str(broker.ca)]
        self._command += ["--json", *words] if as_json else words
        self._directory = module.parent
        self._facts: list[dict[str, Any]] = []
        self._news = threading.Condition()

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command,
            cwd=self._directory,
            env=os.environ | {"PYTHONPATH": str(PROJECT)},
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._reader = threading.Thread(target=self._collect)
        self._reader.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()

    @property
    def facts(self) -> list[dict[str, Any]]:
        """What it has logged so far."""
        with self._news:
            return list(self._facts)

    def send_signal(self, number: int) -> None:
        self._process.send_signal(number)

    def kill(self) -> None:
        """End it with SIGKILL; fine if it has ended."""
        self._process.kill()
        self.wait()

    def wait(self) -> int:
        """Wait until it has ended, and give its exit code."""
        code = self._process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        assert self._process.stderr is not None
        self._process.stderr.close()
        return code

    def wait_said(self, words: str) -> None:
        """Return when it has logged a line with these words."""
        self.wait_for(lambda fact: words in fact.get("message", ""))

    def wait_for(self, is_it: Callable[[dict[str, Any]], bool], count: int = 1) -> None:
        """Return when it has logged so many such lines."""
        with self._news:
            came = self._news.wait_for(lambda: sum(map(is_it, self._facts)) >= count, PATIENCE)
        assert came, self._facts

    def _collect(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            with self._news:
                self._facts.append(parse_fact(line) or {"message": line})
                self._news.notify_all()


class TaskQueue:
    """The pages of the dialect, over HTTP/1.1 and by no client of ours."""

    def __init__(self, broker: RunningBroker) -> None:
        self._url = f"https://localhost:{broker.port}"
        self._context = ssl.create_default_context(cafile=str(broker.ca))

    def set_policy(self, **policy: object) -> None:
        self._ask("PUT", "/topics/tasks", json.dumps(policy).encode())

    def post(self, kind: str, payload: object = None) -> str:
        """Queue a task; return its id."""
        body = json.dumps({"type": kind, "payload": payload}).encode()
        answer = json.loads(self._ask("POST", "/tasks/task", body))
        assert answer.keys() == {"status", "task_id"}
        assert answer["status"] == "queued"
        task_id: str = answer["task_id"]
        return task_id

    def stats(self) -> Any:
        return json.loads(self._ask("GET", "/tasks/stats"))

    def wait_stats(self, **counts: object) -> None:
        """Ask until the figures are these."""
        deadline = time.monotonic() + PATIENCE
        while not (told := self.stats()).items() >= counts.items():
            assert time.monotonic() < deadline, told

    def _ask(self, method: str, path: str, body: bytes | None = None) -> bytes:
        request = Request(self._url + path, body, method=method)  # noqa: S310  our own URL
        with urlopen(request, context=self._context, timeout=PATIENCE) as answer:  # noqa: S310
            content: bytes = answer.read()
        return content
