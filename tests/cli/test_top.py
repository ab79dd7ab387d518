import json
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len

from miniqueue_py.cli.legible import legible
from miniqueue_py.cli.top import top
from miniqueue_py.cli.top_figures import Figures, Rates
from miniqueue_py.cli.top_screen import View, draw, fit, rate_in_words, short
from miniqueue_py.client import Topic
from miniqueue_py.errors import BadSetting
from miniqueue_py.tls.certificates import make_certificates
from tests.cli.conftest import Here
from tests.cli.pages import Pages
from tests.cli.terminal import PROJECT, Terminal
from tests.outside.server import RunningBroker

ALTERNATE_SCREEN, MAIN_SCREEN = b"\x1b[?1049h", b"\x1b[?1049l"
SHOW_CURSOR = b"\x1b[?25h"
CTRL_C, CTRL_Z = "\x03", "\x1a"


@pytest.fixture
def own_broker(tmp_path: Path) -> Iterator[RunningBroker]:
    """A broker that a test may kill, and start again on the same port."""
    with socket.create_server(("127.0.0.1", 0)) as anything:
        port = anything.getsockname()[1]
    certificates = make_certificates(tmp_path / "certs")
    flags = ("-fsync", "never", "-port", str(port))
    with RunningBroker(tmp_path / "db", certificates, flags=flags) as broker:
        yield broker


# Figures.


def test_a_rate_is_the_difference_over_the_time_that_passed() -> None:
    figures = Figures()

    figures.take([topic("orders", published=10, delivered=5)], at=100.0)
    first = figures.rows[0].rates
    figures.take([topic("orders", published=110, delivered=15, dead_lettered=1)], at=102.0)

    assert first is None
    assert figures.rows[0].rates == Rates(50.0, 5.0, 0.0, 0.5)
    assert figures.totals.rates == Rates(50.0, 5.0, 0.0, 0.5)


def test_a_topic_that_is_new_or_made_anew_counts_from_nothing() -> None:
    figures = Figures()
    figures.take([topic("old", published=1000)], at=0.0)

    figures.take([topic("old", published=4), topic("new", published=6)], at=2.0)

    rates = {row.topic.name: row.rates for row in figures.rows}
    assert rates == {"old": Rates(published=2.0), "new": Rates(published=3.0)}


def test_the_busiest_come_first_then_the_fullest_then_by_name() -> None:
    figures = Figures()
    names = ["idle", "full", "also idle", "slow", "busy"]
    figures.take([topic(name) for name in names], at=0.0)

    figures.take(
        [
            topic("idle"),
            topic("full", ready=7),
            topic("also idle"),
            topic("slow", published=1),
            topic("busy", delivered=50),
        ],
        at=1.0,
    )

    assert order(figures) == ["busy", "slow", "full", "also idle", "idle"]


def test_one_quiet_moment_does_not_change_the_order() -> None:
    figures = Figures()
    for second in range(6):
        counters = {"busy": 100 * second, "slow": 10 * second}
        figures.take([topic(name, published=n) for name, n in counters.items()], at=second)

    figures.take([topic("busy", published=500), topic("slow", published=60)], at=6.0)

    assert order(figures) == ["busy", "slow"]


# The screen.


@pytest.mark.parametrize("width", [1, 20, 40, 79, 80, 81, 100, 132, 200, 400])
@pytest.mark.parametrize("height", [1, 3, 10, 24, 50])
def test_no_line_is_wider_and_there_are_no_more_lines_than_the_screen_has(
    width: int, height: int
) -> None:
    lines = drawn(many(30), width, height)

    assert len(lines) <= height
    assert all(cell_len(line) <= width for line in lines)


def test_the_important_columns_are_there_at_80_and_all_at_200() -> None:
    at_80 = drawn(many(3), 80, 24)[3].split()
    at_200 = drawn(many(3), 200, 50)[3].split()

    assert at_80[:6] == ["topic", "ready", "flight", "delayed", "pub/s", "ack/s"]
    assert at_80[6:] == ["dead/s", "oldest", "cons"]
    assert set(at_80) | {"deliv/s", "size", "died"} < set(at_200)


def test_columns_stand_below_their_heads() -> None:
    figures = Figures()
    figures.take([], at=0.0)
    figures.take(
        [topic("名前" * 30, ready=10**9, published=10**8, oldest_age_seconds=10**6, paused=True)],
        at=1.0,
    )

    head, row = drawn(figures, 80, 24)[3:5]

    assert cell_len(head) == cell_len(row)
    assert row.split()[1:] == ["||", "1.00G", "0", "0", "100M", "0", "0", "11d13h", "0"]


