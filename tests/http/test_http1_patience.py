"""HTTP/1.1: how long a connection waits for its client. Time is moved, never slept."""

import asyncio

import pytest

from miniqueue_py.http.servers.connections import (
    MOST_KEPT_BYTES,
    MOST_UNSENT_BYTES,
    ConnectionLimits,
)
from miniqueue_py.http.servers.http1_limits import (
    BODY_SECONDS,
    DROP_SECONDS,
    HEAD_SECONDS,
    LEAST_DROPPED_BYTES,
    MOST_UNGRANTED_BYTES,
    SILENT_SECONDS,
    UNREAD_SECONDS,
)
from tests.http.exchanges import settle
from tests.http.http1 import Heard, Peer, chunked, get, post

pytestmark = pytest.mark.anyio

IDLE_SECONDS = 600.0


class Clock:
    """The time of the loop, which stands still until it is moved."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        loop = asyncio.get_running_loop()
        self.now = loop.time()
        monkeypatch.setattr(loop, "time", lambda: self.now)

    async def pass_by(self, seconds: float) -> None:
        self.now += seconds
        await settle()


@pytest.fixture
async def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


async def test_half_a_head_is_waited_for_and_no_longer(clock: Clock) -> None:
    peer = Peer()
    await peer.ask(get())
    for byte in get()[: int(HEAD_SECONDS)]:
        peer.send(bytes([byte]))
        assert peer.is_open
        await clock.pass_by(1.0)
    assert peer.statuses == [200, 408]
    assert peer.connections.struck["head"] == 1
    assert not peer.is_open


async def test_head_that_comes_in_time_is_answered(clock: Clock) -> None:
    peer = Peer()
    for byte in get():
        peer.send(bytes([byte]))
        await clock.pass_by(HEAD_SECONDS / len(get()) * 0.9)
    await clock.pass_by(HEAD_SECONDS)
    assert peer.statuses == [200]
    assert peer.is_open


@pytest.mark.parametrize("beginning", [post(b"xyz", "/hold")[:-1], chunked(b"x", end=b"")])
async def test_body_that_does_not_go_on_is_given_up(clock: Clock, beginning: bytes) -> None:
    peer = Peer()
    await peer.ask(beginning)
    await clock.pass_by(BODY_SECONDS - 1)
    assert peer.is_open
    await clock.pass_by(2)
    assert peer.statuses == [408]
    assert [handler.events for handler in peer.handlers] == [["gone"]] * len(peer.handlers)
    assert peer.connections.struck["stalled_upload"] == 1
    peer.check_is_settled()


async def test_body_that_goes_on_slowly_is_waited_for(clock: Clock) -> None:
    peer = Peer()
    request = post(b"x" * 20)
    await peer.ask(request[:-20])
    for _ in range(20):
        await clock.pass_by(BODY_SECONDS - 1)
        await peer.ask(b"x")
    assert peer.statuses == [200]


async def test_client_may_be_silent_while_it_is_answered(clock: Clock) -> None:
    peer = Peer()
    await peer.ask(chunked(b"INIT", path="/hold", end=b""))
    peer.handlers[0].exchange.begin(200, ())
    for _ in range(20):
        await clock.pass_by(BODY_SECONDS)
    assert peer.is_open
    peer.handlers[0].exchange.end()
    await settle()
    assert peer.received.endswith(b"0\r\n\r\n")


async def test_client_that_its_handler_does_not_read_is_no_late_one(clock: Clock) -> None:
    peer = Peer()
    peer.send(post(b"x" * 1_000_000, "/hold")[: 2 * MOST_UNGRANTED_BYTES])
    await settle()
    for _ in range(20):
        await clock.pass_by(BODY_SECONDS)
    assert peer.is_open
    peer.handlers[0].exchange.grant(2 * MOST_UNGRANTED_BYTES)
    await settle()
    await clock.pass_by(BODY_SECONDS - 1)
    assert peer.is_open
    await clock.pass_by(2)
    assert peer.statuses == [408]


async def test_rest_of_a_request_that_was_answered_is_read_for_a_while(clock: Clock) -> None:
    head = post(b"").replace(b": 0\r\n", b": 2000000\r\n")
    silent, slow = Peer(), Peer()
    await silent.ask(head)
    await slow.ask(head)
    await clock.pass_by(SILENT_SECONDS + 0.1)
    assert silent.transport.is_closing()

    slow = Peer()
    await slow.ask(head)
    for _ in range(int(DROP_SECONDS)):
        assert not slow.transport.is_closing()
        await slow.ask(b"x")
        await clock.pass_by(1.01)
    assert slow.transport.is_closing()


async def test_rest_of_a_request_is_read_as_long_as_much_of_it_comes(clock: Clock) -> None:
    peer = Peer()
    await peer.ask(post(b"").replace(b": 0\r\n", b": 20000000\r\n"))
    for _ in range(5 * int(DROP_SECONDS)):
        await peer.send_on(bytes(LEAST_DROPPED_BYTES // int(DROP_SECONDS) + 1))
        assert not peer.transport.is_closing()
        await clock.pass_by(1.0)
    for _ in range(2 * int(DROP_SECONDS)):
        await peer.ask(b"x")
        await clock.pass_by(1.01)
    assert peer.transport.is_closing()


async def test_one_who_sent_the_rest_in_time_is_waited_for_no_less(clock: Clock) -> None:
    peer = Peer()
    await peer.send_on(post(b"x" * 2_000_000))
    await clock.pass_by(DROP_SECONDS + SILENT_SECONDS)
    assert peer.is_open


async def test_idle_connection_is_closed_without_a_word(clock: Clock) -> None:
    peer = Peer(ConnectionLimits(idle_seconds=IDLE_SECONDS))
    await peer.ask(get("/hold"))
    for _ in range(10):
        await clock.pass_by(IDLE_SECONDS)  # this is not idle
    peer.handlers[0].exchange.respond(200, ())
    await clock.pass_by(IDLE_SECONDS - 1)
    assert peer.is_open
    await clock.pass_by(2)
    assert peer.connection.lost.done()
    assert peer.statuses == [200]
    assert peer.connections.struck["idle"] == 1


async def test_client_that_does_not_take_its_answer_is_given_up(clock: Clock) -> None:
    peer = Peer()
    peer.transport.is_client_reading = False
    await peer.ask(get("/hold"))
    await clock.pass_by(IDLE_SECONDS)
    peer.handlers[0].exchange.respond(200, (), b"x" * 1_000_000)
    await clock.pass_by(UNREAD_SECONDS)
    peer.transport.unread -= 1000
    await clock.pass_by(UNREAD_SECONDS - 1)
    assert not peer.transport.was_aborted
    for _ in range(3):
        await clock.pass_by(UNREAD_SECONDS)
    assert peer.transport.was_aborted
    assert peer.connections.struck["stuck_reader"] == 1


async def test_requests_that_come_whole_set_no_timer() -> None:
    peer = Peer()
    loop = asyncio.get_running_loop()
    before = len(loop._scheduled)  # type: ignore[attr-defined]
    await peer.ask((get() + post(b"x")) * 20)
    assert len(loop._scheduled) == before  # type: ignore[attr-defined]


async def test_uploads_wait_while_memory_is_full_and_are_given_up_in_the_end(clock: Clock) -> None:
    def page(exchange: Heard) -> Heard:
        return KeepingAll(exchange)  # type: ignore[arg-type]

    patient, late = Peer(page=page), Peer(page=page)
    for peer in patient, late:
        peer.connections.kept_bytes = MOST_KEPT_BYTES
        peer.send(post(b"x" * 1_000_000, "/page")[:400_000])
        await clock.pass_by(BODY_SECONDS / 2)
        assert not peer.transport.is_reading()
    patient.connections.kept_bytes -= MOST_KEPT_BYTES
    await clock.pass_by(1)
    assert patient.transport.is_reading()
    await clock.pass_by(BODY_SECONDS)
    assert late.statuses == [408]
    assert late.connections.kept_bytes == MOST_KEPT_BYTES
    assert late.connections.struck["kept_bytes"] > 0


class KeepingAll(Heard):
    def on_body(self, chunk: bytes) -> None:
        self.exchange.keep(len(chunk))


async def test_pages_wait_while_too_much_of_pages_is_unsent(clock: Clock) -> None:
    peer = Peer()
    started: list[str] = []
    await peer.ask(get("/hold"))
    peer.connections.untaken_page_bytes = MOST_UNSENT_BYTES
    peer.handlers[0].exchange.when_room(lambda: started.append("page"))
    await clock.pass_by(1)
    assert started == []
    peer.connections.untaken_page_bytes = 0
    await clock.pass_by(1)
    assert started == ["page"]
