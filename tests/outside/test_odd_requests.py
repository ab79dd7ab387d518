"""Requests that no client sends, and that servers or frameworks have stumbled over."""

import pytest

from tests.outside import frames
from tests.outside.bystander import Bystander
from tests.outside.frames import (
    END_HEADERS,
    END_STREAM,
    frame,
    header_block,
    request_block,
    statuses_in,
)
from tests.outside.raw import RawConnection
from tests.outside.server import RunningBroker

pytestmark = pytest.mark.anyio

AUTHORITY = (b":authority", b"localhost")
WEBSOCKET = [
    *((b":method", b"CONNECT"), (b":protocol", b"websocket"), (b":scheme", b"https"), AUTHORITY),
    (b"sec-websocket-version", b"13"),
]
BLOCKS = {
    "a path that is not ASCII": request_block(b"POST", b"/publish/\xc3\xa9"),
    "a method that is not ASCII": request_block(b"\xff", b"/fuzz"),
    "a method of two words": request_block(b"PO ST", b"/publish/fuzz"),
    "a query that is not UTF-8": request_block(b"DELETE", b"/fuzz?\xff"),
    "a path that is no path": request_block(b"GET", b"http://[x"),
    "a path of one word": request_block(b"DELETE", b"fuzz"),
    "an authority that is not UTF-8": header_block(
        [
            *((b":method", b"GET"), (b":scheme", b"https"), (b":path", b"/healthz")),
            (b":authority", b"\xff\xfe"),
        ]
    ),
    "a cookie that is not UTF-8": request_block(b"GET", b"/healthz", (b"cookie", b"\xff=\xfe")),
    "CONNECT, as for a proxy": header_block([(b":method", b"CONNECT"), AUTHORITY]),
    "a WebSocket": header_block([*WEBSOCKET, (b":path", b"/subscribe/fuzz")]),
    "a WebSocket whose query is not UTF-8": header_block([*WEBSOCKET, (b":path", b"/x?\xff")]),
    "a WebSocket of no version": header_block([*WEBSOCKET[:-1], (b":path", b"/x")]),
}


@pytest.mark.parametrize("block", BLOCKS.values(), ids=BLOCKS.keys())
async def test_an_odd_request_is_answered_or_costs_its_connection(
    broker: RunningBroker, bystander: Bystander, block: bytes
) -> None:
    with RawConnection(broker.port, broker.ca) as raw:
        topic = await bystander.have_held(raw)

        raw.send(frame(frames.HEADERS, END_HEADERS | END_STREAM, 3, block))
        raw.send(frame(frames.HEADERS, END_HEADERS, 5, block))
        raw.send(frame(frames.DATA, END_STREAM, 5, b"abc"))

        raw.read_until(lambda received: {3, 5} <= statuses_in(received).keys())
        assert "500" not in statuses_in(raw.received).values()
        raw.hang_up()
    await bystander.expect_given_back(topic)
    await bystander.expect_served()


UPGRADE = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
WEBSOCKET_1 = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: "
HTTP1_HEADS = {
    "an absolute target that is none": b"GET http://[x HTTP/1.1\r\n",
    "an upgrade with settings cut short": b"GET / HTTP/1.1\r\n%bHTTP2-Settings: AAMA\r\n" % UPGRADE,
    "an upgrade with settings that are none": b"GET / HTTP/1.1\r\n%bHTTP2-Settings: \xff\r\n"
    % UPGRADE,
    "a WebSocket": b"GET /subscribe/fuzz HTTP/1.1\r\n%b13\r\nSec-WebSocket-Key: x\r\n"
    % WEBSOCKET_1,
    "a WebSocket of an odd protocol": b"GET / HTTP/1.1\r\n%b13\r\nSec-WebSocket-Protocol: \xff\r\n"
    % WEBSOCKET_1,
    "CONNECT, as for a proxy": b"CONNECT x:1 HTTP/1.1\r\n",
    "cookies that are not UTF-8": b"GET /healthz HTTP/1.1\r\nCookie: \xff=\xfe\r\n",
}


@pytest.mark.parametrize("head", HTTP1_HEADS.values(), ids=HTTP1_HEADS.keys())
async def test_an_odd_request_is_answered_over_http_1(
    broker: RunningBroker, bystander: Bystander, head: bytes
) -> None:
    with RawConnection(broker.port, broker.ca, ["http/1.1"]) as raw:
        raw.send(head + b"Host: localhost\r\n\r\n")

        raw.read_until(lambda received: b"\r\n\r\n" in received)
        assert raw.received.startswith(b"HTTP/1.1 ")
        assert not raw.received.startswith(b"HTTP/1.1 500")
        raw.hang_up()
    await bystander.expect_served()
