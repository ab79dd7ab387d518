"""An example as a process of its own, with a bound on every wait for it."""

import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from types import TracebackType
from typing import IO, Self

from tests.outside.server import PROJECT

PATIENCE = 20.0


class Example:
    """What it prints can be waited for, and what is typed goes to it."""

    def __init__(self, name: str, *arguments: str) -> None:
        program = ["bash"] if name.endswith(".sh") else [sys.executable]
        self._process = subprocess.Popen(
            [*program, f"examples/{name}", *arguments],
            cwd=PROJECT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._printed: queue.Queue[str] = queue.Queue()
        self._complained: queue.Queue[str] = queue.Queue()
        self._readers = [
            threading.Thread(target=_read, args=(self._process.stdout, self._printed.put)),
            threading.Thread(target=_read, args=(self._process.stderr, self._complained.put)),
        ]

    def __enter__(self) -> Self:
        for reader in self._readers:
            reader.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.kill()
        self._process.wait()
        self.end_typing()
        for reader in self._readers:
            reader.join()

    def type(self, line: str) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(f"{line}\n")
        self._process.stdin.flush()

    def end_typing(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()

    def wait_printed(self) -> str:
        """Return the next line on stdout."""
        return self._next_of(self._printed)

    def wait_complained(self, part: str) -> str:
        """Return the next line on stderr that has this in it."""
        while part not in (line := self._next_of(self._complained)):
            pass
        return line

    def interrupt(self) -> None:
        """Press Ctrl-C."""
        self._process.send_signal(signal.SIGINT)

    def wait(self) -> list[str]:
        """Wait until it has ended well, and return what else it printed."""
        code = self._process.wait(PATIENCE)
        for reader in self._readers:
            reader.join(PATIENCE)
        assert code == 0, list(self._complained.queue)
        return list(self._printed.queue)

    def _next_of(self, lines: "queue.Queue[str]") -> str:
        try:
            return lines.get(timeout=PATIENCE)
        except queue.Empty:
            complained = list(self._complained.queue)
            raise AssertionError(f"nothing more comes; on stderr: {complained}") from None


def _read(pipe: IO[str], keep: Callable[[str], None]) -> None:
    with pipe:
        for line in pipe:
            keep(line.rstrip("\n"))
