"""The ways to start the other systems' servers, as their documents show them."""

import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from miniqueue_py.tls.paths import CertificatePaths
from tests.outside.conftest import QUICK
from tests.outside.curl import find_curl
from tests.outside.dialect_clients import Way, replay
from tests.outside.dialects import dialect_url
from tests.outside.server import RunningBroker, StartBroker, parse_fact

pytestmark = pytest.mark.anyio

TRANSCRIPTS = Path(__file__).resolve().parents[1] / "dialects" / "transcripts"
IN_CLEAR = Way("curl", is_clear=True, version="HTTP/1.1")
OVER_TLS = Way("httpx", is_clear=False, version="HTTP/2")


def zapq_metrics(broker: RunningBroker) -> Mapping[str, Any]:
    told: Mapping[str, Any] = httpx.get(f"{dialect_url(broker, 'zapq')}/metrics").json()
    return told


def test_the_quick_start_of_zapq(
    start_broker: StartBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """QUEUE_MAX_BYTES=2G go run fifo_queue_server.go --addr :8080 --max-msgs 100000"""
    monkeypatch.setenv("QUEUE_MAX_BYTES", "2G")

    told = zapq_metrics(start_broker("-dialect", "zapq=0", "-zapq-max-msgs", "100000"))

    assert (told["max_bytes"], told["max_msgs"]) == (2 << 30, 100_000)


def test_flags_beat_variables(start_broker: StartBroker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QUEUE_MAX_BYTES", "1M")
    monkeypatch.setenv("QUEUE_MAX_MSGS", "7")

    told = zapq_metrics(start_broker("-dialect", "zapq=0", "-zapq-max-bytes", "2M"))

    assert (told["max_bytes"], told["max_msgs"]) == (2 << 20, 7)


def test_zapq_over_https_with_a_certificate_of_openssl(
    tmp_path: Path, certificates: CertificatePaths
) -> None:
    make = "openssl req -x509 -newkey rsa:2048 -days 365 -nodes"
    make += " -keyout key.pem -out cert.pem -subj /CN=localhost"
    subprocess.run(make.split(), cwd=tmp_path, check=True, capture_output=True)
    theirs = replace(certificates, certificate=tmp_path / "cert.pem", key=tmp_path / "key.pem")

    with RunningBroker(tmp_path / "db", theirs, QUICK) as broker:
        url = f"https://localhost:{broker.port}/zapq/health"
        said = subprocess.run([find_curl(), "-sk", url], check=True, capture_output=True)

    assert said.stdout == b"ok"


def test_the_variables_of_zoldyq(
    start_broker: StartBroker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOLDYQ_PORT", "0")
    monkeypatch.setenv("ZOLDYQ_HOST", "0.0.0.0")  # noqa: S104  as its documents do
    monkeypatch.setenv("ZOLDYQ_DEFAULT_QUEUE_CAPACITY", "1000")
    monkeypatch.setenv("ZOLDYQ_MAX_QUEUES", "1")
    monkeypatch.setenv("ZOLDYQ_LOG_LEVEL", "info")

    port = urlsplit(dialect_url(start_broker("-insecure"), "zoldyq")).port
    url = f"http://127.0.0.2:{port}"  # which is another one than the default's
    first = httpx.post(f"{url}/queues/emails/enqueue", json={"payload": 1})
    second = httpx.post(f"{url}/queues/webhooks/enqueue", json={"payload": 1})

    assert (first.status_code, second.status_code) == (200, 429)
    assert httpx.get(f"{url}/health").json()["queues"]["emails"]["capacity"] == 1000


@pytest.mark.parametrize("way", [IN_CLEAR, OVER_TLS], ids=str)
async def test_a_full_zapq_says_so(start_broker: StartBroker, way: Way) -> None:
    caps = ("-zapq-max-msgs", "3", "-zapq-max-bytes", "10")
    broker = start_broker("-dialect", "zapq=0", *caps)

    await replay(broker, "zapq", way, TRANSCRIPTS / "zapq-full.txt")


@pytest.mark.parametrize("way", [IN_CLEAR, OVER_TLS], ids=str)
async def test_a_full_zoldyq_says_so(start_broker: StartBroker, way: Way) -> None:
    caps = ("-zoldyq-capacity", "2", "-zoldyq-max-queues", "2")
    broker = start_broker("-dialect", "zoldyq=0", *caps)

    await replay(broker, "zoldyq", way, TRANSCRIPTS / "zoldyq-full.txt")


def test_a_dialect_on_two_ports_has_the_same_queues(start_broker: StartBroker) -> None:
    broker = start_broker("-dialect", "zapq=0", "-dialect", "zapq=0")
    facts = [parse_fact(line) for line in broker.log_lines()]
    one, other = [fact["url"] for fact in facts if fact.get("event") == "dialect.listening"]

    assert one != other
    httpx.post(f"{one}/enqueue", content=b"hello").raise_for_status()
    assert httpx.get(f"{other}/metrics").json()["queue_length"] == 1


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (("-max-msgs", "5"), {}),
        (("-dialect", "coramq=0", "-max-msgs", "5"), {}),
        (("-dialect", "zapq=0"), {"-port": "-dialect zapq=PORT"}),
        (
            ("-dialect", "zapq=0", "-max-msgs", "5", "-max-bytes", "1M"),
            {"-port -max-msgs -max-bytes": "-dialect zapq=PORT, -zapq-max-msgs, -zapq-max-bytes"},
        ),
    ],
)
def test_flags_that_zapq_has_too_are_told_in_one_line(
    start_broker: StartBroker, flags: tuple[str, ...], told: dict[str, str]
) -> None:
    broker = start_broker(*flags)  # with a -port of its own

    facts = [parse_fact(line) for line in broker.log_lines()]
    found = [fact for fact in facts if fact.get("event") == "dialect.flags"]
    assert {fact["flags"]: fact["means"] for fact in found} == {
        flags: f"the broker's own; for zapq: {instead}" for flags, instead in told.items()
    }
