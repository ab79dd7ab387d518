"""A message is the whole body its publisher meant, or it is no message.

Bodies that are longer or shorter than was declared, and bodies that break off.
"""

import pytest

from tests.outside import frames
from tests.outside.consumer import Consumer, publish
from tests.outside.frames import (
    END_HEADERS,
    END_STREAM,
    HANDSHAKE,
    frame,
    number,
    request,
    statuses_in,
)
from tests.outside.raw import RawConnection
from tests.outside.server import RunningBroker
from tests.outside.wire import Connection

pytestmark = pytest.mark.anyio

HTTP_CREATED = b"HTTP/1.1 201"


def data(body: bytes, flags: int = 0) -> bytes:
    return frame(frames.DATA, flags, 1, body)


WRONG_LENGTHS = {
    "shorter": (b"9", data(b"abc", END_STREAM)),
    "shorter, with an empty last frame": (b"9", data(b"abc") + data(b"", END_STREAM)),
    "longer": (b"2", data(b"abc", END_STREAM)),
    "longer by a second frame": (b"3", data(b"abc") + data(b"abc", END_STREAM)),
    "longer, and no end": (b"3", data(b"abc") + data(b"abc")),
    "nothing declared": (b"0", data(b"abc", END_STREAM)),
    "not a number": (b"3x", data(b"abc", END_STREAM)),
    "negative": (b"-3", data(b"abc", END_STREAM)),
    "too long a number": (b"9" * 5000, data(b"abc", END_STREAM)),
}


@pytest.mark.parametrize(("declared", "body"), WRONG_LENGTHS.values(), ids=WRONG_LENGTHS.keys())
async def test_a_body_of_another_length_than_declared_is_no_message(
    broker: RunningBroker, connection: Connection, topic: str, declared: bytes, body: bytes
) -> None:
    with RawConnection(broker.port, broker.ca) as raw:
        head = request(1, path_of(topic), (b"content-length", declared))

        raw.send(HANDSHAKE + head + body)

        raw.read_until(lambda received: 1 in statuses_in(received))
        assert statuses_in(raw.received).get(1) != "201"
        raw.hang_up()
    await expect_nothing_stored(connection, topic)


async def test_headers_that_end_the_stream_must_not_declare_a_body(
    broker: RunningBroker, connection: Connection, topic: str
) -> None:
    with RawConnection(broker.port, broker.ca) as raw:
        head = request(1, path_of(topic), (b"content-length", b"3"), flags=END_HEADERS | END_STREAM)

        raw.send(HANDSHAKE + head)

        raw.read_until(lambda received: 1 in statuses_in(received))
        assert statuses_in(raw.received).get(1) != "201"
        raw.hang_up()
    await expect_nothing_stored(connection, topic)


RESET_WITH_NO_ERROR = frame(frames.RST_STREAM, 0, 1, number(0))


@pytest.mark.parametrize("declared", [[], [(b"content-length", b"9")]], ids=["untold", "told"])
@pytest.mark.parametrize(
    "ending",
    [
        frame(frames.RST_STREAM, 0, 1, number(8)),
        RESET_WITH_NO_ERROR,
        frame(frames.RST_STREAM, 0, 1, number(2)),
        frame(frames.GOAWAY, 0, 0, number(0) + number(0)),
        b"",
    ],
    ids=["CANCEL", "NO_ERROR", "INTERNAL_ERROR", "GOAWAY", "a lost connection"],
)
async def test_a_body_that_breaks_off_is_no_message(
    broker: RunningBroker,
    connection: Connection,
    topic: str,
    declared: list[tuple[bytes, bytes]],
    ending: bytes,
) -> None:
    with RawConnection(broker.port, broker.ca) as raw:
        raw.send(HANDSHAKE + request(1, path_of(topic), *declared) + data(b"abc"))
        raw.send(ending)
        raw.hang_up()

    await expect_nothing_stored(connection, topic)


HTTP1_BROKEN_OFF = {
    "shorter": b"Content-Length: 9\r\n\r\nabc",
    "chunks without an end": b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    "half a chunk": b"Transfer-Encoding: chunked\r\n\r\n9\r\nabc",
}
HTTP1_WRONG = {
    "a chunk longer than told": b"Transfer-Encoding: chunked\r\n\r\n3\r\nabcdef\r\n0\r\n\r\n",
    "no size": b"Transfer-Encoding: chunked\r\n\r\nx\r\nabc\r\n0\r\n\r\n",
    "two lengths": b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc",
    "a signed length": b"Content-Length: +3\r\n\r\nabc",
    "an unknown coding": b"Transfer-Encoding: rot13\r\n\r\nabc",
}


@pytest.mark.parametrize("rest", HTTP1_BROKEN_OFF.values(), ids=HTTP1_BROKEN_OFF.keys())
async def test_a_body_that_breaks_off_is_no_message_over_http_1(
    broker: RunningBroker, connection: Connection, topic: str, rest: bytes
) -> None:
    with RawConnection(broker.port, broker.ca, ["http/1.1"]) as raw:
        raw.send(http1_head(topic) + rest)

        raw.hang_up()
        assert HTTP_CREATED not in raw.received
    await expect_nothing_stored(connection, topic)


@pytest.mark.parametrize("rest", HTTP1_WRONG.values(), ids=HTTP1_WRONG.keys())
async def test_a_body_of_unclear_length_is_refused_over_http_1(
    broker: RunningBroker, connection: Connection, topic: str, rest: bytes
) -> None:
    with RawConnection(broker.port, broker.ca, ["http/1.1"]) as raw:
        raw.send(http1_head(topic) + rest)

        raw.read_until(lambda received: b"\r\n\r\n" in received)
        assert raw.received[:10] in (b"HTTP/1.1 4", b"HTTP/1.1 5")
        raw.hang_up()
    await expect_nothing_stored(connection, topic)


def path_of(topic: str) -> bytes:
    return f"/publish/{topic}".encode()


def http1_head(topic: str) -> bytes:
    return b"POST " + path_of(topic) + b" HTTP/1.1\r\nHost: localhost\r\n"


async def expect_nothing_stored(connection: Connection, topic: str) -> None:
    await publish(connection, topic, b"whole")
    consumer = await Consumer.open(connection, topic, "INIT")
    await consumer.expect(b"whole")
    await consumer.send("ACK")
    await consumer.expect_nothing()
