"""What the documents copy from the code is what the code has."""

import json
import re
from collections.abc import Iterable
from pathlib import Path

import pytest

from miniqueue_py import errors
from miniqueue_py.broker import policy as policies
from miniqueue_py.broker.administration import ENOUGH_PEEKED_BYTES, Overview
from miniqueue_py.broker.broker import SLICE
from miniqueue_py.broker.claims import RECEIVE_LEASE_SECONDS
from miniqueue_py.broker.lifecycle import drawing
from miniqueue_py.broker.policy import DEFAULT_POLICY, Backoff, TopicPolicy, policy_as_json
from miniqueue_py.broker.receipts import MOST_BYTES, MOST_RECEIPTS
from miniqueue_py.broker.settling import BY_CONSUMER, TOO_MANY, Decision
from miniqueue_py.broker.storage import TopicStatistics
from miniqueue_py.broker.subscriber import MOST_HELD, MOST_HELD_BYTES
from miniqueue_py.broker.topic import SHARE, SHARE_BYTES
from miniqueue_py.broker.untaken import MOST_UNTAKEN, MOST_UNTAKEN_BYTES
from miniqueue_py.config.settings import Settings, load_settings
from miniqueue_py.http.native import batch, batch_formats, receiving, terms
from miniqueue_py.http.native.subscription import MAX_WAITING_COMMANDS
from miniqueue_py.http.overviews import overview_as_json
from miniqueue_py.http.pages import topics
from miniqueue_py.http.pages.openapi.document import document
from miniqueue_py.http.problems import _STATUSES
from miniqueue_py.protocol import commands, options
from miniqueue_py.protocol.batch import ROOM_FOR_THE_REST
from miniqueue_py.protocol.codes import all_codes
from miniqueue_py.protocol.commands import BadCommand, Verb, invalid_delivery
from miniqueue_py.protocol.json_stream import LONGEST_STRING
from miniqueue_py.protocol.lines import full_credit_line
from miniqueue_py.protocol.topics import REASONS
from miniqueue_py.storage.bounds import MAX_KEYS
from miniqueue_py.storage.keyvalue.room import RESERVE_BYTES
from miniqueue_py.storage.ordered.kept_keys import KEPT_BYTES

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
        drain_seconds=20,
        max_message_bytes=2 << 20,
        max_bytes=10 << 30,
        config=file,
    )


def test_every_error_of_a_stream_is_in_the_protocol_with_what_becomes_of_the_stream() -> None:
    refusals = [each for each in vars(commands).values() if isinstance(each, BadCommand)]
    settlements = [
        errors.NotInFlight("ACK"),
        errors.NoSuchDelivery("ACK", 17),
        errors.NotInFlight("ACK", 17),
        errors.LeaseExpired("ACK"),
        errors.NotAConsumer(),
        errors.AlreadyInitialised(in_flight=True),
        errors.AlreadyInitialised(in_flight=False),
    ]
    expected = {fate(refused) for refused in (*refusals, invalid_delivery(Verb.ACK, 2))}
    expected |= {(str(error), "stays open") for error in settlements}

    kinds = errors.SettlementError.__subclasses__()  # the client has some of its own
    assert {type(error) for error in settlements} == {
        kind for kind in kinds if kind.__module__ == errors.__name__
    }
    assert set(ERROR_ROW.findall(page("protocol.md"))) == expected


def test_every_code_of_an_error_is_in_the_protocol() -> None:
    listed = page("protocol.md").split("\n### Codes\n")[1].split("\n## ")[0]
    codes = re.findall(r"^\| `(\w+)` \|", listed, re.MULTILINE)

    assert sorted(codes) == sorted(all_codes())


def test_every_word_of_the_grammar_is_in_the_protocol() -> None:
    protocol = page("protocol.md")

    for verb in Verb:
        assert f'`"{verb.value}' in protocol


def test_every_status_of_a_refusal_is_in_the_protocol() -> None:
    told = {int(status) for status in STATUS_ROW.findall(page("protocol.md"))}

    assert set(_STATUSES.values()) - {BROKEN_INSIDE} <= told


def test_every_status_that_a_page_describes_is_in_the_protocol() -> None:
    told = set(STATUS_ROW.findall(page("protocol.md")))
    described = {
        status
        for path in document()["paths"].values()
        for method in path.values()
        if isinstance(method, dict)
        for status in method["responses"]
    }

    assert described <= told


