"""What a client gets that begins otherwise than most do: docs/protocol.md, "Connecting"."""

import json
import re

import pytest

from tests.outside.curl import run_curl
from tests.outside.frames import END_HEADERS, END_STREAM, HANDSHAKE, request, statuses_in
from tests.outside.raw import RawConnection
from tests.outside.server import RunningBroker, parse_fact

pytestmark = pytest.mark.anyio

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: [::]\r\n"
PUBLISH = request(1, b"/publish/first", flags=END_HEADERS | END_STREAM)
ENQUEUE = request(1, b"/enqueue", flags=END_HEADERS | END_STREAM)


@pytest.fixture(scope="module")
def flags() -> tuple[str, ...]:
    return ("-fsync", "never", "-dialect", "zapq=0")


@pytest.fixture
def clear_port(broker: RunningBroker) -> int:
    facts = [parse_fact(line) for line in broker.log_lines()]
    urls = [fact["url"] for fact in facts if fact.get("event") == "dialect.listening"]
    return int(urls[-1].rpartition(":")[2])


@pytest.mark.parametrize("protocols", [[], ["spdy/3"], ["http/1.0"], ["http/1.1"]], ids=str)
def test_http_1_needs_no_alpn(broker: RunningBroker, protocols: list[str]) -> None:
    with RawConnection(broker.port, broker.ca, protocols) as raw:
        raw.send(HEALTH + b"Connection: close\r\n\r\n")

        raw.read_until(lambda _: False)
        assert raw.received.startswith(b"HTTP/1.1 200 OK\r\n")


@pytest.mark.parametrize("protocols", [[], ["spdy/3"], ["http/1.1"], ["h2"]], ids=str)
def test_http_2_is_spoken_to_those_who_begin_with_it(
    broker: RunningBroker, protocols: list[str]
) -> None:
    with RawConnection(broker.port, broker.ca, protocols) as raw:
        raw.send(HANDSHAKE + PUBLISH)

        raw.read_until(lambda received: 1 in statuses_in(received))
        assert statuses_in(raw.received) == {1: "201"}


@pytest.mark.parametrize("size", range(1, 5))
def test_http_2_may_begin_with_a_few_bytes_in_clear(
    broker: RunningBroker, clear_port: int, size: int
) -> None:
    with RawConnection(clear_port, None) as raw:
        raw.send(HANDSHAKE[:size], HANDSHAKE[size:], ENQUEUE)

        raw.read_until(lambda received: 1 in statuses_in(received))
        assert statuses_in(raw.received) == {1: "202"}


@pytest.mark.parametrize("size", range(1, 5))
def test_a_post_that_begins_with_a_few_bytes_is_one(
    broker: RunningBroker, clear_port: int, size: int
) -> None:
    fields = b"Host: localhost\r\nContent-Length: 2\r\nConnection: close\r\n"
    post = b"POST /enqueue HTTP/1.1\r\n" + fields + b"\r\nhi"
    with RawConnection(clear_port, None) as raw:
        raw.send(post[:size], post[size:])

        raw.read_until(lambda _: False)
        assert raw.received.startswith(b"HTTP/1.1 202 Accepted\r\n")


async def test_curl_speaks_http_2_to_a_port_without_tls(
    broker: RunningBroker, clear_port: int
) -> None:
    said = await run_curl(
        broker.ca,
        *("--http2-prior-knowledge", "-d", "hello", "-w", "%{http_version} %{http_code}"),
        f"http://127.0.0.1:{clear_port}/enqueue",
    )

    assert said == b"2 202"


async def test_who_speaks_in_clear_to_the_port_of_tls_is_told_so(broker: RunningBroker) -> None:
    said = await run_curl(
        broker.ca, "--http1.1", "-w", "%{http_code}", f"http://localhost:{broker.port}/healthz"
    )

    body, _, status = said.rpartition(b"\n")
    assert status == b"400"
    assert "https://" in json.loads(body)["error"]


def test_who_speaks_in_clear_gets_one_answer_and_no_more(broker: RunningBroker) -> None:
    with RawConnection(broker.port, None) as raw:
        raw.send(HEALTH + b"\r\n", HEALTH + b"\r\n")

        raw.read_until(lambda received: received.endswith(b"}\n"))
        raw.hang_up()
        assert raw.received.count(b"HTTP/1.1 400 Bad Request\r\n") == 1


def test_tls_to_a_port_in_clear_is_answered_in_clear(
    broker: RunningBroker, clear_port: int
) -> None:
    with RawConnection(clear_port, None) as raw:
        raw.send(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(32))

        raw.read_until(lambda received: received.endswith(b"}\n"))
        assert raw.received.startswith(b"HTTP/1.1 400 Bad Request\r\n")


@pytest.mark.parametrize("version", ["1.2", "2.0", "3.0"])
def test_another_version_of_http_is_told(broker: RunningBroker, version: str) -> None:
    with RawConnection(broker.port, broker.ca, ["http/1.1"]) as raw:
        raw.send(f"GET /healthz HTTP/{version}\r\nHost: [::]\r\n\r\n".encode())

        raw.read_until(lambda received: received.endswith(b"}\n"))
        assert raw.received.startswith(b"HTTP/1.1 505 HTTP Version Not Supported\r\n")


def test_http_1_0_keeps_its_connection_if_asked(broker: RunningBroker) -> None:
    with RawConnection(broker.port, broker.ca, []) as raw:
        asked = b"GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n"
        raw.send(asked, asked, b"GET /healthz HTTP/1.0\r\n\r\n")

        raw.read_until(lambda _: False)
        ends = re.findall(rb"\r\nconnection: ([a-z-]+)\r\n", raw.received)
        assert ends == [b"keep-alive", b"keep-alive", b"close"]


@pytest.mark.parametrize("target", ["https://other:1/healthz", "http://x/topics?max=1"])
def test_a_target_may_be_absolute(broker: RunningBroker, target: str) -> None:
    with RawConnection(broker.port, broker.ca, ["http/1.1"]) as raw:
        raw.send(f"GET {target} HTTP/1.1\r\nHost: [::]\r\nConnection: close\r\n\r\n".encode())

        raw.read_until(lambda _: False)
        assert raw.received.startswith(b"HTTP/1.1 200 OK\r\n")


LENGTH, CHUNKS = b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n"


@pytest.mark.parametrize("fields", [LENGTH + CHUNKS, CHUNKS + LENGTH], ids=["length", "chunks"])
def test_a_length_and_chunks_are_refused_and_the_connection_closed(
    broker: RunningBroker, fields: bytes
) -> None:
    with RawConnection(broker.port, broker.ca, ["http/1.1"]) as raw:
        raw.send(
            b"POST /publish/x HTTP/1.1\r\nHost: [::]\r\n" + fields + b"\r\n3\r\nabc\r\n0\r\n\r\n"
        )
        raw.send(HEALTH + b"\r\n")

        raw.read_until(lambda _: False)
        assert raw.has_ended
        assert raw.received.startswith(b"HTTP/1.1 400 Bad Request\r\n")
        assert raw.received.count(b"HTTP/1.1 ") == 1
