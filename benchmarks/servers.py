"""Other people's servers on loopback, each in a directory of its own, ended by its pid."""

import os
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from miniqueue_py.certificate_paths import CertificatePaths
from miniqueue_py.certificates import make_certificates

_START_SECONDS = 10.0
_END_SECONDS = 10.0


@dataclass(frozen=True)
class Server:
    """A server that listens."""

    port: int
    pid: int
    certificates: CertificatePaths | None
    """Of a server that speaks TLS."""

    @property
    def tls(self) -> str:
        return "" if self.certificates is None else ", TLS"


CommandOf = Callable[[int, Path, CertificatePaths | None], Sequence[str]]
"""From port, directory and certificates to the command that starts it."""


@contextmanager
def running_server(command_of: CommandOf, *, has_tls: bool) -> Iterator[Server]:
    """Have a server until the block ends, however it ends."""
    with tempfile.TemporaryDirectory(prefix="miniqueue-benchmark-") as name:
        directory = Path(name)
        certificates = make_certificates(directory) if has_tls else None
        port = _free_port()
        command = command_of(port, directory, certificates)
        log_path = directory / "log"
        with log_path.open("wb") as log:
            # In a session of its own, Ctrl-C is for this process alone.
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True
            )
        try:
            _wait_until_listening(process, port, log_path)
            yield Server(port, process.pid, certificates)
        finally:
            _end(process)


@contextmanager
def on_cores(cores: set[int]) -> Iterator[None]:
    """Keep this thread, and what it starts meanwhile, on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def version_of(program: str) -> str | None:
    """Return what a program says of its version, in short; None if there is no such program."""
    path = shutil.which(program)
    if path is None:
        return None
    told = subprocess.run([path, "--version"], capture_output=True, text=True, check=True).stdout
    words = [word.removeprefix("v=").removeprefix("v").rstrip(":") for word in told.split()]
    return next((word for word in words if word[:1].isdecimal()), told.strip())


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
        return port


def _wait_until_listening(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                told = log.read_text(errors="replace")
                raise RuntimeError(f"{process.args!r} does not listen:\n{told}") from error
            time.sleep(0.05)
        else:
            return


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(_END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
