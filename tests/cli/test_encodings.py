"""Whatever encoding stdout has, output comes out whole: what it lacks is escaped."""

import json
from urllib.parse import quote

import pytest

from tests.cli.commands import Commands, Done
from tests.cli.pages import Pages

ENCODINGS = [
    ("PYTHONIOENCODING=ascii", "ascii"),
    ("PYTHONIOENCODING=latin-1", "latin-1"),
    ("LC_ALL=C", "utf-8"),
]
NAME = "gr\u00f6\u00dfe \u2603 \u202e \U0001f600"

COMMANDS = """
miniqueue topics
miniqueue topics --names
miniqueue stats "$name"
miniqueue pause "$name"
miniqueue subscribe "$name" 2>&1
miniqueue resume "$name"
miniqueue redrive "$name" 2>&1
miniqueue top --once --interval 100ms
miniqueue inspect "$name" 2>&1
miniqueue cert --directory "certs $name"
miniqueue -h
"""
AS_JSON = """
miniqueue topics --json
miniqueue stats "$name" --json
miniqueue subscribe "$name.dead" --json --peek
miniqueue subscribe "$name.dead" --json
miniqueue top --once --json --interval 100ms
miniqueue cert --directory "certs $name" --json
miniqueue purge "$name" --yes --json
"""


def run(commands: Commands, variables: str, name: str, script: str) -> Done:
    return commands.in_shell(f"export {variables}\nname='{name}'\n{script}")


@pytest.fixture
def name(pages: Pages, topic: str) -> str:
    """A topic that no encoding but Unicode's can name, and a dead letter of it."""
    name = f"{NAME} {topic}"
    pages.publish(name, b"one")
    pages.kill_one(quote(name))
    return name


@pytest.mark.parametrize(("variables", "encoding"), ENCODINGS)
def test_what_the_encoding_lacks_is_escaped_and_nothing_fails(
    commands: Commands, name: str, variables: str, encoding: str
) -> None:
    done = run(commands, variables, name, COMMANDS)

    assert "Traceback" not in done.err
    assert b"Traceback" not in done.out
    text = done.out.decode(encoding)
    assert text.count("\u2603" if encoding == "utf-8" else "\\u2603") >= 7
    assert ("gr\u00f6\u00dfe" in text) == (encoding != "ascii")


@pytest.mark.parametrize(("variables", "encoding"), ENCODINGS)
def test_json_is_ascii_and_says_the_name_in_any_encoding(
    commands: Commands, name: str, variables: str, encoding: str
) -> None:
    done = run(commands, variables, name, AS_JSON)

    assert done.err == ""
    lines = done.out.decode("ascii").splitlines()
    said = [json.dumps(json.loads(line), ensure_ascii=False) for line in lines]
    assert sum(NAME in each for each in said) >= 6, (encoding, said)