def test_more_topics_than_rows_are_counted() -> None:
    assert drawn(many(30), 80, 14)[-1] == "and 21 more"
    assert len(drawn(many(10), 80, 14)) == 14
    assert "more" not in drawn(many(10), 80, 14)[-1]


def test_a_name_can_not_steer_the_terminal() -> None:
    figures = Figures()
    figures.take([topic("a\x1b[2J\u202e\x9bb\n")], at=0.0)

    text = "\n".join(drawn(figures, 200, 24))

    assert r"a\x1b[2J\u202e\x9bb\n" in text
    assert text.isprintable() or set(text) - {"\n"} <= {c for c in text if c.isprintable()}


def test_trouble_is_told_in_the_head_and_the_last_figures_stay_dimmed() -> None:
    figures = Figures()
    figures.take([topic("orders", ready=17)], at=0.0)

    text = draw(View("https://q:1", figures, "12:00:00", "no answer for 3s: gone"), 80, 24)

    lines = text.plain.splitlines()
    assert lines[1] == "no answer for 3s: gone"
    assert lines[4].split()[:2] == ["orders", "17"]
    [style] = [span.style for span in text.spans if "orders" in text.plain[span.start : span.end]]
    assert style == "dim"


@pytest.mark.parametrize(
    ("text", "width", "fitted"),
    [
        ("orders", 6, "orders"),
        ("orders", 5, "or…rs"),
        ("orders", 1, "…"),
        ("orders", 0, ""),
        ("日本語日本語", 7, "日…本語"),
    ],
)
def test_a_name_that_is_too_long_loses_its_middle(text: str, width: int, fitted: str) -> None:
    assert fit(text, width) == fitted
    assert cell_len(fitted) <= width


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0"),
        (99_999, "99,999"),
        (100_000, "100k"),
        (999_499, "999k"),
        (999_500, "1.00M"),
        (12_345_678, "12.3M"),
        (99_950_000, "100M"),
        (2**63, "9.22E"),
    ],
)
def test_numbers_are_short(count: int, words: str) -> None:
    assert short(count) == words


@pytest.mark.parametrize(
    ("rate", "words"), [(None, "-"), (0.0, "0"), (0.24, "0.2"), (9.96, "10"), (250.4, "250")]
)
def test_slow_rates_have_a_digit_more(rate: float | None, words: str) -> None:
    assert rate_in_words(rate) == words


def test_what_is_seen_stays_as_it_is() -> None:
    assert legible("größe 日本 🎉 -> \\") == "größe 日本 🎉 -> \\"


# On a terminal.


def test_q_leaves_and_the_terminal_is_as_before(own_broker: RunningBroker) -> None:
    Pages(own_broker).publish("orders", b"x")
    with Terminal(["top", "-i", "100ms", *speaking_to(own_broker)]) as terminal:
        terminal.wait_for(broker_url(own_broker), "orders", "pub/s", "q leaves")
        assert not terminal.is_as_before()

        terminal.press("xq")

        assert terminal.wait() == 0
        assert terminal.is_as_before()
        assert terminal.seen.startswith(ALTERNATE_SCREEN)
        assert MAIN_SCREEN in terminal.seen.rpartition(b"pub/s")[2]
        assert SHOW_CURSOR in terminal.seen.rpartition(b"pub/s")[2]


@pytest.mark.parametrize(
    ("end", "status"),
    [
        (lambda terminal: terminal.press(CTRL_Z + CTRL_C), 130),
        (lambda terminal: signal_to(terminal, signal.SIGTERM), 143),
    ],
)
def test_signals_leave_too(
    end: Callable[[Terminal], None], status: int, broker: RunningBroker
) -> None:
    with Terminal(["top", *speaking_to(broker)]) as terminal:
        terminal.wait_for("q leaves")

        end(terminal)

        assert terminal.wait() == status
        assert terminal.is_as_before()
        assert MAIN_SCREEN in terminal.seen


def test_another_size_is_drawn_at_once(broker: RunningBroker) -> None:
    with Terminal(["top", "-i", "1h", *speaking_to(broker)], columns=60) as terminal:
        terminal.wait_for("q leaves", "topic")
        assert "expired" not in terminal.text

        terminal.resize(200, 50)
        signal_to(terminal, signal.SIGWINCH)

        terminal.wait_for("expired")


