"""From where a broker can be reached: from its own machine, unless somebody opens it."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from miniqueue_py.tls.paths import CertificatePaths
from tests.outside.conftest import QUICK
from tests.outside.server import PROJECT, RunningBroker, parse_fact

WITHOUT_HOST = ("-host", "")
ELSEWHERE = "127.0.0.2"
"""Loopback, and not the address that was bound: as good as one of another machine."""


def facts(broker: RunningBroker, event: str) -> list[dict[str, object]]:
    told = map(parse_fact, broker.log_lines())
    return [fact for fact in told if fact.get("event") == event]


def answers(address: str, port: int) -> bool:
    try:
        socket.create_connection((address, port), timeout=10).close()
    except OSError:
        return False
    return True


def test_without_host_it_is_on_both_addresses_of_loopback_alone_and_says_so(
    certificates: CertificatePaths, tmp_path: Path
) -> None:
    with RunningBroker(tmp_path / "db", certificates, (*QUICK, *WITHOUT_HOST)) as broker:
        (fact,) = facts(broker, "broker.listening")

        assert fact["reach"] == "this machine alone; -host opens it"
        assert fact["url"] == f"https://localhost:{broker.port}"
        assert answers("127.0.0.1", broker.port)
        assert answers("::1", broker.port) == has_ipv6()
        assert not answers(ELSEWHERE, broker.port)
        assert facts(broker, "broker.open") == []


@pytest.mark.parametrize("host", ["*", "0.0.0.0"])  # noqa: S104  that is what is tested
def test_host_opens_it_with_a_warning_at_each_start(
    certificates: CertificatePaths, tmp_path: Path, host: str
) -> None:
    with RunningBroker(tmp_path / "db", certificates, (*QUICK, "-host", host)) as broker:
        for starts in (1, 2):
            assert [fact["level"] for fact in facts(broker, "broker.open")] == ["warning"] * starts
            assert answers(ELSEWHERE, broker.port)
            broker.restart()


def test_an_address_of_loopback_is_no_opening(
    certificates: CertificatePaths, tmp_path: Path
) -> None:
    with RunningBroker(tmp_path / "db", certificates, (*QUICK, "-host", ELSEWHERE)) as broker:
        assert answers(ELSEWHERE, broker.port)
        assert facts(broker, "broker.open") == []


@pytest.mark.parametrize("where", ["0.0.0.0:0", "*:0", "[::]:0"])
def test_port_in_clear_is_for_this_machine_unless_insecure_says_so(
    certificates: CertificatePaths, tmp_path: Path, where: str
) -> None:
    if where.startswith("[") and not has_ipv6():
        where = "0.0.0.0:0"
    flag = ("-dialect", f"zapq={where}")
    done = subprocess.run(
        [sys.executable, "-m", "miniqueue_py", "-port", "0", "-db", "memory:", *flag],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
        cwd=PROJECT,
    )
    shown = where.replace("[", "").replace("]", "")
    problem = "would be in clear for others than this machine; -insecure allows it"

    assert (done.returncode, done.stderr) == (2, f"miniqueue: -dialect: zapq={shown} {problem}\n")
    with RunningBroker(tmp_path / "db", certificates, (*QUICK, *flag, "-insecure")) as broker:
        (fact,) = facts(broker, "dialect.insecure")
        assert fact["level"] == "warning"


def has_ipv6() -> bool:
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True
