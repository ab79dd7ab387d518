"""Where settings come from and how they are spelled, seen on a running broker."""

import resource
from pathlib import Path

import pytest

from miniqueue_py.tls.paths import CertificatePaths
from tests.outside.command import listening
from tests.outside.consumer import Consumer, publish
from tests.outside.server import StartBroker, parse_fact
from tests.outside.wire import Connection


@pytest.fixture
def certificate_flags(certificates: CertificatePaths) -> list[str]:
    return ["-cert", str(certificates.certificate), "-key", str(certificates.key)]


def test_flags_win_over_variables_and_these_over_the_file(
    certificate_flags: list[str], tmp_path: Path
) -> None:
    (tmp_path / "broker.toml").write_text(
        "port = 0\nhost = '127.0.0.1'\nfsync = 'never'\nserver = 'nginx'\ndb = 'of-the-file'\n"
    )
    words = [*certificate_flags, "-config", "broker.toml", "-fsync", "interval"]
    environ = {"MINIQUEUE_FSYNC": "always", "MINIQUEUE_SERVER": "hypercorn"}

    with listening(words, tmp_path, environ) as line:
        fact = parse_fact(line)

    assert (fact["fsync"], fact["server"], fact["db"]) == ("interval", "hypercorn", "of-the-file")
    assert (tmp_path / "of-the-file" / "CURRENT").exists()


@pytest.mark.parametrize(
    "words", [["--port=0", "-human=false"], ["-port=0", "--human=F"], ["--port", "0", "-human=0"]]
)
def test_flags_may_be_spelled_as_go_allows(
    certificate_flags: list[str], tmp_path: Path, words: list[str]
) -> None:
    with listening([*words, *certificate_flags, "-db", "memory:"], tmp_path) as line:
        assert parse_fact(line)["event"] == "broker.listening"


def test_the_flags_of_miniqueues_docker_command_start_a_broker(
    certificate_flags: list[str], tmp_path: Path
) -> None:
    words = [*certificate_flags, "-db", str(tmp_path / "var" / "lib" / "miniqueue"), "-human"]

    with listening(words, tmp_path, {"MINIQUEUE_PORT": "0"}) as line:
        assert "broker.listening" in line
        assert parse_fact(line) == {}, "it is a line for people"

    assert (tmp_path / "var" / "lib" / "miniqueue" / "CURRENT").exists()


def test_without_any_setting_but_the_port_it_makes_what_it_needs_where_it_stands(
    tmp_path: Path,
) -> None:
    with listening(["-port", "0"], tmp_path) as line:
        assert parse_fact(line)["db"] == "./miniqueue"

    assert sorted(path.name for path in tmp_path.iterdir()) == ["certs", "miniqueue"]


@pytest.mark.anyio
async def test_memory_keeps_nothing(start_broker: StartBroker, topic: str) -> None:
    broker = start_broker("-db", "memory:")
    async with await Connection.open(broker.port, broker.ca) as connection:
        await publish(connection, topic, b"1")

    broker.restart()

    assert not broker.directory.exists()
    async with await Connection.open(broker.port, broker.ca) as connection:
        await Consumer.waiting(connection, topic)


def test_as_many_connections_as_the_hard_limit_allows(start_broker: StartBroker) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard // 2, hard))
    try:
        broker = start_broker()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))

    limits = Path(f"/proc/{broker.pid}/limits").read_text()
    [files] = [line.split() for line in limits.splitlines() if line.startswith("Max open files")]
    assert files[3:5] == [str(hard), str(hard)]
