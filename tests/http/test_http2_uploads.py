"""Uploads over HTTP/2: what of them is kept, what is given up, and what nothing is left of."""

import gc
import weakref

import h2.events
import pytest

from miniqueue_py.http.exchange import Exchange, Handler, WholeBody
from miniqueue_py.http.servers import kept_bodies, page_queue
from miniqueue_py.http.servers.kept_bodies import PIECE_BYTES
from tests.http.exchanges import settle
from tests.http.http2_peer import Peer

pytestmark = pytest.mark.anyio


class Length(WholeBody):
    """Answers with the length of the body."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__(exchange, 1 << 22)

    def on_whole(self, body: bytes) -> None:
        self.exchange.respond(200, [], b"%d" % len(body))


async def test_a_client_may_send_half_a_window_in_one_frame() -> None:
    peer = Peer(Length)
    number = await peer.begin()
    most = peer.http2.max_outbound_frame_size

    await peer.say(number, bytes(most), is_last=True)

    assert most == peer.http2.remote_settings.initial_window_size // 2 == 131_072
    assert peer.body(number) == b"131072"


async def test_an_upload_is_refused_when_all_that_is_kept_is_too_much(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kept_bodies, "MOST_KEPT_BYTES", 100_000)
    monkeypatch.setattr(kept_bodies, "MOST_KEPT_IN_ALL_BYTES", 200_000)
    peer = Peer(Length)
    first, second = await peer.begin(), await peer.begin()
    for _ in range(8):
        await peer.say(first, bytes(16384))

    for _ in range(8):
        await peer.say(second, bytes(16384))
    assert peer.status(second) == 503
    assert peer.connections.kept_bytes == 8 * (16384 + PIECE_BYTES)

    short = await peer.ask(body=b"short ones go on")
    await peer.say(first, b"", is_last=True)
    assert (peer.body(short), peer.body(first)) == (b"16", b"131072")
    assert peer.connections.kept_bytes == 0


async def test_who_has_gone_leaves_nothing_to_the_garbage_collector() -> None:
    peer = Peer(Length)
    kept: list[weakref.ref[Handler]] = []
    route = peer.door._route  # what it makes is seen on its way

    def noted(exchange: Exchange) -> Handler:
        handler = route(exchange)
        kept.append(weakref.ref(handler))
        return handler

    peer.door._route = noted
    gc.disable()
    try:
        await peer.ask(body=b"answered")
        number = await peer.begin()
        await peer.say(number, b"given up")
        peer.http2.reset_stream(number)
        await peer.begin()
        await peer.talk()
        codec = weakref.ref(peer.connection._codec)
        peer.wire.abort()
        await settle()

        assert [each() for each in kept] == [None, None, None]
        assert codec() is None
    finally:
        gc.enable()


async def test_an_upload_in_crumbs_counts_what_it_takes() -> None:
    peer = Peer(Length)
    number = await peer.begin()

    for _ in range(10):
        await peer.say(number, b"12345678")

    assert peer.connections.kept_bytes == 10 * (8 + PIECE_BYTES)


async def test_an_upload_that_crawls_is_given_up_when_others_wait_for_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(kept_bodies, "CONNECTION_KEPT_BYTES", 30_000)
    peer = Peer(Length)
    crawling, brisk = await peer.begin(), await peer.begin()
    for _ in range(3):
        await peer.say(crawling, b"x")
        await peer.say(brisk, bytes(12_000))
        await peer.timers.advance(30.0)
        await peer.talk()

    assert peer.of(h2.events.StreamReset, crawling)
    assert not peer.of(h2.events.StreamReset, brisk)
    assert peer.connections.struck["stalled_upload"] == 1


async def test_a_page_whose_request_is_never_whole_is_given_up() -> None:
    begun: list[Exchange] = []

    class Page(Handler):
        def __init__(self, exchange: Exchange) -> None:
            exchange.when_room(lambda: begun.append(exchange))

    peer = Peer(Page)
    stalled = [await peer.begin() for _ in range(page_queue.MOST_PAGES)]
    await peer.say(stalled[0], b"{")
    assert len(begun) == page_queue.MOST_PAGES

    for _ in range(2):
        await peer.timers.advance(30.0)
        await peer.talk()
    await peer.timers.advance(30.0)
    await peer.ask("GET")

    assert all(peer.of(h2.events.StreamReset, number) for number in stalled)
    assert len(begun) == page_queue.MOST_PAGES + 1, "they would hold up all others for ever"
