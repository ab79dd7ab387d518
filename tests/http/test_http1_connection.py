"""HTTP/1.1: requests and their answers on a connection that lives on."""

from http import HTTPStatus

import pytest

from miniqueue_py.errors import TopicNotFound
from miniqueue_py.http.exchange import Exchange, Handler
from tests.http.exchanges import settle
from tests.http.http1 import Heard, Peer, body_of, chunked, get, post

pytestmark = pytest.mark.anyio

ODD_BODIES = [
    b"",
    b"x",
    b"\r\n\r\n",
    b"a\r\n\r\nb\r\n\r\n",
    b"0\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: b\r\n\r\n",
    b"x" * 70_000,
]


@pytest.mark.parametrize("body", ODD_BODIES, ids=lambda body: repr(body[:12]))
async def test_bodies_come_whole_whatever_is_in_them(body: bytes) -> None:
    peer = Peer()
    half = len(body) // 2
    pieces = [piece for piece in (body[:half], body[half:]) if piece]
    for request in (
        post(body),
        chunked(*pieces),
        chunked(*pieces, end=b"0;x=y\r\nA: b\r\nC: d\r\n\r\n"),
        post(body, "/echo?a=b"),
    ):
        before = len(peer.received)
        await peer.send_on(request + get("/echo?next"))
        first, _, second = (
            peer.received[before:]
            .partition(b"HTTP/1.1 200 OK\r\n")[2]
            .partition(b"HTTP/1.1 200 OK\r\n")
        )
        assert body_of(first)[3] == body.decode("latin-1")
        assert body_of(second) == ["GET", "/echo", "next", ""]
    assert peer.is_open
    peer.check_is_settled()


ALL_KINDS = post(b"one") + get("/echo?a") + chunked(b"tw", b"o", end=b"0\r\nX: y\r\n\r\n")
ALL_KINDS += b"\r\n" + post(b"", "/echo", "Upgrade: h2c", "Connection: Upgrade, HTTP2-Settings")
ALL_KINDS += post(b"five", "/echo", "Upgrade: h2c", "Connection: upgrade") + get("/hold")


async def test_requests_may_be_cut_anywhere() -> None:
    for at in range(len(ALL_KINDS)):
        peer = Peer()
        peer.send(ALL_KINDS[:at])
        peer.send(ALL_KINDS[at:])
        await settle()
        assert peer.statuses == [200] * 5
        assert [len(handler.events) for handler in peer.handlers] == [1]


async def test_requests_may_come_byte_by_byte() -> None:
    peer = Peer()
    for byte in ALL_KINDS:
        peer.send(bytes([byte]))
    await settle()
    assert peer.statuses == [200] * 5
    assert b'"one"]' in peer.received
    assert b'"five"]' in peer.received


@pytest.mark.parametrize("status", [each for each in HTTPStatus if each >= HTTPStatus.OK])
async def test_an_answer_has_a_reason_and_a_length(status: HTTPStatus) -> None:
    peer = Peer(page=lambda exchange: exchange.respond(status, ((b"x", b"y"),), b"") or Handler())
    answer = await peer.ask(get("/page"))
    assert answer.startswith(f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode())
    assert b"\r\nx: y\r\n" in answer
    assert (b"\r\ncontent-length: 0\r\n" in answer) == (status not in (204, 304))
    assert b"transfer-encoding" not in answer
    assert len(await peer.ask(get())) > 0


async def test_a_length_that_a_handler_told_is_told_once() -> None:
    def page(exchange: Exchange) -> Handler:
        exchange.respond(200, ((b"content-length", b"3"),), b"abc")
        return Handler()

    assert (await Peer(page=page).ask(get("/page"))).count(b"content-length") == 1


async def test_head_is_answered_with_the_length_and_no_body() -> None:
    def page(exchange: Exchange) -> Handler:
        exchange.begin(200, ((b"content-length", b"3"),))
        exchange.send(b"abc")
        exchange.end()
        return Handler()

    peer = Peer(page=page)
    for path in "/echo", "/page":
        answer = await peer.ask(get(path).replace(b"GET", b"HEAD"))
        assert answer.endswith(b"\r\n\r\n")
        assert b"content-length: " in answer
    assert body_of(await peer.ask(get()))[0] == "GET"


async def test_an_answer_without_a_length_is_in_chunks() -> None:
    peer = Peer()
    await peer.ask(get("/hold"))
    exchange = peer.handlers[0].exchange
    exchange.begin(200, ())
    await settle()
    assert peer.received.endswith(b"transfer-encoding: chunked\r\n\r\n")
    exchange.send(b"")
    exchange.send(b"x" * 16)
    exchange.end(b"yz")
    await settle()
    assert peer.received.endswith(b"10\r\n" + b"x" * 16 + b"\r\n2\r\nyz\r\n0\r\n\r\n")
    assert body_of(await peer.ask(get()))[0] == "GET"


async def test_an_answer_of_no_length_to_http_1_0_ends_with_its_connection() -> None:
    peer = Peer()
    await peer.ask(get("/hold", "Connection: keep-alive", version="1.0"))
    exchange = peer.handlers[0].exchange
    exchange.begin(200, ())
    exchange.send(b"all")
    exchange.end()
    await settle()
    assert peer.received.endswith(b"connection: close\r\n\r\nall")
    assert peer.transport.is_closing()


