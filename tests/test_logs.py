import io
import json
import logging
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import structlog

from miniqueue_py.telemetry.logs import configure_logs, dropped_line
from tests.broker.counting import counted

UNSEEN = "\x1b[31m\r\u2028\u2029\u202e\u200f\u0085\U000e0001"
"""What steers a terminal, begins a line somewhere, or turns one around."""


@pytest.fixture(autouse=True)
def _leave_nothing_behind() -> Iterator[None]:
    yield
    structlog.reset_defaults()
    root = logging.getLogger()
    for handler in root.handlers.copy():
        if handler.__class__.__module__ == configure_logs.__module__:
            root.removeHandler(handler)


@pytest.fixture
def stream() -> io.StringIO:
    return io.StringIO()


def test_a_fact_is_one_json_line_that_begins_with_when_and_what(stream: io.StringIO) -> None:
    configure_logs("info", human=False, stream=stream)

    structlog.get_logger().info("broker.started", port=8080, topic="größe\n")

    (line,) = lines(stream)
    assert list(line) == ["timestamp", "level", "event", "port", "topic"]
    assert line | {"timestamp": ""} == {
        "timestamp": "",
        "level": "info",
        "event": "broker.started",
        "port": 8080,
        "topic": "größe\n",
    }
    moment = datetime.fromisoformat(line["timestamp"])
    assert abs(datetime.now(UTC) - moment) < timedelta(minutes=1)


def test_a_fault_carries_its_traceback_in_the_same_line(stream: io.StringIO) -> None:
    configure_logs("info", human=False, stream=stream)

    log_a_fault()

    (line,) = lines(stream)
    assert line["level"] == "error"
    assert line["exception"].endswith("ZeroDivisionError: division by zero")


@pytest.mark.parametrize(
    ("level", "kept"),
    [("debug", ["debug", "info", "critical"]), ("info", ["info", "critical"]), ("disabled", [])],
)
def test_a_level_keeps_what_is_as_grave_and_disabled_keeps_nothing(
    stream: io.StringIO, level: Any, kept: list[str]
) -> None:
    configure_logs(level, human=False, stream=stream)
    log = structlog.get_logger()

    for name in ("debug", "info", "critical"):
        getattr(log, name)("broker.spoke")

    assert [line["level"] for line in lines(stream)] == kept


def test_people_get_words_and_a_plain_traceback(stream: io.StringIO) -> None:
    configure_logs("info", human=True, stream=stream)

    structlog.get_logger().info("broker.started", port=8080)
    log_a_fault()

    text = stream.getvalue()
    assert "broker.started" in text
    assert "port=8080" in text
    assert "Traceback (most recent call last):" in text
    assert "\x1b" not in text  # colours are for terminals


def test_a_terminal_gets_colours() -> None:
    terminal = Terminal()
    configure_logs("info", human=True, stream=terminal)

    structlog.get_logger().info("broker.started")

    assert "\x1b[" in terminal.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "ascii", "latin-1"])
@pytest.mark.parametrize("human", [False, True])
def test_nothing_in_a_name_begins_a_line_or_turns_one_around(*, human: bool, encoding: str) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding=encoding, errors="backslashreplace")
    configure_logs("info", human=human, stream=stream)
    name = f"gr\u00f6\u00dfe{UNSEEN}"

    structlog.get_logger().info("topic.deleted", topic=name, policy={"deadLetter": name})
    structlog.get_logger().error("broker.failed", exc_info=ValueError(UNSEEN))

    text = raw.getvalue().decode(encoding)
    assert not [each for each in text if not each.isprintable() and each != "\n"]
    assert "\\u202e" in text
    if not human:
        told, failed = map(json.loads, text.splitlines())
        assert told["topic"] == told["policy"]["deadLetter"] == name
        assert failed["exception"].endswith(f"ValueError: {UNSEEN}")
    elif encoding == "utf-8":
        assert "topic=gr\u00f6\u00dfe\\x1b" in text


def test_a_librarys_warning_is_a_line_like_ours_and_comes_once(stream: io.StringIO) -> None:
    configure_logs("info", human=False, stream=stream)
    configure_logs("info", human=False, stream=stream)

    logging.getLogger("hypercorn.error").info("Running on ...")
    logging.getLogger("hypercorn.error").warning("%d are too many", 3)

    (line,) = lines(stream)
    assert line | {"timestamp": ""} == {
        "timestamp": "",
        "level": "warning",
        "event": "library.logged",
        "logger": "hypercorn.error",
        "message": "3 are too many",
    }


def test_a_librarys_odd_record_is_logged_all_the_same(
    stream: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as alone:
        alone.setattr(logging.getLogger(), "handlers", [])  # pytest's own would raise
        configure_logs("info", human=False, stream=stream)

        logging.getLogger("asyncio").log(45, "%d of them", "none")

    (line,) = lines(stream)
    assert (line["level"], line["message"]) == ("error", "%d of them")


def test_disabled_silences_the_libraries_too(
    stream: io.StringIO, capfd: pytest.CaptureFixture[str]
) -> None:
    configure_logs("disabled", human=False, stream=stream)

    logging.getLogger("asyncio").critical("the sky falls")

    assert stream.getvalue() == ""
    assert capfd.readouterr().err == ""


def test_lines_that_were_dropped_are_told_as_a_line_of_the_log(stream: io.StringIO) -> None:
    line = json.loads(dropped_line(human=False, stream=stream)(17))
    words = dropped_line(human=True, stream=stream)(17)

    assert list(line) == ["timestamp", "level", "event", "lines"]
    assert (line["level"], line["event"], line["lines"]) == ("warning", "log.dropped", 17)
    assert "log.dropped" in words
    assert "lines=17" in words


def test_a_line_that_is_not_written_costs_nothing(stream: io.StringIO) -> None:
    configure_logs("info", human=False, stream=stream)
    log = structlog.get_logger("miniqueue").bind()

    with counted() as calls:
        log.debug("message.published", topic="orders", messages=1)

    assert calls.ours == 0
    assert stream.getvalue() == ""


def test_the_broker_outlives_the_reader_of_its_log(stream: io.StringIO) -> None:
    configure_logs("info", human=False, stream=stream)
    stream.close()

    structlog.get_logger().info("broker.started")
    logging.getLogger("asyncio").warning("slow")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def log_a_fault() -> None:
    try:
        _ = 1 / 0
    except ZeroDivisionError:
        structlog.get_logger().exception("broker.failed")


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]
