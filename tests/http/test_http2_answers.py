"""Answers over HTTP/2: room, pages, and how much a turn of the loop takes."""

import h2.events
import pytest
from hyperframe.frame import DataFrame

from miniqueue_py.http.exchange import ROOM_BYTES, Exchange, Handler
from miniqueue_py.http.servers import page_queue
from miniqueue_py.http.servers.http2_connection import BEGUN_A_TURN, TURN_BYTES
from tests.http.exchanges import settle
from tests.http.http2_handlers import Listeners
from tests.http.http2_peer import Peer

pytestmark = pytest.mark.anyio


async def test_a_handler_is_told_when_its_client_has_taken_what_was_queued() -> None:
    listeners = Listeners()
    peer = Peer(listeners)
    number = await peer.begin()
    exchange = listeners.last.exchange
    exchange.begin(200, [])
    exchange.send(bytes(3 * ROOM_BYTES))
    await peer.talk()
    assert exchange.queued > ROOM_BYTES

    peer.http2.increment_flow_control_window(1 << 20)
    peer.http2.increment_flow_control_window(1 << 20, number)
    await peer.talk()

    assert listeners.last.said == ["room"]
    assert exchange.queued == 0


async def test_while_the_socket_is_full_nothing_is_taken_from_the_codec() -> None:
    listeners = Listeners()
    peer = Peer(listeners)
    number = await peer.begin()
    peer.connection.pause_writing()
    listeners.last.exchange.respond(200, [], b"late")
    await peer.talk()
    assert not peer.of(h2.events.ResponseReceived, number)

    peer.connection.resume_writing()
    await peer.talk()

    assert peer.body(number) == b"late"


async def test_few_pages_are_made_for_a_client_that_takes_none() -> None:
    begun: list[Exchange] = []

    class Page(Handler):
        def __init__(self, exchange: Exchange) -> None:
            exchange.when_room(lambda: begun.append(exchange))

    peer = Peer(Page)
    for _ in range(50):
        await peer.ask("GET")
    assert len(begun) == page_queue.MOST_PAGES

    for exchange in begun[:]:
        exchange.respond(200, [], bytes(page_queue.CONNECTION_UNSENT_BYTES))
    await peer.talk()
    assert len(begun) == page_queue.MOST_PAGES, "more were made though nobody takes them"
    assert peer.connections.unsent_bytes > 7 * page_queue.CONNECTION_UNSENT_BYTES
    assert peer.connections.untaken_page_bytes > 7 * page_queue.CONNECTION_UNSENT_BYTES

    peer.http2.increment_flow_control_window(1 << 30)
    for exchange in begun[:]:
        peer.http2.increment_flow_control_window(1 << 24, exchange.stream_id)  # type: ignore[attr-defined]
    await peer.talk()
    assert len(begun) == 2 * page_queue.MOST_PAGES


async def test_a_consumer_that_does_not_read_holds_back_no_page() -> None:
    begun: list[Exchange] = []

    class Page(Handler):
        def __init__(self, exchange: Exchange) -> None:
            exchange.when_room(lambda: begun.append(exchange))

    listeners = Listeners()
    peer = Peer(lambda each: Page(each) if each.request.path == b"/page" else listeners(each))
    await peer.begin()
    listeners.last.exchange.begin(200, [])
    listeners.last.exchange.send(bytes(2 * page_queue.CONNECTION_UNSENT_BYTES))
    await peer.talk()

    number = await peer.ask("GET", "/page")
    begun[0].respond(200, [])
    await peer.talk()

    assert peer.status(number) == 200


async def test_small_pages_that_nobody_takes_are_bounded_by_their_number() -> None:
    begun: list[Exchange] = []

    class Page(Handler):
        def __init__(self, exchange: Exchange) -> None:
            exchange.when_room(lambda: begun.append(exchange))

    listeners = Listeners()
    peer = Peer(lambda each: Page(each) if each.request.path == b"/page" else listeners(each))
    await peer.begin()
    listeners.last.exchange.begin(200, [])
    listeners.last.exchange.send(bytes(70_000))  # the window of the connection is full
    await peer.talk()

    for _ in range(2 * page_queue.MOST_UNTAKEN_PAGES):
        await peer.ask("GET", "/page")
        for exchange in begun:
            exchange.respond(200, [], b"small")

    assert len(begun) <= page_queue.MOST_UNTAKEN_PAGES + page_queue.MOST_PAGES


async def test_pages_of_a_client_that_left_are_not_made() -> None:
    begun: list[Exchange] = []

    class Page(Handler):
        def __init__(self, exchange: Exchange) -> None:
            exchange.when_room(lambda: begun.append(exchange))

    peer = Peer(Page)
    numbers = [await peer.ask("GET") for _ in range(page_queue.MOST_PAGES + 5)]
    for number in numbers[page_queue.MOST_PAGES :]:
        peer.http2.reset_stream(number)
    await peer.talk()
    for exchange in begun[:]:
        exchange.respond(200, [])
    await peer.talk()

    assert len(begun) == page_queue.MOST_PAGES


# Turns


async def test_a_turn_parses_so_much_and_the_rest_follows() -> None:
    listeners = Listeners()
    peer = Peer(listeners)
    number = await peer.begin()

    peer.connection.data_received(DataFrame(number, bytes(16000)).serialize() * 8)
    in_this_turn = sum(map(len, listeners.last.heard))
    assert in_this_turn <= TURN_BYTES
    assert not peer.wire.is_being_read

    await settle()
    assert sum(map(len, listeners.last.heard)) == 8 * 16000
    assert peer.wire.is_being_read


async def test_a_turn_begins_so_many_requests_and_the_rest_follows() -> None:
    listeners = Listeners()
    peer = Peer(listeners)
    await peer.talk()
    for _ in range(3 * BEGUN_A_TURN):
        number = peer.http2.get_next_available_stream_id()
        head = [(":method", "GET"), (":scheme", "https"), (":path", "/x"), (":authority", "a")]
        peer.http2.send_headers(number, head, end_stream=True)

    peer.connection.data_received(peer.http2.data_to_send())
    assert len(listeners.all) == BEGUN_A_TURN

    await settle()
    assert len(listeners.all) == 3 * BEGUN_A_TURN
