"""A start that is refused leaves nothing behind, and none makes anything in / by itself."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.outside.server import PROJECT

PATIENCE = 20


@pytest.fixture
def busy_port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        yield taken.getsockname()[1]


def start(directory: Path, *words: str) -> str:
    """Try to start a broker that is refused; return what it says."""
    ours = {name: value for name, value in os.environ.items() if name[:9] != "MINIQUEUE"}
    done = subprocess.run(
        [sys.executable, "-m", "miniqueue_py", "-level", "warn", "-host", "127.0.0.1", *words],
        cwd=directory,
        env=ours | {"PYTHONPATH": str(PROJECT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, ""), done
    assert done.stderr.count("\n") == 1
    return done.stderr.removeprefix("miniqueue: ")


@pytest.mark.parametrize("flag", ["-port", "-dialect"])
def test_a_port_in_use_leaves_no_directory_and_no_certificate(
    tmp_path: Path, busy_port: int, flag: str
) -> None:
    value = f"zapq={busy_port}" if flag == "-dialect" else str(busy_port)
    words = ("-zapq-snapshots", "snapshots", *(() if flag == "-port" else ("-port", "0")))

    assert start(tmp_path, *words, flag, value).startswith(f"{flag}: cannot listen on")

    assert list(tmp_path.iterdir()) == []


def test_a_database_that_is_refused_leaves_no_certificate(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no database")
    words = ("-port", "0", "-db", "file", "-zapq-snapshots", "a/snapshots")

    assert start(tmp_path, *words).startswith("-db: file")

    assert [each.name for each in tmp_path.iterdir()] == ["file"]
    assert (tmp_path / "file").read_text() == "no database"


def test_certificates_that_were_there_stay(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "certs").mkdir()
    (tmp_path / "certs" / "notes").write_text("mine")

    start(tmp_path, "-port", "0", "-db", "file")

    assert [each.name for each in (tmp_path / "certs").iterdir()] == ["notes"]


@pytest.mark.parametrize(("words", "flag"), [((), "-db"), (("-db", "memory:"), "-cert")])
def test_nothing_is_made_in_the_root_directory(
    busy_port: int, words: tuple[str, ...], flag: str
) -> None:
    # Were it not refused for that, it would be for its port.
    told = start(Path("/"), *words, "-port", str(busy_port))

    assert told.startswith(f"{flag}: none is made in /, where this was started; ")
    assert not Path("/certs").exists()
    assert not Path("/miniqueue").exists()
