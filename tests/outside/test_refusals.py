"""A bad start ends with exit code 2 and one line, which names the flag to look at."""

import os
import re
import shutil
import socket
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import plyvel
import pytest

from miniqueue_py.tls.certificates import make_certificates
from miniqueue_py.tls.paths import CertificatePaths
from tests.outside.absence import absent
from tests.outside.command import refusal
from tests.outside.server import RunningBroker, StartBroker

ROOT = 0


@pytest.fixture
def good(certificates: CertificatePaths, tmp_path: Path) -> list[str]:
    """Flags that start a broker; what a test adds is what is wrong."""
    return [
        *("-host", "127.0.0.1", "-port", "0", "-db", str(tmp_path / "db")),
        *("-cert", str(certificates.certificate), "-key", str(certificates.key)),
    ]


@pytest.mark.parametrize("host", ["127.0.0.1", ""])
def test_a_port_in_use(
    start_broker: StartBroker, good: list[str], tmp_path: Path, host: str
) -> None:
    broker = start_broker()
    port = str(broker.port)

    line = refusal([*good, "-host", host, "-port", port], tmp_path)

    assert line.startswith(
        f"-port: cannot listen on {host or '127.0.0.1'}:{port}: Address already in use"
    )
    assert broker.is_running


@pytest.mark.parametrize("host", ["192.0.2.1", "2001:db8::1", "no host"])
def test_an_address_that_is_not_ours(good: list[str], tmp_path: Path, host: str) -> None:
    line = refusal([*good, "-host", host], tmp_path)

    assert line.startswith(f"-host: cannot listen on {host}:0: ")


def test_a_database_that_another_broker_has_open(
    start_broker: StartBroker, good: list[str], tmp_path: Path
) -> None:
    broker = start_broker()
    directory = str(broker.directory)

    line = refusal([*good, "-db", directory], tmp_path)

    assert line == f"-db: {directory} cannot be opened: another broker has it open"
    assert broker.is_running


def test_a_database_of_a_newer_version(
    certificates: CertificatePaths, good: list[str], tmp_path: Path
) -> None:
    with RunningBroker(tmp_path / "db", certificates) as broker:
        broker.terminate()
        broker.wait()
    database = plyvel.DB(str(tmp_path / "db"))
    (version_key,) = [key for key, value in database if value.startswith(b"miniqueue ")]
    database.put(version_key, b"miniqueue 999")
    database.close()

    line = refusal(good, tmp_path)

    assert line.startswith(
        f"-db: {tmp_path / 'db'} is in format 'miniqueue 999', written by a newer"
    )


def test_a_leveldb_database_of_another_program(good: list[str], tmp_path: Path) -> None:
    database = plyvel.DB(str(tmp_path / "db"), create_if_missing=True)
    database.put(b"t-orders-0", b"hello")
    database.close()

    line = refusal(good, tmp_path)

    assert line.startswith(f"-db: {tmp_path / 'db'} was written by another program")


def test_a_damaged_database(
    certificates: CertificatePaths, good: list[str], tmp_path: Path
) -> None:
    with RunningBroker(tmp_path / "db", certificates) as broker:
        broker.terminate()
        broker.wait()
    (manifest,) = (tmp_path / "db").glob("MANIFEST-*")
    manifest.write_bytes(b"x" * 100)

    line = refusal(good, tmp_path)

    assert line.startswith(f"-db: {tmp_path / 'db'} is damaged")
    assert manifest.read_bytes() == b"x" * 100


def test_a_directory_with_other_files_in_it(good: list[str], tmp_path: Path) -> None:
    (tmp_path / "db").mkdir()
    (tmp_path / "db" / "letter.txt").write_text("dear")

    line = refusal(good, tmp_path)

    assert line == f"-db: {tmp_path / 'db'} is not a LevelDB database: it holds 'letter.txt'"
    assert names_in(tmp_path / "db") == ["letter.txt"]


def test_a_file_for_a_database(good: list[str], tmp_path: Path) -> None:
    (tmp_path / "db").write_text("dear")

    assert refusal(good, tmp_path) == f"-db: {tmp_path / 'db'} is not a directory"
    assert (tmp_path / "db").read_text() == "dear"


