import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

import pytest

from miniqueue_py.cli import main as command
from miniqueue_py.cli import serve as serving
from miniqueue_py.errors import DatabaseRefused
from miniqueue_py.tls.certificates import make_certificates
from miniqueue_py.version import __version__

Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is made in the working directory is made in a new one, with no settings around."""
    monkeypatch.chdir(tmp_path)
    for variable in [name for name in os.environ if name.startswith("MINIQUEUE_")]:
        monkeypatch.delenv(variable)


@pytest.mark.parametrize("argv", [["serve", "-h"], ["help", "serve"], ["-port", "1", "-h"]])
def test_help_fits_one_screen_and_shows_every_flag_with_its_default(
    argv: list[str], capsys: Output
) -> None:
    assert status_of(argv) == 0

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) < 24
    assert max(len(line) for line in lines) < 80
    flags = [line.split()[0] for line in lines if line.startswith("  -")]
    assert flags[:7] == ["-cert", "-key", "-db", "-human=false", "-level", "-period", "-port"]
    assert len(flags) == 18
    assert any(line.startswith("  -max-message 1M ") for line in lines)


def test_the_help_of_the_limits_shows_the_flags_that_are_theirs(capsys: Output) -> None:
    assert status_of(["serve", "-h", "limits"]) == 0
    text = capsys.readouterr().out

    assert "-max-connections 0\n" in text
    assert "-max-connections-per-address 0\n" in text
    assert max(map(len, text.splitlines())) <= 80


def test_the_help_of_the_dialects_shows_the_flags_that_are_theirs(capsys: Output) -> None:
    assert status_of(["serve", "-h", "dialects"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert len(lines) < 24
    assert max(len(line) for line in lines) < 80
    flags = [line.split()[0] for line in lines if line.startswith("  -")]
    assert flags == [
        "-dialect",
        "-zapq-max-bytes",
        "-zapq-max-msgs",
        "-zapq-snapshots",
        "-zoldyq-capacity",
        "-zoldyq-max-queues",
    ]


@pytest.mark.parametrize("word", ["--version", "-version", "version"])
def test_the_version_is_told(word: str, capsys: Output) -> None:
    assert status_of([word]) == 0

    assert capsys.readouterr().out == f"miniqueue {__version__}\n"


@pytest.mark.parametrize("words", [[], ["serve"]])
def test_a_bad_setting_exits_with_2_and_one_line(words: list[str], capsys: Output) -> None:
    assert status_of([*words, "-port", "http"]) == 2

    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err == "miniqueue: -port: 'http' is not a whole number\n"


def test_a_bad_variable_exits_with_2_and_one_line(
    capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINIQUEUE_FSYNC", "maybe")

    assert status_of([]) == 2

    assert capsys.readouterr().err == (
        "miniqueue: -fsync: 'maybe' is none of always, interval, never (MINIQUEUE_FSYNC)\n"
    )


def test_a_line_stays_one_line_whatever_was_typed(capsys: Output) -> None:
    assert status_of(["-po\nrt"]) == 2

    assert capsys.readouterr().err.count("\n") == 1


def test_a_key_of_another_certificate_exits_with_2(tmp_path: Path, capsys: Output) -> None:
    one = make_certificates(tmp_path / "one")
    other = make_certificates(tmp_path / "other")

    assert status_of(["-cert", str(one.certificate), "-key", str(other.key)]) == 2

    error = capsys.readouterr().err
    assert error == f"miniqueue: -key: {other.key} does not belong to {one.certificate}\n"


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (DatabaseRefused("-db: ./miniqueue is in use"), 2, "miniqueue: -db: ./miniqueue is in use"),
        (KeyboardInterrupt(), 130, ""),
    ],
)
def test_how_the_broker_ends_is_the_exit_status(
    error: BaseException,
    status: int,
    line: str,
    capsys: Output,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def end(*_: object) -> NoReturn:
        raise error

    monkeypatch.setattr(serving, "serve", end)

    assert status_of([]) == status
    assert capsys.readouterr().err.strip() == line


def test_cert_makes_certificates_and_says_how_to_use_them(tmp_path: Path, capsys: Output) -> None:
    assert status_of(["cert"]) == 0

    printed = capsys.readouterr().out
    assert 3 <= len(printed.splitlines()) <= 5
    assert "-cert certs/localhost.pem -key certs/localhost-key.pem" in printed
    assert "curl --cacert certs/ca.pem https://localhost:8080/" in printed
    assert (tmp_path / "certs" / "localhost.pem").is_file()


def test_cert_keeps_a_good_certificate_until_a_host_is_added(tmp_path: Path) -> None:
    certificate = tmp_path / "here" / "localhost.pem"
    status_of(["cert", "--directory", "here"])
    first = certificate.read_bytes()

    status_of(["cert", "--directory", "here"])
    again = certificate.read_bytes()
    status_of(["cert", "--directory", "here", "--host", "queue.example"])
    added = certificate.read_bytes()

    assert again == first
    assert added != first


def test_cert_tells_programs_where_the_files_are(capsys: Output) -> None:
    assert status_of(["cert", "--json"]) == 0

    assert json.loads(capsys.readouterr().out) == {
        "certificate": "certs/localhost.pem",
        "key": "certs/localhost-key.pem",
        "authority": "certs/ca.pem",
    }


@pytest.mark.parametrize("argv", [["cert", "--hosts", "x"], ["cert", "--host"], ["cert", "x"]])
def test_cert_refuses_what_it_does_not_know_in_one_line(argv: list[str], capsys: Output) -> None:
    assert status_of(argv) == 2

    assert capsys.readouterr().err.startswith("miniqueue: cert: ")


def test_a_start_with_good_certificates_does_not_load_cryptography(tmp_path: Path) -> None:
    make_certificates(tmp_path / "certs")
    program = (
        "import datetime, pathlib, sys; from miniqueue_py.cli import main, serve;"
        "from miniqueue_py.tls.certificates import ensure_development_certificates as ensure;"
        "ensure(pathlib.Path('certs'), datetime.datetime.now(datetime.UTC));"
        "sys.exit('cryptography' in sys.modules)"
    )
    root = Path(command.__file__).parents[2]

    finished = subprocess.run(
        [sys.executable, "-c", program], env={"PYTHONPATH": str(root)}, check=False
    )

    assert finished.returncode == 0


def status_of(argv: list[str]) -> object:
    with pytest.raises(SystemExit) as caught:
        command.main(argv)
    return caught.value.code