@pytest.mark.parametrize(
    ("version", "headers", "is_kept"),
    [
        ("1.1", (), True),
        ("1.1", ("Connection: close",), False),
        ("1.1", ("Connection: keep-alive, Close",), False),
        ("1.1", ("Connection: x", "Connection: close", "Connection: y"), False),
        ("1.0", (), False),
        ("1.0", ("Connection: Keep-Alive",), True),
        ("1.0", ("Connection: keep-alive, close",), False),
    ],
)
async def test_a_connection_stays_if_its_client_would_have_it(
    version: str, headers: tuple[str, ...], is_kept: bool
) -> None:
    peer = Peer()
    answer = await peer.ask(get("/echo", *headers, version=version))
    assert peer.is_open == is_kept
    assert (b"connection: close" in answer) != is_kept
    assert (b"connection: keep-alive" in answer) == (is_kept and version == "1.0")
    peer.check_is_settled()


async def test_one_who_waits_for_100_continue_gets_it_once() -> None:
    head, body = post(b"abc", "/echo", "Expect: 100-Continue")[:-3], b"abc"
    peer = Peer()
    assert await peer.ask(head) == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert (await peer.ask(body)).startswith(b"HTTP/1.1 200")
    assert (await peer.ask(head + body)).startswith(b"HTTP/1.1 200")


async def test_one_who_waits_and_is_refused_gets_that_alone() -> None:
    peer = Peer()
    head = post(b"", "/echo", "Expect: 100-continue").replace(b": 0\r\n", b": 2000000\r\n")
    answer = await peer.ask(head)
    assert answer.startswith(b"HTTP/1.1 413")
    # Nobody knows if the body follows.
    assert b"connection: close" in answer
    assert not peer.is_open


async def test_one_who_waits_and_gets_the_beginning_of_an_answer_gets_both() -> None:
    def page(exchange: Exchange) -> Handler:
        exchange.begin(200, ())
        return Heard(exchange)

    head = post(b"x", "/page", "Expect: 100-continue")[:-1]
    answer = await Peer(page=page).ask(head)
    assert answer.startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")


async def test_what_one_who_leaves_has_asked_for_besides_is_not_done() -> None:
    for is_polite in True, False:
        peer = Peer()
        peer.send(get("/hold") + get("/hold"))
        if is_polite:
            peer.connection.eof_received()
            peer.transport.close()
        else:
            peer.transport.abort()
        await settle()
        assert [handler.events for handler in peer.handlers] == [["end", "gone"]]
        peer.handlers[0].exchange.respond(200, ())
        assert peer.received == b""
        assert peer.connection.lost.done()
        peer.check_is_settled()


async def test_a_client_that_takes_no_answer_is_given_no_more() -> None:
    peer = Peer(big=lambda exchange: exchange.respond(200, (), b"x" * 200_000) or Handler())
    peer.transport.is_client_reading = False
    await peer.ask(get("/big") * 3)
    assert len(peer.requests) == 1
    assert peer.connections.unsent_bytes > 200_000
    peer.transport.read_all()
    await settle()
    assert len(peer.requests) == 2
    peer.transport.abort()
    await settle()
    assert peer.connections.unsent_bytes == 0


@pytest.mark.parametrize("is_reading", [True, False])
async def test_a_handler_that_waits_for_room_is_told_of_it(is_reading: bool) -> None:
    peer = Peer()
    peer.transport.is_client_reading = is_reading
    await peer.ask(get("/hold"))
    handler = peer.handlers[0]
    handler.exchange.begin(200, ())
    while handler.exchange.queued <= 1 << 16:
        handler.exchange.send(b"x" * 1000)
    await settle()
    assert handler.events == (["end", "room"] if is_reading else ["end"])
    peer.transport.read_all()
    assert handler.events == ["end", "room"]


async def test_what_a_handler_raises_is_its_answer() -> None:
    class Failing(Heard):
        def on_end(self) -> None:
            raise TopicNotFound("x")

    class Worse(Heard):
        def on_body(self, _chunk: bytes) -> None:
            raise ZeroDivisionError

    class Late(Heard):
        def on_end(self) -> None:
            self.exchange.begin(200, ())
            raise ZeroDivisionError

    peer = Peer(failing=Failing, worse=Worse, late=Late)
    await peer.ask(get("/failing") + post(b"x", "/worse") + get() + get("/late") + get())
    assert peer.statuses == [404, 500, 200, 200]
    assert not peer.received.endswith(b"0\r\n\r\n")
    assert peer.transport.is_closing()
    assert [type(error) for error in peer.errors] == [ZeroDivisionError] * 2
    assert peer.door._open == 0


async def test_a_broken_answer_of_no_length_is_no_clean_end() -> None:
    peer = Peer()
    await peer.ask(get("/hold", version="1.0"))
    peer.handlers[0].exchange.begin(200, ())
    peer.handlers[0].exchange.reset()
    assert peer.transport.was_aborted


async def test_a_header_that_splits_an_answer_is_an_error() -> None:
    def page(exchange: Exchange) -> Handler:
        exchange.respond(200, ((b"x", b"y\r\nz: 1"),))
        return Handler()

    peer = Peer(page=page)
    assert (await peer.ask(get("/page"))).startswith(b"HTTP/1.1 500")
    assert len(peer.errors) == 1


async def test_a_drain_ends_an_idle_connection_at_once_and_a_busy_one_behind_its_answer() -> None:
    idle, busy = Peer(), Peer()
    await idle.ask(get() + b"GET /half")
    await busy.ask(get("/hold") + get())
    for peer in idle, busy:
        peer.connection.drain()
        peer.connection.drain()
    await settle()
    assert idle.connection.lost.done()
    busy.handlers[0].exchange.respond(200, ())
    await settle()
    assert busy.connection.lost.done()
    assert b"connection: close" in busy.received
    assert len(busy.requests) == 1
