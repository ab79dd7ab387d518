"""What is seen and typed in a terminal."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cli.pages import Pages
from tests.cli.terminal import Terminal
from tests.outside.server import RunningBroker

InTerminal = Callable[..., Terminal]


@pytest.fixture
def in_terminal(broker: RunningBroker) -> Iterator[InTerminal]:
    """Start a command as somebody does who sits in front of it."""
    broker_is = {name: text for name, text in os.environ.items() if name.startswith("MINIQUEUE_")}
    with ExitStack() as stack:
        yield lambda *words: stack.enter_context(Terminal(words, environment=broker_is))


@pytest.mark.parametrize(
    ("command", "question"),
    [("purge", "Remove all of these? "), ("delete", "Remove these and its policy? ")],
)
def test_removing_asks_and_is_done_when_the_name_is_typed(
    in_terminal: InTerminal, pages: Pages, topic: str, command: str, question: str
) -> None:
    pages.publish(topic, b"one", b"two")

    terminal = in_terminal(command, topic)
    terminal.wait_for(f"{topic} has 2 ready, 0 in flight, 0 delayed. {question}", "or nothing: ")
    terminal.press(f"{topic}\n")

    assert terminal.wait() == 0
    assert (topic in pages.names()) == (command == "purge")
    assert command == "delete" or pages.bodies(topic) == []


@pytest.mark.parametrize("answer", ["\n", "yes\n", "\x04"])
def test_purge_removes_nothing_for_any_other_answer(
    in_terminal: InTerminal, pages: Pages, topic: str, answer: str
) -> None:
    pages.publish(topic, b"one")

    terminal = in_terminal("purge", topic)
    terminal.wait_for("or nothing: ")
    terminal.press(answer)

    assert terminal.wait() == 1
    assert "miniqueue: nothing was removed" in terminal.text
    assert pages.bodies(topic) == [b"one"]


def test_purge_can_be_left_by_ctrl_c(in_terminal: InTerminal, pages: Pages, topic: str) -> None:
    pages.publish(topic, b"one")

    terminal = in_terminal("purge", topic)
    terminal.wait_for("or nothing: ")
    terminal.press("\x03")

    assert terminal.wait() == 130
    assert pages.bodies(topic) == [b"one"]


def test_a_message_is_typed_until_ctrl_d(in_terminal: InTerminal, pages: Pages, topic: str) -> None:
    terminal = in_terminal("publish", topic)
    terminal.wait_for("end it with Ctrl-D")
    terminal.press("typed\nhere\n\x04")

    assert terminal.wait() == 0
    assert pages.bodies(topic) == [b"typed\nhere\n"]


def test_every_line_that_is_typed_is_published_at_once(
    in_terminal: InTerminal, pages: Pages, topic: str
) -> None:
    pages.set_policy(topic)
    terminal = in_terminal("publish", topic, "--lines")
    terminal.wait_for("end with Ctrl-D")

    terminal.press("one\n")
    pages.wait_until(topic, lambda told: told["ready"] == 1)
    terminal.press("two\n\x04")

    assert terminal.wait() == 0
    assert pages.bodies(topic) == [b"one", b"two"]


def test_a_long_publish_shows_a_bar_with_a_rate(
    in_terminal: InTerminal, pages: Pages, topic: str, tmp_path: Path
) -> None:
    lines = tmp_path / "lines"
    lines.write_text("".join(f"{number}\n" for number in range(50_000)))

    terminal = in_terminal("publish", topic, "--lines", str(lines))

    assert terminal.wait() == 0
    assert "publishing" in terminal.text
    assert "50,000 messages" in terminal.text
    assert "/s" in terminal.text
    assert pages.topic(topic)["ready"] == 50_000


def test_ctrl_c_in_a_terminal_ends_a_subscription(
    in_terminal: InTerminal, pages: Pages, topic: str
) -> None:
    pages.publish(topic, b"one")
    terminal = in_terminal("subscribe", topic, "--follow")
    terminal.wait_for("one")

    terminal.press("\x03")

    assert terminal.wait() == 130
    assert pages.topic(topic)["acknowledged"] == 1
    assert pages.topic(topic)["inFlight"] == 0
    assert "Traceback" not in terminal.text


@pytest.mark.parametrize("words", [["--peek"], []])
def test_a_message_steers_no_terminal(
    in_terminal: InTerminal, pages: Pages, topic: str, words: list[str]
) -> None:
    pages.publish(topic, "\x1b]0;owned\x07é\n\tsecond\x9b2J".encode(), b"\xff")

    terminal = in_terminal("subscribe", topic, *words)

    assert terminal.wait() == 0
    assert b"\x1b" not in terminal.seen
    assert r"\x1b]0;owned\x07é" in terminal.text
    assert r"second\x9b2J" in terminal.text
    assert r"\xff" in terminal.text


def test_raw_bodies_reach_a_terminal_as_they_are(
    in_terminal: InTerminal, pages: Pages, topic: str
) -> None:
    pages.publish(topic, b"\x1b[1mbold")

    terminal = in_terminal("subscribe", topic, "--raw")

    assert terminal.wait() == 0
    assert b"\x1b[1mbold" in terminal.seen