@pytest.mark.parametrize("parent", ["/proc/nowhere", "a-file"])
def test_a_database_where_none_can_be_made(good: list[str], tmp_path: Path, parent: str) -> None:
    (tmp_path / "a-file").touch()
    path = tmp_path / parent / "db"

    line = refusal([*good, "-db", str(path)], tmp_path)

    assert line.startswith(f"-db: {path} cannot be opened: ")


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    """A directory in which nothing can be written, not even by root."""
    path = tmp_path / "read-only"
    path.mkdir()
    if os.geteuid() != ROOT:
        path.chmod(0o555)
        yield path
        return
    mount = shutil.which("mount")
    if mount is None:
        absent("mount is not installed")
    command = [mount, "-t", "tmpfs", "-o", "ro", "tmpfs", str(path)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        absent(f"no file system can be mounted here: {mounted.stderr.strip()}")
    yield path
    subprocess.run(["umount", "--lazy", str(path)], check=True)


@pytest.mark.parametrize("name", [".", "db"])
def test_a_database_on_a_read_only_disk(
    good: list[str], tmp_path: Path, read_only: Path, name: str
) -> None:
    line = refusal([*good, "-db", str(read_only / name)], tmp_path)

    assert line.startswith(f"-db: {read_only / name} cannot be opened: ")
    assert re.search("Read-only file system|Permission denied", line)


def test_no_certificates_where_none_can_be_made(tmp_path: Path, read_only: Path) -> None:
    line = refusal(["-port", "0", "-db", "memory:"], read_only)

    assert line.startswith("-cert: none made, certs")
    assert re.search("Read-only file system|Permission denied", line)


def test_a_certificate_or_key_that_is_missing(good: list[str], tmp_path: Path) -> None:
    for flag in ("-cert", "-key"):
        line = refusal([*good, flag, "nowhere.pem"], tmp_path)
        assert line == f"{flag}: nowhere.pem: No such file or directory"

        line = refusal([*good, flag, "."], tmp_path)
        assert line == f"{flag}: .: Is a directory"


def test_a_certificate_without_a_key(certificates: CertificatePaths, tmp_path: Path) -> None:
    line = refusal(["-cert", str(certificates.certificate)], tmp_path)

    assert line == "-key: is missing; -cert and -key go together"


@pytest.mark.parametrize("content", [b"", b"not PEM\n", bytes(range(256))], ids=len)
def test_a_certificate_or_key_that_is_not_pem(
    good: list[str], tmp_path: Path, content: bytes
) -> None:
    (tmp_path / "bad.pem").write_bytes(content)
    for flag in ("-cert", "-key"):
        line = refusal([*good, flag, "bad.pem"], tmp_path)
        assert line.startswith(f"{flag}: bad.pem ")


def test_a_certificate_that_has_expired(good: list[str], tmp_path: Path) -> None:
    old = make_certificates(tmp_path / "old", now=datetime(2020, 1, 1, tzinfo=UTC))

    line = refusal([*good, "-cert", str(old.certificate), "-key", str(old.key)], tmp_path)

    assert line.startswith(f"-cert: {old.certificate} expired on 202")


def test_a_key_that_does_not_fit(good: list[str], tmp_path: Path) -> None:
    other = make_certificates(tmp_path / "other")

    line = refusal([*good, "-key", str(other.key)], tmp_path)

    assert line.startswith(f"-key: {other.key} does not belong to ")


BAD_WORDS = {
    "-prot": ["-prot", "80"],
    "-ca": ["--ca=x"],
    "-keepalive": ["-keepalive", "forever"],
    "-period": ["-period", "1"],
    "-drain": ["-drain=-1s"],
    "-fsync-interval": ["-fsync-interval", "2m"],
    "-max-message": ["-max-message", "1T"],
    "-max-bytes": ["-max-bytes", "-1"],
    "-max-msgs": ["-max-msgs", "1.5K"],
    "-level": ["-level", "loud"],
    "-server": ["-server", "nginx"],
    "-fsync": ["-fsync", "sometimes"],
    "-human": ["-human=maybe"],
    "-port": ["-port", "70000"],
    "-db": ["-db", "leveldb:"],
    "-config": ["-config", "nowhere.toml"],
}


@pytest.mark.parametrize(("flag", "words"), BAD_WORDS.items(), ids=BAD_WORDS.keys())
def test_a_bad_word_on_the_command_line(flag: str, words: Sequence[str], tmp_path: Path) -> None:
    line = refusal(words, tmp_path)

    assert re.match(rf"{flag}(=x)?: ", line)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize(
    ("words", "environ", "place"),
    [
        (["-server", "granian"], {}, ""),
        ([], {"MINIQUEUE_SERVER": "granian"}, " (MINIQUEUE_SERVER)"),
        (["-config", "broker.toml"], {}, " (broker.toml)"),
    ],
    ids=["flag", "variable", "file"],
)
def test_the_server_that_is_gone(
    tmp_path: Path, words: Sequence[str], environ: Mapping[str, str], place: str
) -> None:
    (tmp_path / "broker.toml").write_text("server = 'granian'\n")

    line = refusal(words, tmp_path, environ)

    assert line == (
        "-server: 'granian' is gone: hypercorn is the only server there is; "
        f"leave the setting out{place}"
    )
    assert names_in(tmp_path) == ["broker.toml"]


def test_a_bad_variable(tmp_path: Path) -> None:
    line = refusal([], tmp_path, {"MINIQUEUE_MAX_MESSAGE": "big"})

    assert line == (
        "-max-message: 'big' is not a size such as 65536, 512K or 1M (MINIQUEUE_MAX_MESSAGE)"
    )


BAD_FILES = {
    "port = ": "-config: broker.toml: Invalid value",
    "prot = 80": "-config: broker.toml: no setting is called 'prot'",
    "[limits]\nmax-msgs = 1": "-config: broker.toml: no setting is called 'limits'",
    "port = [80]": "-port: is neither text, a number, true nor false",
    "fsync = 'maybe'": "-fsync: 'maybe' is none of always, interval, never (broker.toml)",
    "\0": "-config: broker.toml: ",
    "\udcff": "-config: broker.toml: ",
}


@pytest.mark.parametrize(("text", "start"), BAD_FILES.items(), ids=map(ascii, BAD_FILES))
def test_a_bad_file(text: str, start: str, tmp_path: Path) -> None:
    (tmp_path / "broker.toml").write_text(text, errors="surrogateescape")

    assert refusal(["-config", "broker.toml"], tmp_path).startswith(start)


def test_nothing_is_left_of_a_broker_that_did_not_start(good: list[str], tmp_path: Path) -> None:
    """A port that is refused is told before a database is made."""
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port = str(holder.getsockname()[1])

        refusal([*good, "-port", port], tmp_path)

    assert names_in(tmp_path) == []


def names_in(directory: Path) -> list[str]:
    return sorted(path.name for path in directory.iterdir())
