"""Commands whose stdin, stdout or stderr is closed, or takes nothing."""

import pytest

from tests.cli.commands import Commands
from tests.cli.pages import Pages


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_what_needs_no_stream_works_without(
    commands: Commands, pages: Pages, topic: str, closed: str
) -> None:
    done = commands.in_shell(f"printf one > file; miniqueue publish {topic} --lines file {closed}")

    assert done == (0, b"", "")
    assert pages.bodies(topic) == [b"one"]


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ("topics >&-", "stdout"),
        ("subscribe {} >&-", "stdout"),
        ("publish {} <&-", "stdin"),
        ("publish {} --lines <&-", "stdin"),
    ],
)
def test_a_stream_that_is_closed_and_needed_is_named(
    commands: Commands, pages: Pages, topic: str, words: str, name: str
) -> None:
    pages.publish(topic, b"one")

    done = commands.in_shell(f"miniqueue {words.format(topic)}")

    assert done.status == 1
    assert done.err.startswith(f"miniqueue: {name}: Bad file descriptor")
    assert done.err.count("\n") == 1
    assert pages.bodies(topic) == [b"one"]


def test_without_stderr_a_message_is_taken_and_nothing_breaks(
    commands: Commands, pages: Pages, topic: str
) -> None:
    pages.publish(topic, b"one")

    assert commands.in_shell(f"miniqueue subscribe {topic} 2>&-") == (0, b"one\n", "")
    assert commands.in_shell("miniqueue nonsense 2>&-") == (2, b"", "")


def test_purge_asks_nobody_where_there_is_no_stdin(commands: Commands, topic: str) -> None:
    done = commands.in_shell(f"miniqueue purge {topic} <&-")

    assert done.status == 2
    assert done.err.startswith("miniqueue: purge: there is no terminal to ask on")


@pytest.mark.parametrize("words", ["-h", "publish -h", "topics", "completion bash"])
def test_an_output_that_cannot_be_written_is_named(
    commands: Commands, pages: Pages, topic: str, words: str
) -> None:
    pages.publish(topic, b"one")

    done = commands.in_shell(f"miniqueue {words} > /dev/full")

    assert done == (1, b"", "miniqueue: stdout: No space left on device\n")
