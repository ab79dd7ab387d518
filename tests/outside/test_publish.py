"""Publishing: what is taken, what is refused, and what comes out again unchanged."""

import json
import os

import pytest

from tests.outside.consumer import Consumer, publish
from tests.outside.http1 import PlainConnection
from tests.outside.server import RunningBroker
from tests.outside.wire import Connection

pytestmark = pytest.mark.anyio

BAD_TOPICS = {
    "empty": "",
    "256 bytes": "a" * 256,
    "256 bytes of two-byte letters": "%C3%A9" * 128,
    "a slash": "a%2Fb",
    "a null byte": "a%00b",
    "a newline": "a%0Ab",
    "a control character": "a%1Fb",
    "delete": "a%7Fb",
    "no UTF-8": "a%FF",
}


async def test_a_publish_is_answered_with_201_and_no_body(
    connection: Connection, topic: str
) -> None:
    response = await connection.request("POST", f"/publish/{topic}", b"hello")

    assert response.status == 201
    assert response.body == b""


@pytest.mark.parametrize(
    "body", [b"", b"hello", bytes(range(256)), b'{"msg":"x"}\n', os.urandom(200_000)], ids=len
)
async def test_a_body_comes_out_as_it_went_in(
    connection: Connection, topic: str, body: bytes
) -> None:
    await publish(connection, topic, body)

    consumer = await Consumer.open(connection, topic, "INIT")

    await consumer.expect(body)


async def test_an_empty_body_is_a_message_with_an_empty_msg(
    connection: Connection, topic: str
) -> None:
    await publish(connection, topic, b"")

    consumer = await Consumer.open(connection, topic, "INIT")

    assert await consumer.stream.read_line() == {"msg": ""}


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"],
)
async def test_the_content_type_of_a_publish_means_nothing(
    connection: Connection, topic: str, content_type: str
) -> None:
    headers = [("content-type", content_type)]

    response = await connection.request("POST", f"/publish/{topic}", b"a=b&c", headers)

    assert response.status == 201
    consumer = await Consumer.open(connection, topic, "INIT")
    await consumer.expect(b"a=b&c")


async def test_messages_of_one_publisher_keep_their_order(
    connection: Connection, topic: str
) -> None:
    bodies = [b"%d" % number for number in range(20)]
    await publish(connection, topic, *bodies)

    consumer = await Consumer.open(connection, topic, "INIT")

    for body in bodies:
        await consumer.expect(body)
        await consumer.send("ACK")


@pytest.mark.parametrize("name", ["%C3%A9t%C3%A9", "a%20b", "%252F", "a%2Bb+c", "%F0%9F%90%9D"])
async def test_a_topic_name_may_hold_any_utf_8(
    connection: Connection, topic: str, name: str
) -> None:
    await publish(connection, topic + name, b"hello")

    consumer = await Consumer.open(connection, topic + name, "INIT")

    await consumer.expect(b"hello")


async def test_a_topic_name_is_percent_decoded_once(connection: Connection, topic: str) -> None:
    await publish(connection, f"{topic}%252F", b"twice escaped")
    await publish(connection, f"{topic}a", b"plain")

    escaped = await Consumer.open(connection, f"{topic}%25%32%46", "INIT")
    plain = await Consumer.open(connection, f"{topic}%61", "INIT")

    await escaped.expect(b"twice escaped")
    await plain.expect(b"plain")


async def test_a_topic_name_may_be_255_bytes_long(connection: Connection, topic: str) -> None:
    name = topic + "é" * ((255 - len(topic)) // 2)
    name += "a" * (255 - len(name.encode()))

    await publish(connection, name.replace("é", "%C3%A9"), b"hello")


@pytest.mark.parametrize("name", ["metrics", "topics", "healthz", "publish", "subscribe"])
async def test_no_topic_name_is_reserved(connection: Connection, name: str) -> None:
    await publish(connection, name, b"hello")

    response = await connection.request("DELETE", f"/{name}")

    assert response.status == 200
    consumer = await Consumer.open(connection, name, "INIT")
    await consumer.expect_nothing()


@pytest.mark.parametrize("name", BAD_TOPICS.values(), ids=BAD_TOPICS.keys())
@pytest.mark.parametrize("action", ["publish", "subscribe"])
async def test_a_bad_topic_name_is_refused(connection: Connection, action: str, name: str) -> None:
    stream = await connection.stream("POST", f"/{action}/{name}")

    assert await stream.status() == 400
    assert_problem(await stream.read_until_end())


@pytest.mark.parametrize("name", ["a%00b", "a%FF", "a%2Fb", "a" * 256])
async def test_a_bad_topic_name_cannot_be_deleted(connection: Connection, name: str) -> None:
    response = await connection.request("DELETE", f"/{name}")

    assert response.status == 400
    assert_problem(response.body)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/publish/x"),
        ("PUT", "/publish/x"),
        ("DELETE", "/publish/x"),
        ("GET", "/subscribe/x"),
        ("DELETE", "/subscribe/x"),
        ("POST", "/x"),
    ],
)
async def test_a_wrong_method_is_answered_with_405(
    connection: Connection, method: str, path: str
) -> None:
    response = await connection.request(method, path)

    assert response.status == 405
    assert_problem(response.body)


@pytest.mark.parametrize("path", ["/no/such/path", "/publish/a/b/c", "/subscribe/a/b"])
@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_an_unknown_path_is_answered_with_404(
    connection: Connection, method: str, path: str
) -> None:
    response = await connection.request(method, path)

    assert response.status == 404
    assert_problem(response.body)


async def test_publishing_needs_no_http_2(broker: RunningBroker, topic: str) -> None:
    async with await PlainConnection.open(broker.port, broker.ca) as plain:
        for _ in range(2):
            await plain.ask("POST", f"/publish/{topic}", "Content-Length: 5")
            await plain.send(b"hello")
            status, headers = await plain.read_head()
            assert status == 201
            assert await plain.read_body(headers) == b""


def assert_problem(body: bytes) -> None:
    problem = json.loads(body)
    assert list(problem) == ["error"]
    assert problem["error"]
