"""A broker's process on loopback: started in a directory of its own, and ended by its pid.

A broker may be several processes. Processor time and memory are those of the
whole tree, with the children that have ended.
"""

import itertools
import os
import random
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

START_SECONDS = 60.0
_END_SECONDS = 60.0
_LOOK_SECONDS = 0.002
_LAST_WORDS = 200
_TICKS = os.sysconf("SC_CLK_TCK")
_PORTS = range(20_000, 32_000)
"""Below those that Linux gives to outgoing connections."""
_ports = itertools.cycle(random.sample(_PORTS, len(_PORTS)))


class DoesNotStart(Exception):
    """A broker ended, or did not listen in time; the text has the end of its log."""


@dataclass(frozen=True)
class Command:
    """How a broker is started."""

    words: Sequence[str]
    cwd: Path | None = None
    environment: Mapping[str, str] | None = None
    """Beside this process's own."""
    user: str | None = None


class Server:
    """A process, and what it started, until `stop`."""

    def __init__(self, command: Command, port: int, log: Path) -> None:
        self.port = port
        self._log = log
        with log.open("ab") as file:
            # In a session of its own, Ctrl-C is for this process alone.
            self._process = subprocess.Popen(
                command.words,
                cwd=command.cwd,
                env={**os.environ, **(command.environment or {})},
                user=command.user,
                group=command.user,
                extra_groups=[] if command.user else None,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def wait_until_listening(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            self.check_running()
            try:
                socket.create_connection(("127.0.0.1", self.port), 1).close()
            except OSError as error:
                if time.monotonic() > deadline:
                    raise self._does_not_start() from error
                time.sleep(_LOOK_SECONDS)
            else:
                return

    def check_running(self) -> None:
        """Raise DoesNotStart if it has ended, for instance because somebody else took its port."""
        if self._process.poll() is not None:
            raise self._does_not_start()

    def stop(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it as its users would, and by force if that takes too long."""
        self._process.send_signal(how)
        try:
            self._process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()

    def cpu_seconds(self) -> float:
        """Return user and system time of the tree."""
        return sum(_cpu_seconds(pid) for pid in _tree(self.pid))

    def rss_bytes(self) -> int:
        """Return the resident memory; what several processes share counts once."""
        pids = _tree(self.pid)
        if len(pids) == 1:
            return _kilobytes(f"/proc/{self.pid}/status", "VmRSS") * 1024
        return sum(_kilobytes(f"/proc/{pid}/smaps_rollup", "Pss") for pid in pids) * 1024

    def own_bytes(self) -> int:
        """Return the memory without the pages of files, which the system may take back."""
        return sum(_kilobytes(f"/proc/{pid}/status", "RssAnon") for pid in _tree(self.pid)) * 1024

    def _does_not_start(self) -> DoesNotStart:
        *_, last = ["nothing", *self._log.read_text(errors="replace").splitlines()]
        return DoesNotStart(f"does not listen, and its last words were: {last[-_LAST_WORDS:]}")


def free_port() -> int:
    """Return a port that nobody listens on, and that no outgoing connection is given meanwhile."""
    return next(filter(_is_free, _ports))


def client_seconds() -> float:
    """Add up this process and the load generators that have ended; a broker has not."""
    return sum(os.times()[:4])


def disk_bytes(directory: Path) -> int:
    """Return what the files of a directory occupy."""
    total = 0
    for path in directory.rglob("*"):
        try:
            total += path.lstat().st_blocks * 512
        except FileNotFoundError:  # a broker tidies up meanwhile
            continue
    return total


def version_of(program: str, option: str = "--version") -> str:
    """Return what a program says of its version, in short."""
    path = shutil.which(program) or program
    told = subprocess.run([path, option], capture_output=True, text=True, check=True).stdout
    words = [word.removeprefix("v=").removeprefix("v").rstrip(":") for word in told.split()]
    return next((word for word in words if word[:1].isdecimal()), told.strip())


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True


def _tree(root: int) -> list[int]:
    """Return a process and all that descend from it."""
    parents = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal() and (fields := _stat(int(entry.name))):
            parents[int(entry.name)] = int(fields[1])
    tree = [root]
    for pid in tree:
        tree += [child for child, parent in parents.items() if parent == pid]
    return tree


def _cpu_seconds(pid: int) -> float:
    """Return the time of a process and its ended children."""
    fields = _stat(pid)
    return sum(map(int, fields[11:15])) / _TICKS if fields else 0.0


def _stat(pid: int) -> list[str]:
    """Return the fields behind the name; none of a process that has ended."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []


def _kilobytes(path: str, field: str) -> int:
    try:
        text = Path(path).read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(text.split(f"\n{field}:")[1].split()[0])