def test_every_path_that_is_described_is_in_the_protocol() -> None:
    protocol = page("protocol.md")

    for path in document()["paths"]:
        assert re.search(rf"[ `]{re.escape(path)}[`?]", protocol), path


def test_the_keys_of_a_delivery_are_those_of_its_line() -> None:
    line = full_credit_line(
        b"",
        1,
        1,
        1,
        attempt=1,
        dack_count=1,
        priority=1,
        published_ms=1,
        origin=("orders.dead", TOO_MANY, 1, 1, ("orders", TOO_MANY, 1, 1, None)),
    )
    delivery = json.loads(line)

    assert first_cells("protocol.md", "A delivery line has these keys") == list(delivery)
    assert first_cells("protocol.md", '"dead":{"topic"') == list(delivery["dead"])
    assert f"`{TOO_MANY}`, or `{BY_CONSUMER}`" in page("protocol.md")
    assert (TOO_MANY, BY_CONSUMER) == REASONS


def test_the_fields_of_an_overview_are_those_of_the_page() -> None:
    overview = Overview("orders", TopicStatistics(), None, 0, DEFAULT_POLICY)

    told = first_cells("protocol.md", "`GET /topics/{topic}` tells")

    assert told == list(overview_as_json(overview))


def test_the_fields_of_a_policy_have_the_defaults_of_the_code() -> None:
    defaults = policy_as_json(DEFAULT_POLICY)
    backoff = policy_as_json(TopicPolicy(backoff=Backoff()))["backoff"]
    assert isinstance(backoff, dict)

    told = {row[0]: row[2] for row in table("protocol.md", "`PUT /topics/{topic}` with")}
    told_of_backoff = {row[0]: row[2] for row in table("protocol.md", "Of `backoff`:")}

    assert told == {f"`{name}`": as_told(value) for name, value in defaults.items()}
    assert told_of_backoff == {f"`backoff.{name}`": as_told(v) for name, v in backoff.items()}


def test_what_settle_takes_is_in_the_protocol() -> None:
    told = first_cells("protocol.md", "`POST /settle/{topic}` ends")

    assert set(told) == {*receiving._DECISIONS, receiving._DACK}


def test_the_content_types_of_a_batch_are_those_of_the_code() -> None:
    text, objects = (
        {*re.findall(r"`([a-z-]+/[a-z-]+)`", kinds)}
        for kinds, _ in table("protocol.md", "`POST /publish/{topic}/batch` publishes")
    )

    assert text == batch_formats._TEXT - {""}
    assert objects == batch_formats._JSON


@pytest.mark.parametrize(
    "limit",
    [
        f" {LONGEST_STRING} ",
        f" {MAX_WAITING_COMMANDS} ",
        f"0 to {commands.LONGEST_DELAY_SECONDS} ",
        f"1 to {commands.LARGEST_CREDIT} ",
        f"0 to {options.LONGEST_WAIT_SECONDS} seconds",
        f"0 to {options.LARGEST_PRIORITY} ",
        f"1 to {options.LONGEST_KEY_BYTES} bytes of UTF-8",
        f"last {MAX_KEYS:,} keys",
        f"more than {batch.MAX_UNCONFIRMED_BYTES >> 20} MiB of it are not confirmed",
        f"{batch.MESSAGE_BYTES} bytes more than its body",
        f"4/3 of that and {ROOM_FOR_THE_REST >> 10} KiB",
        f"at most {MOST_HELD:,} deliveries in flight",
        f"while they have {MOST_HELD_BYTES >> 20} MiB of bodies",
        f"no more than {SHARE} messages",
        f"once it has {SHARE_BYTES >> 10} KiB",
        f"| 1 to {receiving.MOST_RECEIVED} | {receiving.RECEIVED_UNASKED} |",
        f"0 to {receiving.LONGEST_WAIT_SECONDS:g}s |",
        f"{terms.SHORTEST_LEASE_SECONDS * 1000:g}ms to {terms.LONGEST_LEASE_SECONDS / 3600:g}h |",
        f"or else {RECEIVE_LEASE_SECONDS:g}s",
        f"after {MOST_UNTAKEN_BYTES >> 10} KiB of bodies",
        f"receipts hold {MOST_RECEIPTS:,} deliveries or {MOST_BYTES >> 20} MiB",
        f"{receiving.LONGEST_BODY_BYTES} bytes long (`413`)",
        f"`max` is 1 to {topics.MOST_TOPICS}, by default {topics.MOST_TOPICS}",
        f"1 to {topics.MOST_PEEKED}, by default {topics.PEEKED_UNASKED}",
        f"after {ENOUGH_PEEKED_BYTES >> 20} MiB of bodies",
        f"whole number, 1 to {policies.MOST_DELIVERIES} ",
        f"whole number, 1 to {policies.LARGEST_CAP} ",
        f"number, 1 to {policies.LARGEST_FACTOR} ",
        f"at most {policies.LONGEST_SECONDS} seconds",
    ],
)
def test_the_limits_of_the_protocol_are_those_of_the_code(limit: str) -> None:
    assert limit in page("protocol.md").replace("\n", " ")


