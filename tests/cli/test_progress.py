import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from miniqueue_py.cli.progress import DRAWN_A_SECOND, Bar, progress
from tests.cli.terminal import PROJECT, Terminal

CTRL_C = "\x03"
ERASE_LINE, HIDE_CURSOR, SHOW_CURSOR = b"\x1b[2K", b"\x1b[?25l", b"\x1b[?25h"

HALF_DONE = """\
import select, sys
from miniqueue_py.cli.progress import progress
print("out", flush=True)
with progress(2000, "publishing") as bar:
    bar.advance(10, 1000)
    select.select([sys.stdin], [], [])
    print("put", flush=True)
    bar.advance(10, 1000)
"""
"""Goes on when Enter is pressed."""

DEAF = """\
import anyio
from miniqueue_py.cli.progress import progress
from miniqueue_py.cli.running import _to_the_end
async def work(interruption):
    with interruption.ends_in_order(), progress(None, "publishing"):
        with interruption.stops():
            await anyio.sleep_forever()
        print("interrupted once", flush=True)
        await anyio.sleep_forever()
anyio.run(_to_the_end, work)
"""
"""Waits for what never comes, after Ctrl-C too."""

NO_TOTAL = HALF_DONE.replace("progress(2000", "progress(None")


def test_the_bar_shows_count_rate_and_when_it_ends() -> None:
    with Terminal([], program=["-c", HALF_DONE]) as terminal:
        terminal.wait_for("publishing", "10 messages", "1000", "/s", " left", "━")
        terminal.forget()

        terminal.press("\n")

        assert terminal.wait() == 0
        last_line = terminal.text.rstrip().splitlines()[-1]
        assert "20 messages" in last_line
        assert " in 0:0" in last_line
        assert terminal.seen.endswith(SHOW_CURSOR)


def test_without_a_total_there_is_no_end_in_sight_and_no_bar() -> None:
    with Terminal([], program=["-c", NO_TOTAL]) as terminal:
        terminal.wait_for("publishing", "10 messages")

        terminal.press("\n")

        assert terminal.wait() == 0
        assert "left" not in terminal.text
        assert "━" not in terminal.text


def test_ctrl_c_leaves_no_bar_behind() -> None:
    with Terminal([], program=["-c", HALF_DONE]) as terminal:
        terminal.wait_for("10 messages")
        terminal.forget()

        terminal.press(CTRL_C)

        assert terminal.wait() != 0
        assert SHOW_CURSOR in terminal.seen
        assert ERASE_LINE in terminal.seen.partition(SHOW_CURSOR)[2]
        assert " in 0:0" not in terminal.text
        assert terminal.is_as_before()


def test_a_second_ctrl_c_leaves_no_bar_and_a_cursor() -> None:
    with Terminal([], program=["-c", DEAF]) as terminal:
        terminal.wait_for("publishing")
        terminal.press(CTRL_C)
        terminal.wait_for("interrupted once")
        assert HIDE_CURSOR in terminal.seen

        terminal.press(CTRL_C)

        assert terminal.wait() == 130
        assert terminal.seen.endswith(ERASE_LINE + SHOW_CURSOR)
        assert terminal.is_as_before()


def test_it_is_drawn_ten_times_a_second_at_most() -> None:
    began = time.monotonic()
    with Terminal([], program=["-c", HALF_DONE]) as terminal:
        while terminal.seen.count(ERASE_LINE) < 5:
            terminal.wait_for_more()
        draws = terminal.seen.count(ERASE_LINE)

    assert draws <= DRAWN_A_SECOND * (time.monotonic() - began) + 1


@pytest.mark.parametrize("columns", [20, 40, 80, 200])
def test_it_stays_in_one_line(columns: int) -> None:
    with Terminal([], program=["-c", HALF_DONE], columns=columns) as terminal:
        terminal.wait_for("10 message")
        terminal.press("\n")
        assert terminal.wait() == 0

        drawn = [line for line in re.split(r"[\r\n]", terminal.text) if "message" in line]
        assert max(len(line) for line in drawn) < columns - len("^C")


def test_stdout_has_what_was_printed_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "out"
    with (
        path.open("wb") as out,
        Terminal([], program=["-c", HALF_DONE], stdout=out.fileno()) as terminal,
    ):
        terminal.wait_for("10 messages")
        terminal.press("\n")
        assert terminal.wait() == 0

    assert path.read_text() == "out\nput\n"


@pytest.mark.parametrize(
    "environment", [{}, {"FORCE_COLOR": "1", "TTY_COMPATIBLE": "1", "TTY_INTERACTIVE": "1"}]
)
def test_nothing_is_drawn_and_rich_not_loaded_where_stderr_is_no_terminal(
    environment: dict[str, str],
) -> None:
    program = f"{HALF_DONE}\nsys.exit('rich' in sys.modules)"

    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=PROJECT,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=30,
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, b"out\nput\n", b"")


def test_nothing_is_drawn_on_a_terminal_that_can_not() -> None:
    with Terminal([], program=["-c", HALF_DONE], environment={"TERM": "dumb"}) as terminal:
        terminal.wait_for("out")
        terminal.press("\n")

        assert terminal.wait() == 0
        assert "messages" not in terminal.text
        assert b"\x1b" not in terminal.seen


def test_bytes_are_told_with_their_unit() -> None:
    bar = Bar(None, "publishing")
    bar.advance(20, 40)

    assert "20 messages  40B  " in bar.words(time.monotonic() + 1)

    bar.advance(1, 5000)

    assert "21 messages  4.9KB  " in bar.last_words(time.monotonic() + 1)


def test_the_rate_is_that_of_the_last_seconds() -> None:
    bar = Bar(10_000, "publishing")
    began = time.monotonic()
    for second in range(5):
        bar.advance(100, 1000)
        words = bar.words(began + second + 1)
    assert "500 messages" in words
    assert "100/s" in words
    assert words.endswith("0:05 left")

    stalled = [bar.words(began + 5 + second) for second in range(1, 5)][-1]

    assert "  0/s" in stalled
    assert stalled.endswith("-:-- left")


def test_more_than_the_total_is_no_error() -> None:
    bar = Bar(10, "publishing")
    bar.advance(5, 50)

    assert bar.words(time.monotonic() + 1).endswith("0:00 left")
    assert bar.line("words", 80) is not None


def test_reporting_costs_next_to_nothing(capfd: pytest.CaptureFixture[str]) -> None:
    with progress(None, "publishing") as bar:
        began = time.perf_counter()
        for _ in range(100_000):
            bar.advance(1, 1)
        seconds = time.perf_counter() - began

    assert seconds < 1
    assert (bar.count, bar.bytes) == (100_000, 100_000)
    assert capfd.readouterr() == ("", "")
