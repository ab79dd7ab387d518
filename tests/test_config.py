from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniqueue_py.config.settings import Settings, load_settings, settings_table
from miniqueue_py.errors import BadSetting
from miniqueue_py.http.dialects.coramq.dialect import Coramq
from miniqueue_py.http.dialects.tasks.dialect import Tasks
from miniqueue_py.http.dialects.zapq.dialect import Zapq
from miniqueue_py.http.dialects.zoldyq.dialect import Zoldyq
from miniqueue_py.units import parse_count, parse_duration, parse_size

UNITS = [("h", 3600 * 10**9), ("m", 60 * 10**9), ("s", 10**9), ("ms", 10**6), ("us", 10**3)]


@given(st.lists(st.integers(0, 999), min_size=len(UNITS), max_size=len(UNITS)))
def test_a_duration_is_the_sum_of_its_parts_to_the_nanosecond(numbers: list[int]) -> None:
    parts = list(zip(numbers, UNITS, strict=True))
    text = "".join(f"{number}{unit}" for number, (unit, _) in parts)

    seconds = parse_duration(text)

    assert seconds == sum(number * worth for number, (_, worth) in parts) / 10**9


@given(st.integers(0, 10**9), st.sampled_from(["", "K", "m", "G"]), st.sampled_from(["", "B", "b"]))
def test_a_size_counts_in_powers_of_1024(number: int, suffix: str, unit: str) -> None:
    expected = number * 1024 ** "KMG".find(suffix.upper()) * 1024 if suffix else number

    assert parse_size(f"{number}{suffix}{unit}") == expected


@given(st.integers(0, 10**9), st.sampled_from("KMG"))
def test_a_count_counts_in_powers_of_1000(number: int, suffix: str) -> None:
    assert parse_count(f"{number}{suffix}") == number * 1000 ** ("KMG".index(suffix) + 1)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("0", 0),
        ("1s", 1),
        ("500ms", 0.5),
        ("1m30s", 90),
        ("1.5h", 5400),
        ("2h45m", 9900),
        (".5s", 0.5),
        ("1.s", 1),
        ("3µs", 3e-6),
        ("3\u03bcs", 3e-6),
        ("7ns", 7e-9),
    ],
)
def test_a_duration_is_read_as_go_reads_it(text: str, seconds: float) -> None:
    assert parse_duration(text) == seconds


@given(st.text(alphabet="0123456789.hmsnuµ -+_x٣", max_size=12))
def test_what_is_no_duration_is_refused_with_a_sentence(text: str) -> None:
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        assert "is not a duration such as" in str(error)  # noqa: PT017 - either way is right
    else:
        assert seconds >= 0
        assert text.isascii() or "µ" in text


def test_without_arguments_the_defaults_hold() -> None:
    settings = load_settings([], {})

    assert settings == Settings()
    assert settings == Settings(
        certificate=None,
        key=None,
        database="./miniqueue",
        human=False,
        level="info",
        period_seconds=1.0,
        port=8080,
        host="",
        server="hypercorn",
        fsync="always",
        fsync_interval_seconds=0.05,
        drain_seconds=10.0,
        keepalive_seconds=30.0,
        max_wait_seconds=60.0,
        max_message_bytes=1024 * 1024,
        max_msgs=0,
        max_bytes=0,
        dialects=(),
        config=None,
        of_dialects=(
            Zapq(max_bytes=256 * 1024 * 1024, max_msgs=50_000, snapshots=None),
            Coramq(),
            Zoldyq(capacity=100_000, max_queues=100),
            Tasks(),
        ),
    )


@pytest.mark.parametrize(
    "argv",
    [
        ["-port", "9000", "-human"],
        ["--port", "9000", "--human"],
        ["-port=9000", "-human=true"],
        ["--human=1", "--port=9000"],
        ["-human=false", "-port", "1", "-port", "9000", "-human"],
    ],
)
def test_flags_are_spelled_as_in_go(argv: list[str]) -> None:
    assert load_settings(argv, {}) == Settings(port=9000, human=True)


def test_a_switch_can_be_turned_off_again() -> None:
    assert load_settings(["-human=false"], {"MINIQUEUE_HUMAN": "true"}) == Settings(human=False)


def test_flags_win_over_environment_over_file_over_defaults(tmp_path: Path) -> None:
    file = tmp_path / "broker.toml"
    file.write_text('port = 1\nmax-msgs = 1\nmax-message = "1K"\nperiod = "2s"\nhuman = true\n')

    settings = load_settings(
        ["-port", "3", "-config", str(file)],
        {"MINIQUEUE_PORT": "2", "MINIQUEUE_MAX_MSGS": "2"},
    )

    assert settings == Settings(
        port=3, max_msgs=2, max_message_bytes=1024, period_seconds=2.0, human=True, config=file
    )


def test_the_file_can_be_named_by_the_environment(tmp_path: Path) -> None:
    file = tmp_path / "broker.toml"
    file.write_text("max-msgs = 10_000\n")

    settings = load_settings([], {"MINIQUEUE_CONFIG": str(file)})

    assert settings.max_msgs == 10_000


def test_the_only_server_may_still_be_named_everywhere(tmp_path: Path) -> None:
    file = tmp_path / "broker.toml"
    file.write_text('server = "hypercorn"\n')

    assert load_settings(["-server", "hypercorn"], {}) == Settings()
    assert load_settings([], {"MINIQUEUE_SERVER": "hypercorn"}) == Settings()
    assert load_settings(["-config", str(file)], {}) == Settings(config=file)


def test_an_empty_variable_is_not_set() -> None:
    assert load_settings([], {"MINIQUEUE_PORT": "", "MINIQUEUE_DB": ""}) == Settings()


