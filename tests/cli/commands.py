"""Commands as processes of their own, with pipes; for one with a terminal see terminal.py."""

import os
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, NamedTuple, Self

from tests.outside.server import PROJECT

PATIENCE = 20.0


class Done(NamedTuple):
    """How a command ended."""

    status: int
    out: bytes
    err: str = ""

    @property
    def lines(self) -> list[bytes]:
        return self.out.splitlines()


class Commands:
    """Starts processes, and ends those that are left."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stack.close()

    def start(
        self,
        *words: str,
        stdin: int | IO[bytes] | None = subprocess.PIPE,
        stdout: int | IO[bytes] = subprocess.PIPE,
        stderr: int | IO[bytes] = subprocess.PIPE,
    ) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(
            [sys.executable, "-m", "miniqueue_py", *words],
            cwd=self._directory,
            env=environment(),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
        )
        self._stack.callback(_end, process)
        return process

    def in_shell(self, script: str) -> Done:
        """Run a script of bash, in which `miniqueue` is the command."""
        program = f'miniqueue() {{ "{sys.executable}" -m miniqueue_py "$@"; }}\n{script}'
        done = subprocess.run(
            ["bash", "-c", program],
            cwd=self._directory,
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        return Done(done.returncode, done.stdout, done.stderr.decode())


def environment() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(PROJECT)}


def finish(process: subprocess.Popen[bytes], stdin: bytes | None = None) -> Done:
    """Hand in the rest of its input, and wait until it ends."""
    out, err = process.communicate(stdin, PATIENCE)
    return Done(process.returncode, out or b"", (err or b"").decode())


def _end(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        process.kill()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            stream.close()
    process.wait()
