"""Peers of HTTP/2 that are gone, or as good as gone: what they hold comes back in time."""

import pytest

from miniqueue_py.http.exchange import Exchange, Handler
from miniqueue_py.http.servers import http2_watch
from miniqueue_py.http.servers.connections import ConnectionLimits
from tests.http.http2_peer import Peer
from tests.outside.frames import END_HEADERS, HEADERS, PING, frame, request_block

pytestmark = pytest.mark.anyio

KEEPALIVE_SECONDS = 30.0


class Holder(Handler):
    """Holds something until it is told that its client has gone."""

    def __init__(self, exchange: Exchange) -> None:
        self.exchange = exchange
        self.is_held = True

    def on_gone(self) -> None:
        self.is_held = False


async def holding() -> tuple[Peer, Holder]:
    """Return a peer, and who holds something for it on its first stream."""
    holders: list[Holder] = []

    def route(exchange: Exchange) -> Handler:
        holders.append(Holder(exchange))
        return holders[-1]

    peer = Peer(route, ConnectionLimits(keepalive_seconds=KEEPALIVE_SECONDS))
    await peer.begin()
    holders[0].exchange.begin(200, [])
    await peer.talk()
    return peer, holders[0]


async def test_a_frame_that_comes_by_the_byte_is_no_sign_of_life() -> None:
    peer, holder = await holding()
    await peer.timers.advance(http2_watch.FIRST_SETTINGS_SECONDS)

    for byte in frame(HEADERS, END_HEADERS, 3, request_block(b"GET", b"/x")):
        if not peer.wire.is_closed:
            await peer.send(bytes([byte]))
            await peer.timers.advance(8.0)

    assert peer.wire.was_aborted
    assert not holder.is_held
    assert peer.connections.struck["keepalive"] == 1


async def test_a_peer_that_takes_nothing_and_goes_on_asking_is_given_up() -> None:
    """It is not read any more, so its connection alone does not tell when it goes."""
    peer, holder = await holding()
    peer.connection.pause_writing()

    seconds = 0.0
    while not peer.wire.is_closed and seconds < 600.0:
        if peer.wire.is_being_read:
            await peer.send(frame(PING, 0, 0, b"12345678") * 1000)
        await peer.timers.advance(20.0)
        seconds += 20.0

    assert not holder.is_held
    assert seconds <= 180.0


async def test_a_peer_that_takes_nothing_and_says_nothing_is_given_up() -> None:
    peer, holder = await holding()
    peer.connection.pause_writing()
    holder.exchange.send(bytes(1 << 21))

    await peer.timers.advance(http2_watch.FIRST_SETTINGS_SECONDS + 3 * KEEPALIVE_SECONDS)

    assert peer.wire.was_aborted
    assert not holder.is_held
