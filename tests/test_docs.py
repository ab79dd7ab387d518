"""What the documents copy from the code is what the code has."""

import re
from pathlib import Path

from miniqueue_py.broker.lifecycle import drawing
from miniqueue_py.config import Settings, load_settings
from miniqueue_py.errors import AlreadyInitialised, NotInFlight
from miniqueue_py.http.problems import _STATUSES
from miniqueue_py.http.subscription import MAX_WAITING_COMMANDS
from miniqueue_py.protocol.commands import (
    INVALID_DURATION,
    LONGEST_DELAY_SECONDS,
    TOO_FEW_ARGUMENTS,
    UNDECODABLE,
    UNRECOGNISED,
    Refused,
)
from miniqueue_py.protocol.json_stream import LONGEST_STRING

PROJECT = Path(__file__).resolve().parents[1]
ERROR_ROW = re.compile(r"^\| `([^`]+)`.*\| (stays open|ends) \|$", re.MULTILINE)
STATUS_ROW = re.compile(r"^\| ([2-5]\d\d) \| .+ \|$", re.MULTILINE)
EVENT_ROW = re.compile(r"^\| `([a-z_.]+)` \| (debug|info|warning|error)\b", re.MULTILINE)
LOG_CALL = re.compile(r'\blog\.(debug|info|warning|error)\(\s*"([a-z_.]+)"')
BROKEN_INSIDE = 500


def test_the_drawing_is_that_of_the_table_of_moves() -> None:
    assert fenced("lifecycle.md", "mermaid") == [drawing()]


def test_the_example_of_a_settings_file_loads(tmp_path: Path) -> None:
    (example,) = fenced("operating.md", "toml")
    file = tmp_path / "miniqueue.toml"
    file.write_text(example)

    settings = load_settings(["-config", str(file), "-port", "8443"], {})

    assert settings == Settings(
        certificate=Path("/etc/miniqueue/certs/broker.pem"),
        key=Path("/etc/miniqueue/certs/broker-key.pem"),
        database="/var/lib/miniqueue",
        port=8443,
        server="granian",
        drain_seconds=20,
        max_message_bytes=2 << 20,
        max_bytes=10 << 30,
        config=file,
    )


def test_every_error_of_a_stream_is_in_the_protocol_with_what_becomes_of_the_stream() -> None:
    refusals = (UNRECOGNISED, TOO_FEW_ARGUMENTS, INVALID_DURATION, UNDECODABLE)
    expected = {fate(refused) for refused in refusals} | {
        (str(NotInFlight("ACK")), "stays open"),
        (str(AlreadyInitialised(in_flight=True)), "stays open"),
        (str(AlreadyInitialised(in_flight=False)), "stays open"),
    }

    assert set(ERROR_ROW.findall(page("protocol.md"))) == expected


def test_every_status_of_a_refusal_is_in_the_protocol() -> None:
    told = {int(status) for status in STATUS_ROW.findall(page("protocol.md"))}

    assert set(_STATUSES.values()) - {BROKEN_INSIDE} <= told


def test_the_limits_are_those_of_the_code() -> None:
    protocol = page("protocol.md")

    for limit in (LONGEST_STRING, MAX_WAITING_COMMANDS, LONGEST_DELAY_SECONDS):
        assert f" {limit} " in protocol


def test_every_line_of_the_log_is_in_the_table_with_its_level() -> None:
    files = ("server.py", "telemetry/observer.py", "cli/serve.py")
    sources = [PROJECT / "miniqueue_py" / file for file in files]
    calls = {
        (event, level)
        for source in sources
        for level, event in LOG_CALL.findall(source.read_text())
    }

    told = set(EVENT_ROW.findall(page("operating.md"))) - {("library.logged", "warning")}

    assert told == calls


def fate(refused: Refused) -> tuple[str, str]:
    return refused.error, "ends" if refused.ends_stream else "stays open"


def page(name: str) -> str:
    return (PROJECT / "docs" / name).read_text()


def fenced(name: str, language: str) -> list[str]:
    """What stands in the code blocks of that language."""
    return re.findall(rf"^```{language}\n(.*?)\n```$", page(name), re.MULTILINE | re.DOTALL)
