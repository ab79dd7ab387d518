"""What needs no duplex works over HTTP/1.1 too, and what is refused says why."""

import json

import pytest

from tests.outside.consumer import Consumer
from tests.outside.curl import run_curl
from tests.outside.http1 import PlainConnection
from tests.outside.raw import RawConnection
from tests.outside.server import RunningBroker
from tests.outside.wire import Connection

pytestmark = pytest.mark.anyio

LONG = b"x" * 300_000


async def test_a_publish_with_a_length_and_one_in_chunks_share_a_connection(
    broker: RunningBroker, connection: Connection, topic: str
) -> None:
    async with await PlainConnection.open(broker.port, broker.ca) as plain:
        await plain.ask("POST", f"/publish/{topic}", "Content-Length: 5")
        await plain.send(b"hel")
        await plain.send(b"lo")
        await expect_created(plain)

        await plain.ask("POST", f"/publish/{topic}", "Transfer-Encoding: chunked")
        await plain.send_chunk(b"in ")
        await plain.send_chunk(b"chunks")
        await plain.send_chunk(b"")
        await expect_created(plain)

        await plain.ask("POST", f"/publish/{topic}", "Content-Length: 0")
        await expect_created(plain)
    await expect_messages(connection, topic, b"hello", b"in chunks", b"")


async def test_a_client_that_waits_for_100_continue_gets_it(
    broker: RunningBroker, connection: Connection, topic: str
) -> None:
    async with await PlainConnection.open(broker.port, broker.ca) as plain:
        await plain.ask("POST", f"/publish/{topic}", "Content-Length: 5", "Expect: 100-continue")
        assert (await plain.read_head())[0] == 100
        await plain.send(b"hello")
        await expect_created(plain)
    await expect_messages(connection, topic, b"hello")


async def test_publishes_may_be_sent_ahead_of_their_answers(
    broker: RunningBroker, connection: Connection, topic: str
) -> None:
    async with await PlainConnection.open(broker.port, broker.ca) as plain:
        for body in (b"1", b"2", b"3"):
            await plain.ask("POST", f"/publish/{topic}", "Content-Length: 1")
            await plain.send(body)
        for _ in range(3):
            await expect_created(plain)
    await expect_messages(connection, topic, b"1", b"2", b"3")


async def test_a_client_that_keeps_nothing_alive_is_closed_after_its_answer(
    broker: RunningBroker, connection: Connection, topic: str
) -> None:
    for version, header in ((b"1.1", b"Connection: close"), (b"1.0", b"X: y")):
        with RawConnection(broker.port, broker.ca, ["http/1.1"]) as raw:
            raw.send(
                b"POST /publish/%b HTTP/%b\r\nHost: [::]\r\n%b\r\nContent-Length: 5\r\n\r\nhello"
                % (topic.encode(), version, header)
            )
            raw.read_until(lambda _: False)
            assert raw.received.split()[1] == b"201"
    await expect_messages(connection, topic, b"hello", b"hello")


async def test_delete_works(broker: RunningBroker, connection: Connection, topic: str) -> None:
    async with await PlainConnection.open(broker.port, broker.ca) as plain:
        await plain.ask("POST", f"/publish/{topic}", "Content-Length: 5")
        await plain.send(b"hello")
        await expect_created(plain)

        await plain.ask("DELETE", f"/{topic}")

        status, headers = await plain.read_head()
        assert (status, await plain.read_body(headers)) == (200, b"")
    await expect_messages(connection, topic)


@pytest.mark.parametrize(
    "upload",
    [
        ["--data-binary", "@-"],
        ["--data-binary", "@-", "-H", "Expect: 100-continue"],
        ["-T", "-", "-X", "POST"],
        ["-T", "-", "-X", "POST", "-H", "Expect:"],
    ],
    ids=" ".join,
)
async def test_curl_publishes_and_deletes(
    broker: RunningBroker, connection: Connection, topic: str, upload: list[str]
) -> None:
    url = f"https://localhost:{broker.port}"
    status = ("--http1.1", "-w", "%{http_version} %{response_code}")

    published = await run_curl(broker.ca, *status, *upload, f"{url}/publish/{topic}", stdin=LONG)
    assert published == b"1.1 201"
    await expect_messages(connection, topic, LONG)

    deleted = await run_curl(broker.ca, *status, "-X", "DELETE", f"{url}/{topic}")
    assert deleted == b"1.1 200"


@pytest.mark.parametrize("headers", [[], ["Expect: 100-continue"]], ids=["sends", "waits"])
async def test_a_length_over_the_limit_is_refused(
    broker: RunningBroker, connection: Connection, topic: str, headers: list[str]
) -> None:
    async with await PlainConnection.open(broker.port, broker.ca) as plain:
        await plain.ask("POST", f"/publish/{topic}", "Content-Length: 2000000", *headers)

        status, head = await plain.read_head()
        if status == 100:  # said before the broker has looked at the length
            status, head = await plain.read_head()
        assert status == 413
        assert_problem(await plain.read_body(head))
    await expect_messages(connection, topic)


