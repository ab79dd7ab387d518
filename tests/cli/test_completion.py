"""Completion, as bash does it: the script is loaded, and its function called as by Tab."""

from collections.abc import Callable
from pathlib import Path

import pytest

from miniqueue_py.cli.commands import COMMANDS
from miniqueue_py.cli.completion import SHELLS, script
from tests.cli.commands import Commands
from tests.cli.conftest import Here
from tests.cli.pages import Pages

Tab = Callable[..., list[str]]

TAB = """
timeout() { shift; "$@"; }
source ./completion.bash
tab() {
  COMP_WORDS=("$@") COMP_CWORD=$(($# - 1)) COMPREPLY=()
  function=$(complete -p miniqueue) function=${function#*-F } function=${function%% *}
  "$function" miniqueue "${@: -1}" "${@: -2:1}"
  printf '%s\\n' "${COMPREPLY[@]}"
}
"""
"""`timeout` runs programs, and `miniqueue` is a function here."""


@pytest.fixture
def tab(commands: Commands, tmp_path: Path) -> Tab:
    """What a Tab behind these words offers."""
    (tmp_path / "completion.bash").write_text(script("bash"))

    def offered(*words: str) -> list[str]:
        typed = " ".join(f"'{word}'" for word in ("miniqueue", *words))
        done = commands.in_shell(f"{TAB}\ntab {typed} 2>/dev/null")
        return done.out.decode().split("\n")[:-1]

    return offered


def test_every_command_is_offered(tab: Tab) -> None:
    assert tab("") == list(COMMANDS)
    assert tab("pu") == ["publish", "purge"]


def test_options_of_a_command_are_offered_and_values_where_they_are_few(tab: Tab) -> None:
    assert tab("publish", "orders", "--p") == ["--priority", "--pin"]
    assert tab("serve", "-server", "") == ["hypercorn"]
    assert tab("-max-m") == ["-max-message", "-max-msgs"]
    assert tab("completion", "") == list(SHELLS)


def test_files_are_offered_where_files_are_meant(tab: Tab, commands: Commands) -> None:
    commands.in_shell("touch message.txt && mkdir messages")

    assert tab("publish", "orders", "mess") == ["message.txt", "messages"]
    assert tab("topics", "--ca", "message.") == ["message.txt"]


def test_topics_are_offered_by_name_and_none_is_expanded(
    tab: Tab, commands: Commands, miniqueue: Here, pages: Pages, topic: str
) -> None:
    names = [f"{topic}-a", f"{topic}-b c", f"{topic}-$(touch expanded)"]
    for name in names:
        pages.publish(name, b"one")

    offered = tab("subscribe", "--peek", f"{topic}-")

    back = commands.in_shell("printf '%s\\n' " + " ".join(offered)).out.decode().splitlines()
    assert sorted(back) == sorted(names)
    assert commands.in_shell("ls expanded").status != 0
    for name in names:
        miniqueue("delete", name, "--yes")


@pytest.mark.parametrize("shell", SHELLS)
def test_there_is_a_script_for_every_shell(miniqueue: Here, shell: str) -> None:
    done = miniqueue("completion", shell)

    assert (done.status, done.err) == (0, "")
    assert b"miniqueue topics --names" in done.out
    assert all(name.encode() in done.out for name in COMMANDS)
