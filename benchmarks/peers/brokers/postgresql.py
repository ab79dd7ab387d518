"""A table in PostgreSQL, used as a queue."""

import os
import pwd
import shutil
import signal
import subprocess
from pathlib import Path

from benchmarks.peers.peer import TOPIC, Missing, Peer, ask
from benchmarks.peers.server import Command, version_of
from benchmarks.peers.wires.postgresql import PostgresqlWire

_POLLS = "it would have to be polled for new messages"


class Postgresql(Peer):
    name = "PostgreSQL"
    settings = (
        "a table, FOR UPDATE SKIP LOCKED, then DELETE and COMMIT; fsync and synchronous_commit on "
        "(its default), shared_buffers 128 MB; plain TCP; streamed publish in rows of 100"
    )
    batch = "LIMIT, and one DELETE for all"
    stop_signal = signal.SIGINT  # without waiting for its clients
    cannot = {"latency": _POLLS}  # noqa: RUF012  never changed

    def version(self) -> str:
        return version_of(str(_programs() / "postgres"))

    def prepare(self, directory: Path) -> None:
        data = directory / "data"
        data.mkdir()
        user = _user()
        if user is not None:
            directory.chmod(0o711)
            shutil.chown(data, user, user)
        words = [str(_programs() / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust"]
        subprocess.run([*words, "--no-sync"], check=True, capture_output=True, user=user)

    def command(self, port: int, directory: Path) -> Command:
        data = str(directory / "data")
        words = [str(_programs() / "postgres"), "-D", data, "-k", data]
        words += ["-h", "127.0.0.1", "-p", str(port)]
        return Command(words, user=_user())

    def set_up(self) -> None:
        ask(self.server.port, PostgresqlWire.setup(TOPIC), lambda told: b"CREATE TABLE" in told)

    def wire(self, topic: str) -> PostgresqlWire:
        return PostgresqlWire(topic)


def _programs() -> Path:
    """Find where the server's programs are: Debian does not put them on the PATH."""
    beside = shutil.which("postgres")
    found = [Path(beside).resolve().parent] if beside else []
    found += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    for directory in found:
        if (directory / "initdb").exists() and (directory / "postgres").exists():
            return directory
    raise Missing("apt-get install postgresql")


def _user() -> str | None:
    """Return whom it runs as: it refuses to be root's."""
    if os.getuid():
        return None
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        raise Missing("it does not run as root, and there is no user postgres") from None