WRONG_REQUESTS = [
    ("PUT", "/publish/x", 405),
    ("OPTIONS", "/publish/x", 405),
    ("PATCH", "/subscribe/x", 405),
    ("GET", "/x", 405),
    ("PUT", "/x", 405),
    ("OPTIONS", "/x", 405),
    ("FOO", "/x", 405),
    ("PUT", "/no/such/path", 404),
    ("OPTIONS", "/no/such/path", 404),
    ("DELETE", "/no/such/path", 404),
]


@pytest.mark.parametrize(("method", "path", "status"), WRONG_REQUESTS)
async def test_a_wrong_request_is_told_so_in_json(
    broker: RunningBroker, connection: Connection, method: str, path: str, status: int
) -> None:
    over_2 = await connection.request(method, path, b"abc")
    assert over_2.status == status
    assert_problem(over_2.body)

    async with await PlainConnection.open(broker.port, broker.ca) as plain:
        await plain.ask(method, path, "Content-Length: 3")
        await plain.send(b"abc")

        over_1, headers = await plain.read_head()
        assert over_1 == status
        assert_problem(await plain.read_body(headers))


@pytest.mark.parametrize(
    ("path", "status"), [("/publish/x", 405), ("/x", 405), ("/no/such/path", 404)]
)
async def test_head_is_answered_without_a_body(
    broker: RunningBroker, connection: Connection, path: str, status: int
) -> None:
    over_2 = await connection.request("HEAD", path)
    assert (over_2.status, over_2.body) == (status, b"")

    with RawConnection(broker.port, broker.ca, ["http/1.1"]) as raw:
        head = f"HEAD {path} HTTP/1.1\r\nHost: [::]\r\nConnection: close\r\n\r\n"
        raw.send(head.encode())
        raw.read_until(lambda _: False)
        assert raw.received.startswith(b"HTTP/1.1 %d" % status)
        assert raw.received.endswith(b"\r\n\r\n")


@pytest.mark.parametrize(
    ("path", "status"), [("/publish/%ff", 400), ("/no/such/path", 404), ("/subscribe/x", 200)]
)
def test_chunks_behind_a_refused_request_keep_no_connection(
    broker: RunningBroker, path: str, status: int
) -> None:
    with RawConnection(broker.port, broker.ca, ["http/1.1"]) as raw:
        head = f"POST {path} HTTP/1.1\r\nHost: [::]\r\nTransfer-Encoding: chunked\r\n\r\n"
        raw.send(head.encode() + b"1\r\nx\r\n" * 50)
        raw.read_until(lambda _: False)
        assert raw.has_ended
        assert raw.received.startswith(b"HTTP/1.1 %d " % status)


@pytest.mark.parametrize("path", ["/publish/x", "/settle/x", "/zapq/enqueue", "/tasks/task"])
def test_chunks_that_are_none_are_the_clients_fault(broker: RunningBroker, path: str) -> None:
    with RawConnection(broker.port, broker.ca, ["http/1.1"]) as raw:
        head = f"POST {path} HTTP/1.1\r\nHost: [::]\r\nTransfer-Encoding: chunked\r\n\r\n"
        raw.send(head.encode() + b"3\r\nabc\r\n-5\r\nabc")
        raw.read_until(lambda received: b"\r\n\r\n" in received)
        assert raw.received.startswith(b"HTTP/1.1 400")


HUGE = "y" * 100_000


async def test_a_header_of_100_kb_is_refused(
    broker: RunningBroker, connection: Connection, topic: str
) -> None:
    async with await Connection.open(broker.port, broker.ca) as doomed:
        stream = await doomed.stream("POST", f"/publish/{topic}", [("x-huge", HUGE)])
        stream.end()
        try:
            status = await stream.status()
        except ConnectionError:
            status = 400  # the connection was closed, which says it too
        assert status in (400, 431)

    with RawConnection(broker.port, broker.ca, ["http/1.1"]) as raw:
        head = f"POST /publish/{topic} HTTP/1.1\r\nHost: [::]\r\nContent-Length: 0\r\n"
        raw.send(f"{head}X-Huge: {HUGE}\r\n\r\n".encode())
        raw.read_until(lambda received: b"\r\n\r\n" in received)
        assert raw.received.startswith(b"HTTP/1.1 431")

    await expect_messages(connection, topic)


async def expect_created(plain: PlainConnection) -> None:
    status, headers = await plain.read_head()
    assert status == 201
    assert await plain.read_body(headers) == b""


async def expect_messages(connection: Connection, topic: str, *bodies: bytes) -> None:
    """The topic holds these messages in this order, and no other."""
    consumer = await Consumer.open(connection, topic, "INIT")
    for body in bodies:
        await consumer.expect(body)
        await consumer.send("ACK")
    await consumer.expect_nothing()


def assert_problem(body: bytes) -> None:
    problem = json.loads(body)
    assert list(problem) == ["error"]
    assert problem["error"]
