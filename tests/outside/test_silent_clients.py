"""Clients that have stopped, without leaving: they must not hold up the end of the broker."""

from collections.abc import Callable

import pytest

from tests.outside import frames
from tests.outside.frames import HANDSHAKE, frame, request
from tests.outside.raw import RawConnection
from tests.outside.server import RunningBroker, StartBroker

CHUNKED = b"Host: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"


def http2(said: bytes) -> Callable[[RunningBroker], RawConnection]:
    def connect(broker: RunningBroker) -> RawConnection:
        raw = RawConnection(broker.port, broker.ca)
        raw.send(HANDSHAKE + said + frame(frames.PING, 0, 0, b"12345678"))
        raw.read_until(lambda received: b"12345678" in received)
        return raw

    return connect


def http1(said: bytes) -> Callable[[RunningBroker], RawConnection]:
    def connect(broker: RunningBroker) -> RawConnection:
        raw = RawConnection(broker.port, broker.ca, ["http/1.1"])
        raw.send(said)
        return raw

    return connect


CLIENTS = {
    "TCP and nothing more": lambda broker: RawConnection(broker.port, None),
    "TLS and nothing more": http1(b""),
    "HTTP/2 and nothing more": http2(b""),
    "half a publish": http2(request(1, b"/publish/t") + frame(frames.DATA, 0, 1, b"abc")),
    "half a publish, HTTP/1.1": http1(b"POST /publish/t HTTP/1.1\r\n" + CHUNKED + b"3\r\nab"),
    "a subscription": http2(request(1, b"/subscribe/t") + frame(frames.DATA, 0, 1, b'"INIT"')),
    "a subscription, HTTP/1.1": http1(
        b"POST /subscribe/t HTTP/1.1\r\n" + CHUNKED + b'6\r\n"INIT"\r\n'
    ),
}


@pytest.mark.parametrize("connect", CLIENTS.values(), ids=CLIENTS.keys())
def test_a_client_that_has_stopped_does_not_hold_up_the_end(
    start_broker: StartBroker, connect: Callable[[RunningBroker], RawConnection]
) -> None:
    broker = start_broker("-drain", "500ms")
    with connect(broker):
        broker.terminate()

        assert broker.wait(10) == 0