def test_every_setting_has_a_variable_named_like_its_flag() -> None:
    any_text = {"cert", "key", "host", "config", "zapq-snapshots"}
    any_text |= {"tokens", "oidc-issuer", "oidc-audience", "client-ca"}
    for _, _, setting in settings_table():
        if setting.flag in any_text:
            continue
        variable = "MINIQUEUE_" + setting.flag.upper().replace("-", "_")

        with pytest.raises(BadSetting, match=rf"^-{setting.flag}: .* \({variable}\)$"):
            load_settings([], {variable: " "})


BAD_FLAGS = [
    (["-port", "http"], "-port: 'http' is not a whole number"),
    (["-port", "65536"], "-port: '65536' is not from 0 to 65535"),
    (["-port", "-1"], "-port: '-1' is not a whole number"),
    (["-port", "+80"], "-port: '+80' is not a whole number"),
    (["-port", "٣"], "-port: '٣' is not a whole number"),
    (["-port="], "-port: '' is not a whole number"),
    (["-port"], "-port: needs a value"),
    (["-port", "-human"], "-port: needs a value"),
    (["-drain", "-5s"], "-drain: needs a value"),
    (["-drain=-5s"], "-drain: '-5s' is not a duration such as 1s, 500ms or 1m30s"),
    (["-period", "0"], "-period: '0' is not from 1ms to 1h"),
    (["-period", "61m"], "-period: '61m' is not from 1ms to 1h"),
    (["-period", "10"], "-period: '10' is not a duration such as 1s, 500ms or 1m30s"),
    (["-fsync-interval", "s"], "-fsync-interval: 's' is not a duration"),
    (["-keepalive", "999ms"], "-keepalive: '999ms' is not from 1s to 9h"),
    (["-max-message", "0"], "-max-message: '0' is not from 1 to 256M"),
    (["-max-message", "1G"], "-max-message: '1G' is not from 1 to 256M"),
    (["-max-message", "big"], "-max-message: 'big' is not a size such as 65536, 512K or 1M"),
    (["-max-msgs", "1MB"], "-max-msgs: '1MB' is not a count such as 500, 10K or 1M"),
    (["-max-bytes", "1.5M"], "-max-bytes: '1.5M' is not a size"),
    (["-fsync", "sometimes"], "-fsync: 'sometimes' is none of always, interval, never"),
    (["-level", "INFO"], "-level: 'INFO' is none of disabled, debug, info, warn, error"),
    (["-server", "nginx"], "-server: 'nginx' is not hypercorn, the only server there is"),
    (["-human=maybe"], "-human: 'maybe' is neither true nor false"),
    (["-db", ""], "-db: '' names no directory"),
    (["-db", "leveldb:"], "-db: 'leveldb:' names no directory"),
    (["-db", "rocksdb: "], "-db: 'rocksdb: ' names no directory"),
    (["-db", "memory:x"], "-db: 'memory:x' keeps nothing anywhere: `memory:` is all of it"),
    (
        ["-db", "redis://x"],
        "-db: 'redis://x' begins with 'redis:', which is none of leveldb:, rocksdb:, memory:",
    ),
    (["-cert", "a.pem"], "-key: is missing; -cert and -key go together"),
    (["-key", "a.pem"], "-cert: is missing; -cert and -key go together"),
    (["-por", "80"], "-por: is not expected here"),
    (["--prot=80"], "-prot=80: is not expected here"),
    (["-human", "false"], "false: is not expected here"),
    (["start"], "start: is not expected here"),
    (["-config", "nowhere.toml"], "-config: nowhere.toml: No such file or directory"),
]


@pytest.mark.parametrize(("argv", "message"), BAD_FLAGS)
def test_a_bad_flag_is_refused_by_name(argv: list[str], message: str) -> None:
    with pytest.raises(BadSetting) as caught:
        load_settings(argv, {})

    assert str(caught.value).startswith(message)


def test_a_bad_variable_is_refused_by_flag_and_variable() -> None:
    # Kubernetes sets this one in pods beside a service called miniqueue.
    with pytest.raises(BadSetting) as caught:
        load_settings([], {"MINIQUEUE_PORT": "tcp://10.0.0.1:8080"})

    assert str(caught.value) == (
        "-port: 'tcp://10.0.0.1:8080' is not a whole number (MINIQUEUE_PORT)"
    )


BAD_FILES = [
    ("prot = 80", "-config: FILE: no setting is called 'prot'"),
    ("config = 'other.toml'", "-config: FILE: no setting is called 'config'"),
    ("port = ", "-config: FILE: Invalid value"),
    ("port = true", "-port: 'true' is not a whole number (FILE)"),
    ("port = 1.5", "-port: '1.5' is not a whole number (FILE)"),
    ("period = 5", "-period: '5' is not a duration such as 1s, 500ms or 1m30s (FILE)"),
    ("[port]\nvalue = 1", "-port: is neither text, a number, true nor false"),
    ("db = '\xff'", "-config: FILE: 'utf-8' codec can't decode"),
]


@pytest.mark.parametrize(("content", "message"), BAD_FILES)
def test_a_bad_file_is_refused_by_name(tmp_path: Path, content: str, message: str) -> None:
    file = tmp_path / "broker.toml"
    file.write_bytes(content.encode("latin-1"))

    with pytest.raises(BadSetting) as caught:
        load_settings(["-config", str(file)], {})

    assert message.replace("FILE", str(file)) in str(caught.value)


def test_a_password_in_a_url_is_not_shown() -> None:
    with pytest.raises(BadSetting, match="redis://host/x") as caught:
        load_settings(["-db", "redis://me:secret@host/x"], {})

    assert "secret" not in str(caught.value)
