"""What is on the disk is for the broker's user alone, and no secret gets anywhere else."""

import os
import ssl
import stat
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from miniqueue_py.tls.paths import CertificatePaths
from tests.outside.conftest import QUICK
from tests.outside.server import PROJECT, RunningBroker

TOKEN = "mq_ThisIsASecretAndNobodyMayReadIt"  # noqa: S105  it opens nothing
NOT_OTHERS = 0o077


@pytest.fixture
def careless() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def modes_below(directory: Path) -> dict[str, int]:
    return {
        str(path.relative_to(directory.parent)): stat.S_IMODE(path.stat().st_mode)
        for path in (directory, *directory.rglob("*"))
    }


def test_everything_that_is_made_is_private_whatever_the_umask(
    certificates: CertificatePaths, tmp_path: Path, careless: None
) -> None:
    snapshots = tmp_path / "snapshots"
    flags = (*QUICK, "-zapq-snapshots", str(snapshots))
    with RunningBroker(tmp_path / "db", certificates, flags) as broker:
        assert ask(broker, "POST", "/publish/orders", b"1") == 201
        assert ask(broker, "POST", "/zapq/enqueue", b"1") == 202
        assert ask(broker, "POST", "/zapq/persist?file=now.json", b"") == 200

        modes = modes_below(tmp_path / "db") | modes_below(snapshots)

    assert len(modes) >= 7
    assert {path: mode for path, mode in modes.items() if mode & NOT_OTHERS} == {}


def test_database_that_all_users_could_enter_is_closed_to_them(
    certificates: CertificatePaths, tmp_path: Path
) -> None:
    database = tmp_path / "db"
    database.mkdir()
    database.chmod(0o755)

    with RunningBroker(database, certificates, QUICK) as broker:
        fact = broker.wait_for_fact("database.closed")
        assert ask(broker, "POST", "/publish/orders", b"1") == 201

    assert (fact["directory"], fact["mode"]) == (str(database), "0755")
    assert stat.S_IMODE(database.stat().st_mode) == 0o750


def test_key_that_others_can_read_is_refused_with_what_mends_it(
    certificates: CertificatePaths, tmp_path: Path
) -> None:
    key = tmp_path / "key.pem"
    key.write_bytes(certificates.key.read_bytes())
    key.chmod(0o644)
    words = ["-port", "0", "-db", "memory:", "-cert", str(certificates.certificate)]

    done = subprocess.run(
        [sys.executable, "-m", "miniqueue_py", *words, "-key", str(key)],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
        cwd=PROJECT,
    )

    assert done.returncode == 2
    line = f"miniqueue: -key: {key} can be read by others (mode 0644): chmod 600 {key}\n"
    assert done.stderr == line


def test_no_secret_is_in_the_log_nor_in_ps_nor_on_a_page(
    certificates: CertificatePaths, tmp_path: Path
) -> None:
    with RunningBroker(tmp_path / "db", certificates, (*QUICK, "-level", "debug")) as broker:
        for method, path in [
            ("POST", "/publish/orders"),
            ("POST", "/publish/orders?priority=x"),
            ("POST", "/nowhere/at/all"),
            ("GET", "/topics/none"),
            ("POST", "/zapq/enqueue"),
        ]:
            ask(broker, method, path, f"secret body {TOKEN}".encode())
        pages = [page(broker, path) for path in ("/metrics", "/openapi.json", "/topics")]
        command = Path(f"/proc/{broker.pid}/cmdline").read_text()
        broker.terminate()
        broker.wait()
        told = "\n".join([*broker.log_lines(), *pages, command])

    secrets = [TOKEN, *certificates.key.read_text().splitlines()[1:-1]]
    assert len(secrets) > 2
    assert [secret for secret in secrets if secret in told] == []


def opener(broker: RunningBroker) -> urllib.request.OpenerDirector:
    trust = ssl.create_default_context(cafile=broker.ca)
    return urllib.request.build_opener(urllib.request.HTTPSHandler(context=trust))


def ask(broker: RunningBroker, method: str, path: str, body: bytes) -> int:
    request = urllib.request.Request(
        f"https://localhost:{broker.port}{path}",
        body or None,
        {"Authorization": f"Bearer {TOKEN}", "Content-Type": "application/json"},
        method=method,
    )
    try:
        with opener(broker).open(request, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code


def page(broker: RunningBroker, path: str) -> str:
    with opener(broker).open(f"https://localhost:{broker.port}{path}", timeout=10) as answer:
        return str(answer.read().decode())