@pytest.mark.parametrize(
    "limit",
    [
        f"less than {RESERVE_BYTES >> 20} MiB are free",
        f"{MOST_HELD:,} deliveries in flight",
        f"once they have {MOST_HELD_BYTES >> 20} MiB",
        f"{MOST_UNTAKEN:,} messages or {MOST_UNTAKEN_BYTES >> 10} KiB",
        f"{MAX_WAITING_COMMANDS:,} that wait",
        f"{LONGEST_STRING:,} bytes each",
        f"{batch.MAX_UNCONFIRMED_BYTES >> 20} MiB not confirmed",
        f"a body of {receiving.LONGEST_BODY_BYTES >> 10} KiB",
        f"{MOST_RECEIPTS:,} deliveries or {MOST_BYTES >> 20} MiB",
        f"up to {terms.LONGEST_LEASE_SECONDS / 3600:g} hours",
        f"about {round(KEPT_BYTES, -1)} bytes of disk",
        f"last {MAX_KEYS:,} keys, so {round(KEPT_BYTES, -1) * MAX_KEYS // 10**6} MB",
    ],
)
def test_the_bounds_that_an_operator_reads_are_those_of_the_code(limit: str) -> None:
    assert limit in page("operating.md").replace("\n", " ")


def test_what_is_due_is_moved_as_many_at_a_time_as_is_told() -> None:
    assert f"moved {SLICE} at a time" in page("operating.md")


def test_every_line_of_the_log_is_in_the_table_with_its_level() -> None:
    files = (
        "server.py",
        "listening.py",
        "tls/shown.py",
        "telemetry/observer.py",
        "cli/serve.py",
    )
    sources = [PROJECT / "miniqueue_py" / file for file in files]
    calls = {
        (event, level)
        for source in sources
        for level, event in LOG_CALL.findall(source.read_text())
    }

    of_the_log_itself = {("library.logged", "warning"), ("log.dropped", "warning")}

    assert set(EVENT_ROW.findall(page("operating.md"))) == calls | of_the_log_itself


def test_every_decision_that_is_logged_is_in_the_table() -> None:
    (row,) = re.findall(r"^\| `delivery\.settled` .*$", page("operating.md"), re.MULTILINE)

    assert {decision.value for decision in Decision} <= set(re.findall(r"`([a-z]+)`", row))


def fate(refused: BadCommand) -> tuple[str, str]:
    return refused.error, "ends" if refused.ends_stream else "stays open"


def as_told(value: object) -> str:
    return f"`{json.dumps(value)}`"


def page(name: str) -> str:
    return (PROJECT / "docs" / name).read_text()


def fenced(name: str, language: str) -> list[str]:
    """What stands in the code blocks of that language."""
    return re.findall(rf"^```{language}\n(.*?)\n```$", page(name), re.MULTILINE | re.DOTALL)


def table(name: str, before: str) -> Iterable[list[str]]:
    """The cells of each row of the first table behind those words."""
    _, found, rest = page(name).partition(before)
    assert found, before
    rows = re.search(r"^\|.*\n\|[-|]+\n((?:\|.*\n)+)", rest, re.MULTILINE)
    assert rows is not None, before
    return [[cell.strip() for cell in row.split("|")[1:-1]] for row in rows[1].splitlines()]


def first_cells(name: str, before: str) -> list[str]:
    """The words in the first column of the first table behind those words."""
    return [row[0].strip("`") for row in table(name, before)]
