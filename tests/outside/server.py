"""The broker as a process of its own, as its users run it.

Everything a test knows of it comes from outside: its log on stderr, its
exit code, /proc, and whatever travels over the wire.
"""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from miniqueue_py.tls.paths import CertificatePaths

PROJECT = Path(__file__).resolve().parents[2]


class RunningBroker:
    """A broker on a directory, from its start to its end."""

    def __init__(  # noqa: PLR0913  most say nothing but where
        self,
        directory: Path,
        certificates: CertificatePaths,
        flags: Sequence[str] = (),
        start_timeout: float = 15,
        *,
        program: str = "miniqueue_py",
        scheme: str = "",
    ) -> None:
        self.directory = directory
        self.ca = certificates.authority
        self.under: Sequence[str] = ()
        """A command that runs it, such as prlimit."""
        self._start_timeout = start_timeout
        self._command = [sys.executable, "-m", program]
        self._command += ["-host", "127.0.0.1", "-port", "0", "-db"]
        self._command += [f"{scheme}:{directory}" if scheme else str(directory)]
        self._command += ["-cert", str(certificates.certificate), "-key", str(certificates.key)]
        self._command += ["-level", "info", *flags]
        self._process: subprocess.Popen[str] | None = None
        self._reader: threading.Thread | None = None
        self._lines: list[str] = []
        self._read_up_to: dict[str, int] = {}
        """By event, the lines that `wait_for_fact` has looked at."""
        self._news = threading.Condition()
        self.host, self.port = "", 0

    def __repr__(self) -> str:
        return f"<RunningBroker on port {self.port}>"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.kill()

    def start(self) -> None:
        """Start the process and wait until it accepts connections."""
        since = len(self._lines)
        self._process = subprocess.Popen(
            [*self.under, *self._command],
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._collect, daemon=True)
        self._reader.start()
        try:
            self._wait_until_listening(since)
        except BaseException:
            self.kill()
            raise

    def restart(self) -> None:
        """End it if it runs, and start it again on the same directory."""
        self.kill()
        self.start()

    @property
    def pid(self) -> int:
        return self._running.pid

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def log_lines(self) -> list[str]:
        """Everything written to stderr so far, of all runs."""
        with self._news:
            return list(self._lines)

    def wait_for_fact(self, event: str) -> dict[str, Any]:
        """Wait until the log has another line of that event than it had at the last call."""
        deadline = time.monotonic() + self._start_timeout
        with self._news:
            while True:
                since = self._read_up_to.get(event, 0)
                for number, line in enumerate(self._lines[since:], since + 1):
                    if parse_fact(line).get("event") == event:
                        self._read_up_to[event] = number
                        return parse_fact(line)
                left = deadline - time.monotonic()
                assert left > 0, f"no {event} came; the log:\n" + "\n".join(self._lines)
                self._news.wait(min(left, 0.2))

    def rss_bytes(self) -> int:
        return self._bytes_of("VmRSS")

    def own_bytes(self) -> int:
        """What it has taken for itself: not the pages of files, which LevelDB maps."""
        return self._bytes_of("RssAnon")

    def terminate(self) -> None:
        """Ask it to drain and end: SIGTERM."""
        self._running.terminate()

    def kill(self) -> None:
        """End it and whatever it started, with SIGKILL; fine if it has ended."""
        if self._process is None:
            return
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        self.wait()

    def wait(self, timeout: float = 10) -> int:
        """Wait until it has ended, and give its exit code."""
        code = self._running.wait(timeout)
        if self._reader is not None:
            self._reader.join(timeout)
        if self._running.stderr is not None:
            self._running.stderr.close()
        return code

    def _bytes_of(self, field: str) -> int:
        status = Path(f"/proc/{self.pid}/status").read_text()
        kilobytes = status.split(f"{field}:")[1].split()[0]
        return int(kilobytes) * 1024

    @property
    def _running(self) -> subprocess.Popen[str]:
        assert self._process is not None, "the broker was never started"
        return self._process

    def _collect(self) -> None:
        stderr = self._running.stderr
        assert stderr is not None
        for line in stderr:
            with self._news:
                self._lines.append(line.rstrip("\n"))
                self._news.notify_all()
        with self._news:
            self._news.notify_all()

    def _wait_until_listening(self, since: int) -> None:
        deadline = time.monotonic() + self._start_timeout
        with self._news:
            while (url := listening_url(self._lines[since:])) is None:
                left = deadline - time.monotonic()
                if left <= 0 or not self.is_running:
                    log = "\n".join(self._lines[since:])
                    raise AssertionError(f"the broker does not listen; its log:\n{log}")
                self._news.wait(min(left, 0.2))
        self.host, self.port = url


StartBroker = Callable[..., RunningBroker]


def listening_url(lines: Sequence[str]) -> tuple[str, int] | None:
    """The host and port of the first `broker.listening` line."""
    for line in lines:
        fact = parse_fact(line)
        if fact.get("event") == "broker.listening":
            url = urlsplit(fact["url"])
            return url.hostname or "", url.port or 0
    return None


def parse_fact(line: str) -> dict[str, Any]:
    """A JSON log line as a dictionary; an empty one for anything else."""
    try:
        fact = json.loads(line)
    except ValueError:
        return {}
    return fact if isinstance(fact, dict) else {}