def test_a_broker_that_goes_away_is_told_and_found_again(own_broker: RunningBroker) -> None:
    Pages(own_broker).publish("orders", b"x")
    with Terminal(["top", "-i", "100ms", *speaking_to(own_broker)]) as terminal:
        terminal.wait_for("orders", "1 topic ")
        own_broker.kill()
        terminal.forget()
        terminal.wait_for("no answer for", "Connection refused", "orders")

        own_broker.start()

        terminal.forget()
        terminal.wait_for("1 topic ", "orders")
        terminal.press("q")
        assert terminal.wait() == 0


# Without a screen.


def test_once_in_a_pipe_is_a_plain_table(miniqueue: Here, pages: Pages, topic: str) -> None:
    pages.publish(topic, b"x")

    done = miniqueue("top", "--once", "-i", "100ms")

    assert (done.status, done.err) == (0, "")
    head, *rows = done.out.decode().splitlines()
    assert head.split()[:2] == ["topic", "ready"]
    [row] = [row.split() for row in rows if row.startswith(f"{topic} ")]
    assert row[:4] == [topic, "1", "0", "0"]
    assert b"\x1b" not in done.out


def test_json_has_the_names_of_the_wire_and_rates(
    miniqueue: Here, pages: Pages, broker: RunningBroker, topic: str
) -> None:
    pages.publish(topic, b"x")

    done = miniqueue("top", "--once", "--json", "-i", "100ms")

    told: dict[str, Any] = json.loads(done.out)
    [ours] = [each for each in told["topics"] if each["name"] == topic]
    assert (ours["ready"], ours["inFlight"], ours["paused"]) == (1, 0, False)
    assert ours["rates"] == dict.fromkeys(
        ["published", "delivered", "acknowledged", "deadLettered"], 0.0
    )
    assert told["url"] == f"https://localhost:{broker.port}"
    assert 0.1 <= told["seconds"] < 5
    assert told["totals"]["topics"] == len(told["topics"])


def test_no_broker_is_status_3_and_no_screen() -> None:
    with Terminal(["top", "--url", "https://127.0.0.1:1"]) as terminal:
        assert terminal.wait() == 3

        assert "cannot connect to 127.0.0.1:1" in terminal.text
        assert ALTERNATE_SCREEN not in terminal.seen


@pytest.mark.parametrize("words", [["-i", "0"], ["-i", "2h"], ["-i", "fast"], ["orders"]])
def test_words_that_are_not_known_are_refused(words: list[str]) -> None:
    with pytest.raises(BadSetting, match="top"):
        top(words)


def test_serving_does_not_load_rich() -> None:
    program = (
        "import sys, miniqueue_py.cli.main, miniqueue_py.cli.serve, miniqueue_py.server;"
        "sys.exit(any(name.split('.')[0] == 'rich' for name in sys.modules))"
    )

    finished = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, check=False)

    assert finished.returncode == 0


def test_who_has_rich_keeps_it() -> None:
    program = "import rich, sys, miniqueue_py.server; sys.exit(sys.modules['rich'] is not rich)"

    finished = subprocess.run([sys.executable, "-c", program], cwd=PROJECT, check=False)

    assert finished.returncode == 0


def topic(name: str, **facts: Any) -> Topic:
    counts = "ready in_flight delayed bytes published delivered acknowledged expired"
    nothing: dict[str, Any] = dict.fromkeys([*counts.split(), "dead_lettered", "consumers"], 0)
    nothing |= {"oldest_age_seconds": None, "paused": False, "policy": {}, "dead_letter_topic": ""}
    return Topic(name=name, **{**nothing, **facts})


def many(count: int) -> Figures:
    figures = Figures()
    topics = [topic(f"topic-{number:03}-{'x' * number}", ready=number) for number in range(count)]
    figures.take(topics, at=0.0)
    figures.take(topics, at=1.0)
    return figures


def order(figures: Figures) -> list[str]:
    return [row.topic.name for row in figures.rows]


def drawn(figures: Figures, width: int, height: int) -> list[str]:
    view = View("https://localhost:8080", figures, "12:00:00")
    return draw(view, width, height).plain.split("\n")


def broker_url(broker: RunningBroker) -> str:
    return f"https://{broker.host}:{broker.port}"


def speaking_to(broker: RunningBroker) -> Sequence[str]:
    return "--url", broker_url(broker), "--ca", str(broker.ca)


def signal_to(terminal: Terminal, number: signal.Signals) -> None:
    subprocess.run(["kill", f"-{number.value}", str(terminal.pid)], check=True)
