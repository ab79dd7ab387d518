"""The words of every command, and their help, which fits a screen."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from miniqueue_py.cli.commands import COMMANDS
from miniqueue_py.cli.main import main
from miniqueue_py.config.settings import LEVELS
from tests.cli.commands import Done
from tests.outside.server import PROJECT

SCREEN = 80, 24

# What starts a broker or draws on a screen, and takes its time to be imported.
HEAVY = {"quart", "hypercorn", "plyvel", "rocksdict", "cryptography", "structlog", "rich", "shtab"}

Output = pytest.CaptureFixture[str]


def words(capsys: Output, *words: str) -> Done:
    with pytest.raises(SystemExit) as caught:
        main(words)
    out, err = capsys.readouterr()
    assert isinstance(caught.value.code, int)
    return Done(caught.value.code, out.encode(), err)


@pytest.mark.parametrize("name", COMMANDS)
@pytest.mark.parametrize("asked", [("{}", "-h"), ("{}", "--help"), ("help", "{}")])
def test_every_help_fits_a_screen_and_the_prompt_below_it(
    name: str, asked: tuple[str, str], capsys: Output, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")  # however wide the terminal is

    done = words(capsys, *(word.format(name) for word in asked))

    assert (done.status, done.err) == (0, "")
    lines = done.out.decode().splitlines()
    assert len(lines) < SCREEN[1]
    assert max(map(len, lines)) < SCREEN[0]
    assert f"miniqueue {name}" in lines[0] or name == "serve"


@pytest.mark.parametrize("asked", ["-h", "--help", "-help", "help"])
def test_the_first_help_lists_every_command_on_one_screen(asked: str, capsys: Output) -> None:
    done = words(capsys, asked)

    lines = done.out.decode().splitlines()
    assert len(lines) < SCREEN[1]
    assert max(map(len, lines)) < SCREEN[0]
    heads = [line[2:].split("  ")[0] for line in lines if line.startswith("  ")]
    listed = [word for head in heads for word in head.replace(",", "").split() if word in COMMANDS]
    assert sorted(listed) == sorted(COMMANDS)


@pytest.mark.parametrize("name", sorted(COMMANDS.keys() - {"serve"}))
def test_a_word_that_is_not_known_is_told_in_one_line(name: str, capsys: Output) -> None:
    done = words(capsys, name, "--nonsense")

    assert done.status == 2
    assert done.out == b""
    assert done.err.startswith(f"miniqueue: {name}: ")
    assert done.err.endswith(f"; `miniqueue {name} -h` tells more\n")
    assert done.err.count("\n") == 1


@pytest.mark.parametrize(
    ("word", "hint"), [("pubish", "did you mean publish? "), ("topic", "did you mean topics? ")]
)
def test_a_slip_of_the_finger_gets_a_hint(word: str, hint: str, capsys: Output) -> None:
    done = words(capsys, word, "orders")

    assert done == (
        2,
        b"",
        f"miniqueue: '{word}': there is no such command; {hint}`miniqueue -h` lists them\n",
    )


def test_what_is_missing_is_told(capsys: Output) -> None:
    done = words(capsys, "publish", "--lines")

    assert done.err == (
        "miniqueue: publish: the following arguments are required: TOPIC; "
        "`miniqueue publish -h` tells more\n"
    )


def test_the_settings_name_the_levels_that_the_help_names(capsys: Output) -> None:
    asked = words(capsys, "serve", "-h").out.decode()
    [line] = [line for line in asked.splitlines() if line.startswith("  -level ")]
    page = (PROJECT / "docs" / "settings.md").read_text()
    [row] = [row for row in page.splitlines() if row.startswith("| `-level` ")]

    levels = line.partition(": ")[2].replace(" or ", ", ").split(", ")
    assert levels == [*LEVELS]
    assert [level for level in levels if f"`{level}`" not in row.split("|")[4]] == []


def test_messages_without_a_topic_make_no_sense(capsys: Output) -> None:
    done = words(capsys, "inspect", "nowhere", "-n", "2")

    assert done == (2, b"", "miniqueue: inspect: --messages is of a topic: name it with --topic\n")


@pytest.mark.parametrize(
    "host", ["bad host!", "", "https://broker", "broker:8080", "-x", "a..b", "1.2.3", "x" * 64, "ä"]
)
def test_no_certificate_is_made_for_what_is_no_host(
    host: str, capsys: Output, tmp_path: Path
) -> None:
    done = words(capsys, "cert", f"--host={host}", "--directory", str(tmp_path / "certs"))

    assert done.status == 2
    assert done.err.startswith(f"miniqueue: cert: --host: {host!r} is no host name, and no address")
    assert not (tmp_path / "certs").exists()


@pytest.mark.parametrize("host", ["broker", "*.example.org", "a_b.c-d.x1", "10.0.0.1", "fe80::1"])
def test_a_certificate_is_made_for_names_and_addresses(
    host: str, capsys: Output, tmp_path: Path
) -> None:
    assert words(capsys, "cert", "--host", host, "--directory", str(tmp_path)).status == 0


def test_a_client_command_loads_nothing_of_a_broker_nor_of_a_screen() -> None:
    program = (
        "import sys\n"
        "from miniqueue_py.cli.main import main\n"
        "try: main(['publish', 'x', '--lines', '--url', 'https://127.0.0.1:1', '--ca', ''])\n"
        "except SystemExit as end: assert end.code == 3, end.code\n"
        f"print(*{HEAVY!r} & set(sys.modules))"
    )

    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout.strip() == ""
