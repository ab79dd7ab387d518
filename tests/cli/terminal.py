"""A command on a terminal of its own, looked at as it is drawn."""

import errno
import fcntl
import os
import re
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

PROJECT = Path(__file__).resolve().parents[2]
PATIENCE = 15.0

_ESCAPE = re.compile(rb"\x1b\[[0-9;?]*[A-Za-z]|\x1b[()][A-Z0-9]")


class Terminal:
    """Runs `miniqueue` with a pseudo-terminal for stdin, stderr, and as a rule stdout."""

    def __init__(  # noqa: PLR0913  as many as terminals differ in
        self,
        words: Sequence[str],
        *,
        columns: int = 80,
        lines: int = 24,
        program: Sequence[str] = ("-m", "miniqueue_py"),
        environment: dict[str, str] | None = None,
        stdout: int | None = None,
    ) -> None:
        self._command = [sys.executable, *program, *words]
        self._environment = {**_plain_environment(), **(environment or {})}
        self._master, self._slave = os.openpty()
        self._stdout = self._slave if stdout is None else stdout
        self.resize(columns, lines)
        self.modes = self._modes()
        self._seen = bytearray()

    def __enter__(self) -> Self:
        self._process = subprocess.Popen(
            self._command,
            cwd=PROJECT,
            stdin=self._slave,
            stdout=self._stdout,
            stderr=self._slave,
            env=self._environment,
            start_new_session=True,
            preexec_fn=_take_terminal,  # noqa: PLW1509  so that Ctrl-C reaches it
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        os.close(self._slave)
        os.close(self._master)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def seen(self) -> bytes:
        """Everything that came, with its escapes."""
        return bytes(self._seen)

    @property
    def text(self) -> str:
        return _ESCAPE.sub(b"", self._seen).decode(errors="replace")

    def wait_for_more(self) -> None:
        """Wait until anything comes."""
        assert self._read(PATIENCE), f"nothing came any more; there was:\n{self.text[-4000:]}"

    def wait_for(self, *texts: str) -> None:
        """Wait until all of these were shown since the last `forget`."""
        deadline = time.monotonic() + PATIENCE
        while not all(text in self.text for text in texts):
            left = deadline - time.monotonic()
            if left <= 0 or not self._read(left):
                raise AssertionError(f"{texts} did not all come; there was:\n{self.text[-4000:]}")

    def wait(self) -> int:
        """Wait until it has ended, and give its status."""
        deadline = time.monotonic() + PATIENCE
        while self._process.poll() is None:
            assert time.monotonic() < deadline, self.text[-4000:]
            self._read(0.05)
        while self._read(0.0):
            ...
        return self._process.returncode

    def forget(self) -> None:
        self._seen.clear()

    def press(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def resize(self, columns: int, lines: int) -> None:
        size = struct.pack("HHHH", lines, columns, 0, 0)
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, size)

    def is_as_before(self) -> bool:
        return self._modes() == self.modes

    def _modes(self) -> list[Any]:
        return termios.tcgetattr(self._slave)

    def _read(self, seconds: float) -> bool:
        """Read what comes within that time; tell if something did."""
        if not select.select([self._master], [], [], seconds)[0]:
            return False
        try:
            self._seen += os.read(self._master, 1 << 16)
        except OSError as error:
            assert error.errno == errno.EIO  # noqa: PT017  nobody is at the other end
            return False
        return True


def _plain_environment() -> dict[str, str]:
    """Return ours without what changes what a terminal program draws."""
    left_out = ("MINIQUEUE_", "COLUMNS", "LINES", "NO_COLOR", "FORCE_COLOR", "TTY_")
    ours = {name: value for name, value in os.environ.items() if not name.startswith(left_out)}
    return {**ours, "TERM": "xterm-256color", "LANG": "C.UTF-8"}


def _take_terminal() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
