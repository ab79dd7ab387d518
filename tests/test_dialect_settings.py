"""Settings of the dialects, and the variables that their own systems have for them."""

from pathlib import Path

import pytest

from miniqueue_py.config.settings import Settings, load_settings
from miniqueue_py.errors import BadSetting
from miniqueue_py.http.dialects.address import DialectAddress
from miniqueue_py.http.dialects.coramq.dialect import Coramq
from miniqueue_py.http.dialects.dialect import Dialect
from miniqueue_py.http.dialects.tasks.dialect import Tasks
from miniqueue_py.http.dialects.zapq.dialect import Zapq
from miniqueue_py.http.dialects.zoldyq.dialect import Zoldyq


def of(dialect: type[Dialect], settings: Settings) -> Dialect:
    """Return what was chosen about one."""
    return next(each for each in settings.of_dialects if isinstance(each, dialect))


@pytest.mark.parametrize(
    "argv",
    [
        ["-dialect", "zapq=8081", "-dialect", "tasks=192.0.2.1:8085"],
        ["-dialect=zapq=8081,tasks=192.0.2.1:8085"],
        ["-dialect", "zapq=8081, tasks=192.0.2.1:8085"],
    ],
)
def test_a_dialect_listens_on_loopback_unless_an_address_is_given(argv: list[str]) -> None:
    assert load_settings(argv, {}).dialects == (
        DialectAddress("zapq", "127.0.0.1", 8081),
        DialectAddress("tasks", "192.0.2.1", 8085),
    )


@pytest.mark.parametrize(
    "argv",
    [["-dialect", "tasks=8085", "-dialect", "tasks=8082"], ["-dialect", "tasks=8085,tasks=8082"]],
)
def test_a_dialect_may_listen_on_several_ports(argv: list[str]) -> None:
    assert load_settings(argv, {}).dialects == (
        DialectAddress("tasks", "127.0.0.1", 8085),
        DialectAddress("tasks", "127.0.0.1", 8082),
    )


def test_a_file_may_list_dialects(tmp_path: Path) -> None:
    file = tmp_path / "broker.toml"
    file.write_text('dialect = ["coramq=8082", "zoldyq=[::1]:9000"]\n')

    settings = load_settings(["-config", str(file)], {})

    assert settings.dialects == (
        DialectAddress("coramq", "127.0.0.1", 8082),
        DialectAddress("zoldyq", "::1", 9000),
    )


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("zapq", "is not NAME=PORT or NAME=HOST:PORT, such as zapq=8081"),
        ("rabbit=1", "names none of zapq, coramq, zoldyq, tasks"),
        ("zapq=", "has no port from 0 to 65535 for zapq"),
        ("zapq=65536", "has no port from 0 to 65535 for zapq"),
        ("zapq=\u0663", "has no port from 0 to 65535 for zapq"),
        ("zapq=1,", "is not NAME=PORT or NAME=HOST:PORT, such as zapq=8081"),
    ],
)
def test_what_is_no_address_is_told(text: str, problem: str) -> None:
    with pytest.raises(BadSetting) as caught:
        load_settings(["-dialect", text], {})

    assert str(caught.value) == f"-dialect: {text!r} {problem}"


def test_variables_of_zapq_hold_where_ours_do_not() -> None:
    environ = {"QUEUE_MAX_BYTES": "2G", "QUEUE_MAX_MSGS": "100"}

    assert of(Zapq, load_settings([], environ)) == Zapq(max_bytes=2 << 30, max_msgs=100)
    ours = load_settings([], environ | {"MINIQUEUE_ZAPQ_MAX_MSGS": "7"})
    assert of(Zapq, ours) == Zapq(max_bytes=2 << 30, max_msgs=7)
    flag = load_settings(["-zapq-max-bytes", "1M"], environ)
    assert of(Zapq, flag) == Zapq(max_bytes=1 << 20, max_msgs=100)


def test_variables_of_zoldyq_hold() -> None:
    settings = load_settings(
        [],
        {
            "ZOLDYQ_PORT": "9000",
            "ZOLDYQ_HOST": "192.0.2.1",
            "ZOLDYQ_DEFAULT_QUEUE_CAPACITY": "5",
            "ZOLDYQ_MAX_QUEUES": "3",
            "ZOLDYQ_LOG_LEVEL": "warn",
        },
    )

    assert settings == Settings(
        dialects=(DialectAddress("zoldyq", "192.0.2.1", 9000),),
        level="warn",
        of_dialects=(Zapq(), Coramq(), Zoldyq(capacity=5, max_queues=3), Tasks()),
    )


@pytest.mark.parametrize(
    ("flag", "expected"),
    [
        ("zapq=1", ("zapq", "zoldyq")),
        ("zoldyq=7000", ("zoldyq",)),
    ],
)
def test_the_port_of_zoldyq_is_one_dialect_more(flag: str, expected: tuple[str, ...]) -> None:
    settings = load_settings(["-dialect", flag], {"ZOLDYQ_PORT": "9000"})

    assert tuple(each.name for each in settings.dialects) == expected
    assert settings.dialects[-1].port == (9000 if len(expected) > 1 else 7000)


def test_the_port_of_zoldyq_is_one_more_than_those_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "broker.toml"
    file.write_text('dialect = "zapq=8081"\n')

    settings = load_settings(["-config", str(file)], {"ZOLDYQ_PORT": "9000"})

    assert [each.name for each in settings.dialects] == ["zapq", "zoldyq"]


@pytest.mark.parametrize(
    ("environ", "sentence"),
    [
        (
            {"ZOLDYQ_PORT": "x"},
            "-dialect: 'zoldyq=:x' has no port from 0 to 65535 for zoldyq (ZOLDYQ_PORT)",
        ),
        (
            {"QUEUE_MAX_MSGS": "0"},
            "-zapq-max-msgs: '0' is not 1 or more (QUEUE_MAX_MSGS)",
        ),
        (
            {"ZOLDYQ_LOG_LEVEL": "loud"},
            "-level: 'loud' is none of disabled, debug, info, warn, error (ZOLDYQ_LOG_LEVEL)",
        ),
    ],
)
def test_a_bad_variable_is_told_by_its_own_name(environ: dict[str, str], sentence: str) -> None:
    with pytest.raises(BadSetting) as caught:
        load_settings([], environ)

    assert str(caught.value) == sentence
