"""Whoever wants the client gets the client: nothing of the broker, and none of its packages."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from miniqueue_py.cli.extras import BROKER_PACKAGES, hint_of

PROJECT = Path(__file__).resolve().parents[2]
PATIENCE = 60.0

ROOMS_OF_THE_BROKER = "broker http server storage telemetry config certificates authority"
CLIENT = "from miniqueue_py import Client, SyncClient, Worker"

WITHOUT = """
import sys

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in ABSENT:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Absent())
"""

ON_WINDOWS = """
import builtins
import signal
import asyncio  # which has fcntl on Linux, and does without on Windows

ABSENT = {"fcntl", "grp", "pty", "pwd", "resource", "syslog", "termios", "tty"}
for name in ("SIGHUP", "SIGPIPE", "SIGUSR1", "SIGUSR2", "SIGWINCH", "SIGALRM", "SIGKILL"):
    delattr(signal, name)
import_it = builtins.__import__

def import_there(name, globals=None, *rest):
    if name in ABSENT and (globals or {}).get("__name__", "").startswith("miniqueue_py"):
        raise ModuleNotFoundError(f"No module named {name!r}", name=name)
    return import_it(name, globals, *rest)

builtins.__import__ = import_there
"""


def test_the_client_imports_nothing_of_the_broker() -> None:
    rooms = [f"miniqueue_py.{room}" for room in ROOMS_OF_THE_BROKER.split()]
    packages = [*BROKER_PACKAGES, "rich", "shtab"]
    looks = f"import sys; print(*sorted({{*{rooms + packages}}} & {{*sys.modules}}))"

    done = python(f"{CLIENT}\n{looks}")

    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")


def test_the_client_is_imported_where_the_broker_is_not_installed() -> None:
    done = python(f"{without(*BROKER_PACKAGES, 'uvloop')}{CLIENT}")

    assert (done.returncode, done.stderr) == (0, "")


def test_the_client_imports_no_module_that_windows_lacks() -> None:
    codec = "from miniqueue_py.http2.choose import codec_class; codec_class()"

    done = python(f"{ON_WINDOWS}\n{CLIENT}\n{codec}")

    assert (done.returncode, done.stderr) == (0, "")


def test_what_windows_lacks_is_noticed_by_the_test_above() -> None:
    done = python(f"{ON_WINDOWS}\nimport miniqueue_py.storage.keyvalue.place")

    assert done.returncode == 1
    assert "No module named 'fcntl'" in done.stderr


@pytest.mark.parametrize("words", [["serve"], ["cert"], ["repair", "."], []])
def test_a_command_of_the_broker_says_in_one_line_what_to_install(
    words: list[str], tmp_path: Path
) -> None:
    main = f"from miniqueue_py.cli.main import main; main({words})"

    done = python(f"{without(*BROKER_PACKAGES)}{main}", tmp_path)

    assert done.returncode == 2
    assert re.fullmatch(
        r"miniqueue: \w+ is not installed; the broker needs: "
        r"pip install 'miniqueue-py\[server\]'\n",
        done.stderr,
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [["-h"], ["topics", "-h"], ["publish", "-h"], ["top", "-h"]])
def test_the_help_needs_nothing_of_the_broker(words: list[str]) -> None:
    main = f"from miniqueue_py.cli.main import main; main({words})"

    done = python(f"{without(*BROKER_PACKAGES, 'uvloop')}{main}")

    assert (done.returncode, done.stderr) == (0, "")


def test_a_module_that_is_nobodys_is_no_matter_of_an_extra() -> None:
    assert hint_of(ModuleNotFoundError("No module named 'x'", name="x")) is None
    assert hint_of(ModuleNotFoundError("a module")) is None


def test_the_packages_of_the_broker_are_those_of_the_extra() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]
    extra = {name_of(each) for each in project["optional-dependencies"]["server"]}
    always = {name_of(each) for each in project["dependencies"]}

    # uvloop is used where it is, and rocksdict where plyvel has no wheel.
    assert extra - {"uvloop"} | {"rocksdict"} == {*BROKER_PACKAGES}
    assert not extra & always


def name_of(requirement: str) -> str:
    return re.split(r"[^\w-]", requirement)[0].replace("-", "_")


def without(*packages: str) -> str:
    return f"ABSENT = {set(packages)}{WITHOUT}"


def python(program: str, directory: Path = PROJECT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", program],
        cwd=directory,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
