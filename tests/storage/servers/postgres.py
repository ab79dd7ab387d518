"""A private PostgreSQL, started when a test first wants one and ended with the process."""

import asyncio
import atexit
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from functools import cache
from itertools import count
from pathlib import Path

import asyncpg
import pytest

from miniqueue_py.storage.postgres.migrating import make_steps

_numbers = count(1)
IN_MEMORY = Path("/dev/shm")  # noqa: S108  what is durable there is not what these tests are about


def binaries() -> Path | None:
    """Return where PostgreSQL's programs are, if it is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    return found[-1].parent if found else None


class Server:
    """One that listens on a socket of its own, and on no port but a free one of 127.0.0.1."""

    def __init__(self) -> None:
        folder = binaries()
        if folder is None:
            missing = "postgresql is not installed"
            if os.environ.get("CI"):
                pytest.fail(missing)
            pytest.skip(missing)
        self._folder = folder
        base = IN_MEMORY if IN_MEMORY.is_dir() else None
        self.directory = Path(tempfile.mkdtemp(prefix="mq-postgres-", dir=base))
        self._as_user: list[str] = []
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            os.chown(self.directory, user.pw_uid, user.pw_gid)
            self._as_user = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"]
        self._process: subprocess.Popen[bytes] | None = None
        atexit.register(self.close)
        data = self.directory / "data"
        subprocess.run(
            [
                *self._as_user,
                *(str(folder / "initdb"), "-D", str(data), "-A", "trust", "-U", "mq"),
                *("--no-sync", "-E", "UTF8", "--locale=C"),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
        )
        self.start()

    def start(self) -> None:
        """Start it, and return when it answers."""
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self.directory),
            "max_connections": "200",
            "shared_buffers": "64MB",
            "fsync": "off",
            "max_wal_size": "256MB",
        }
        program = [str(self._folder / "postgres"), "-D", str(self.directory / "data")]
        words = [word for each in settings.items() for word in ("-c", "=".join(each))]
        with (self.directory / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._as_user, *program, *words], stdout=subprocess.DEVNULL, stderr=log
            )
        asyncio.run(self._wait_up())

    def stop(self, number: int = signal.SIGINT) -> None:
        """Stop it, as fast as the signal says."""
        if self._process is not None:
            self._process.send_signal(number)
            self._process.wait(30)
            self._process = None

    def url(self, database: str) -> str:
        return f"postgresql://mq@/{database}?host={self.directory}"

    def new_database(self) -> str:
        """Make a database with the schema; return its URL."""
        name = f"mq_{next(_numbers)}"
        asyncio.run(self._create(name))
        return self.url(name)

    def close(self) -> None:
        self.stop(signal.SIGQUIT)
        shutil.rmtree(self.directory, ignore_errors=True)

    async def _create(self, name: str) -> None:
        connection = await asyncpg.connect(self.url("postgres"))
        try:
            if name == "mq_1":
                await connection.execute("CREATE DATABASE mq_template")
                template = await asyncpg.connect(self.url("mq_template"))
                await make_steps(template)
                await template.close()
            await connection.execute(f"CREATE DATABASE {name} TEMPLATE mq_template")
        finally:
            await connection.close()

    async def _wait_up(self) -> None:
        async with asyncio.timeout(30):
            while True:
                try:
                    connection = await asyncpg.connect(self.url("postgres"))
                except (OSError, asyncpg.PostgresError):
                    await asyncio.sleep(0.05)
                    continue
                await connection.close()
                return


@cache
def server() -> Server:
    """Return this process's own."""
    return Server()
