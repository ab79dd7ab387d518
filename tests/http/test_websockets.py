"""WebSockets on our connections of HTTP/1.1, with peers who do as they please."""

import asyncio
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from miniqueue_py.http.browsers import Browsers
from miniqueue_py.http.door import Door
from miniqueue_py.http.exchange import Exchange, Handler
from miniqueue_py.http.servers.websocket_connection import (
    EVENTS_A_TURN,
    LINGER_SECONDS,
    MOST_UNREAD_BYTES,
)
from miniqueue_py.tls.certificates import make_certificates
from miniqueue_py.tls.paths import CertificatePaths
from tests.http.exchanges import settle
from tests.http.http1 import Peer as MemoryPeer
from tests.http.http1 import get, post
from tests.http.loopback import serve_http1, wait_until
from tests.http.sockets import LONGEST, Sockets
from tests.outside.socket_peer import (
    ASKING,
    BINARY,
    CLOSE,
    CONTINUATION,
    KEY,
    NO_SENSE,
    PING,
    PONG,
    TEXT,
    UPGRADE,
    VERSION,
    SocketPeer,
    frame,
    text,
)

pytestmark = pytest.mark.anyio

SOON = 2.0


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> CertificatePaths:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


class Done(Handler):
    """A page."""

    def __init__(self, exchange: Exchange) -> None:
        exchange.respond(200, (), b"done")


class Place:
    """The sockets, and where they are served."""

    def __init__(self, certificates: CertificatePaths | None) -> None:
        self.sockets = Sockets()
        self.errors: list[Exception] = []
        self._certificates = certificates
        self._door = Door(
            Done, sockets=self.sockets, browsers=Browsers(["a"]), on_error=self._note_error
        )

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        async with serve_http1(self._door, self._certificates) as (self.port, self.connections):
            yield
            self.sockets.release.set()
            await wait_until(lambda: not self.sockets.open, SOON)
            await asyncio.wait_for(self._door.wait_idle(), SOON)

    def _note_error(self, _path: str, error: Exception) -> None:
        self.errors.append(error)

    async def peer(self) -> SocketPeer:
        ca = None if self._certificates is None else self._certificates.authority
        return await SocketPeer.open(self.port, ca)


@pytest.fixture(params=["clear", "tls"])
async def place(
    request: pytest.FixtureRequest, certificates: CertificatePaths
) -> AsyncIterator[Place]:
    place = Place(certificates if request.param == "tls" else None)
    async with place.open():
        yield place


async def test_nothing_is_inflated(place: Place) -> None:
    deflate = ASKING + b"Sec-WebSocket-Extensions: permessage-deflate\r\n"
    bomb = zlib.compress(b"\0" * (LONGEST - 1), wbits=-zlib.MAX_WBITS)
    async with await place.peer() as peer:
        head = await peer.ask("/echo", deflate)
        assert b"101" in head
        assert b"deflate" not in head.lower()
        peer.send(frame(TEXT, bomb, reserved=0x40))
        assert [each.code for each in await peer.end(SOON)] == [1002]


async def test_application_is_told_of_its_socket(place: Place) -> None:
    async with await place.peer() as peer:
        offer = b"Sec-WebSocket-Extensions: x\r\nSec-WebSocket-Protocol: y\r\nX: z\r\n"
        await peer.connect("/echo?a=%20b", ASKING + offer)
    scope = place.sockets.scopes[0]
    assert (scope["path"], scope["raw_path"], scope["query_string"]) == (
        "/echo",
        b"/echo",
        b"a=%20b",
    )
    assert scope["scheme"] in {"ws", "wss"}
    assert (b"x", b"z") in scope["headers"]
    await wait_until(lambda: len(place.connections) == 0, SOON)
    assert scope["extensions"]["miniqueue.socket"]["has_left"]()
    assert {b"sec-websocket-extensions", b"sec-websocket-protocol"}.isdisjoint(
        dict(scope["headers"])
    )


async def test_messages_come_and_go_whole(place: Place) -> None:
    async with await place.peer() as peer:
        await peer.connect("/echo")
        for opcode in TEXT, BINARY:
            for size in 0, 1, 125, 126, LONGEST:
                peer.send(frame(opcode, b"x" * size))
                assert await peer.frame(SOON) == (opcode, b"x" * size)
            peer.send(
                *(
                    frame(opcode if not at else CONTINUATION, b"%d" % at, is_last=at == 4)
                    for at in range(5)
                )
            )
            assert await peer.frame(SOON) == (opcode, b"01234")


async def test_what_comes_with_the_handshake_is_heard(place: Place) -> None:
    async with await place.peer() as peer:
        await peer.connect("/echo", behind=text("early"))
        assert await peer.frame(SOON) == (TEXT, b"early")


async def test_connection_that_was_used_may_become_a_socket(place: Place) -> None:
    async with await place.peer() as peer:
        peer.send(b"GET /page HTTP/1.1\r\nHost: a\r\n\r\n")
        assert (await peer.reader.readuntil(b"done")).startswith(b"HTTP/1.1 200")
        await peer.connect("/echo", behind=text("hello"))
        assert await peer.frame(SOON) == (TEXT, b"hello")


async def test_one_who_talks_early_and_leaves_is_forgotten(place: Place) -> None:
    async with await place.peer() as peer:
        await peer.ask("/echo", behind=text("early"))
    await wait_until(lambda: not place.sockets.open, SOON)


async def test_too_long_a_message_ends_its_socket(place: Place) -> None:
    async with await place.peer() as peer:
        await peer.connect("/echo")
        peer.send(frame(TEXT, b"x" * LONGEST, is_last=False))
        peer.send(frame(CONTINUATION, b"x", is_last=False))
        assert [each.code for each in await peer.end(SOON)] == [1009]
    await wait_until(lambda: not place.sockets.open, SOON)


@pytest.mark.parametrize("what", NO_SENSE)
async def test_nonsense_is_told_with_its_code(place: Place, what: str) -> None:
    nonsense, code = NO_SENSE[what]
    async with await place.peer() as peer:
        await peer.connect("/echo")
        peer.send(text("sense"), nonsense)
        frames = await peer.end(SOON)
        assert frames[:1] == [(TEXT, b"sense")]
        assert [each.code for each in frames[1:]] == [code]
    await wait_until(lambda: not place.sockets.open, SOON)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (UPGRADE + VERSION, b"400"),
        (UPGRADE + VERSION + b"Sec-WebSocket-Key: x\r\n", b"400"),
        (UPGRADE + VERSION + KEY + KEY, b"400"),
        (UPGRADE + KEY, b"426"),
        (UPGRADE + KEY + b"Sec-WebSocket-Version: 8\r\n", b"426"),
    ],
)
async def test_handshake_that_is_none_is_refused_and_over(
    place: Place, headers: bytes, status: bytes
) -> None:
    async with await place.peer() as peer:
        head = await peer.ask("/echo", headers, behind=text("x"))
        assert head.split()[1] == status
        assert (b"sec-websocket-version: 13" in head) == (status == b"426")
        async with asyncio.timeout(SOON):
            assert b"error" in await peer.reader.read()
    assert not place.sockets.scopes


@pytest.mark.parametrize(
    ("path", "status", "body"),
    [("/refuses", b"404", b"told"), ("/closes", b"403", b"error"), ("/falls", b"500", b"error")],
)
async def test_application_may_refuse(place: Place, path: str, status: bytes, body: bytes) -> None:
    async with await place.peer() as peer:
        head = await peer.ask(path, behind=text("x"))
        assert head.split()[1] == status
        async with asyncio.timeout(SOON):
            assert body in await peer.reader.read()
    assert len(place.errors) == (path == "/falls")


async def test_headers_that_are_not_ascii_cost_nobody_his_socket(place: Place) -> None:
    odd = ASKING + b"Sec-WebSocket-Protocol: \xff\r\nConnection: \xff\r\n"
    async with await place.peer() as peer:
        await peer.connect("/echo", odd, behind=text("hello"))
        assert await peer.frame(SOON) == (TEXT, b"hello")


async def test_socket_that_ends_unheard_ends(place: Place) -> None:
    async with await place.peer() as peer:
        await peer.connect("/early", behind=text("nobody listens" * 100) * 2000)
        assert [each.code for each in await peer.end(SOON)] == [1001]
    await wait_until(lambda: not place.sockets.open, SOON)


async def test_pings_in_a_row_are_answered_together(place: Place) -> None:
    async with await place.peer() as peer:
        await peer.connect("/echo")
        peer.send(*(frame(PING, b"%d" % number) for number in range(1000)), text("end"))
        pongs = []
        while (came := await peer.frame(SOON)) is not None and came.opcode == PONG:
            pongs.append(came.payload)
        assert came == (TEXT, b"end")
        assert pongs[-1] == b"999"
        assert len(pongs) < 20


async def test_what_is_said_to_the_deaf_is_not_kept(place: Place) -> None:
    async with await place.peer() as peer:
        await peer.connect("/deaf")
        assert await peer.frame(SOON) == (PING, b"mark")
        peer.send(frame(TEXT, b"x" * LONGEST, is_last=False))
        peer.send(frame(CONTINUATION, b"x" * LONGEST), frame(PONG, b"mark"), frame(PING))
        assert await peer.frame(SOON) == (PONG, b"")
        assert place.sockets.heard == [{"type": "websocket.pong", "bytes": b"mark"}]


async def test_socket_that_does_not_listen_is_not_read(place: Place) -> None:
    words = text("x" * 1000)
    async with await place.peer() as peer:
        await peer.connect("/hold")
        with pytest.raises(TimeoutError):
            await talk_on(peer, words, 0.5)
        (connection,) = place.connections._open
        socket: Any = connection.transport.get_protocol()  # type: ignore[attr-defined]
        assert MOST_UNREAD_BYTES < len(socket._inbox) < 10 * MOST_UNREAD_BYTES
        place.sockets.release.set()
        assert await peer.frame(SOON) == (TEXT, b"x" * 1000)


async def talk_on(peer: SocketPeer, words: bytes, wait_seconds: float) -> None:
    """Send for ever, and no faster than the server reads."""
    async with asyncio.timeout(wait_seconds):
        while True:
            peer.send(words)
            await peer.writer.drain()
            await asyncio.sleep(0)


async def test_application_waits_for_a_peer_that_does_not_read(place: Place) -> None:
    async with await place.peer() as peer:
        await peer.connect("/flood")
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        before = -1
        while before < place.sockets.sent:
            before = place.sockets.sent
            await asyncio.sleep(0.1)  # as long as it goes on, it is not held back
        peer.writer.transport.resume_reading()  # type: ignore[attr-defined]
        while place.sockets.sent == before:
            assert await peer.frame(SOON) == (TEXT, b"x" * 10_000)


async def test_one_who_talks_on_behind_the_end_is_cut_off(place: Place) -> None:
    async with await place.peer() as peer:
        await peer.connect("/early")
        assert len(place.connections) == 1
        with pytest.raises(ConnectionError):
            await talk_on(peer, text("x" * 10_000), LINGER_SECONDS + 2 * SOON)
    await wait_until(lambda: len(place.connections) == 0, SOON)


async def test_server_waits_for_the_answer_to_its_close(place: Place) -> None:
    async with await place.peer() as peer:
        await peer.connect("/early")
        assert await peer.frame(SOON) == (CLOSE, b"\x03\xe9")
        await settle()
        assert not peer.reader.at_eof()
        peer.send(frame(CLOSE, b"\x03\xe9"))
        assert await peer.frame(SOON) is None


async def test_close_is_answered_with_its_code(place: Place) -> None:
    async with await place.peer() as peer:
        await peer.connect("/echo")
        peer.send(frame(CLOSE, b"\x0b\xb8bye"), text("not heard"))
        frames = await peer.end(SOON)
        assert [each.code for each in frames] == [3000]
    await wait_until(lambda: len(place.sockets.heard) == 1, SOON)
    assert place.sockets.heard == [{"type": "websocket.disconnect", "code": 3000}]


async def test_socket_whose_page_fails_ends_unheard(place: Place) -> None:
    async with await place.peer() as peer:
        await peer.connect("/fails", behind=text("nobody listens" * 100) * 200)
        assert [each.code for each in await peer.end(SOON)] == [1011]
    await wait_until(lambda: len(place.connections) == 0, SOON)
    assert len(place.errors) == 1


async def test_one_who_goes_before_he_is_accepted_is_gone_whatever_he_said(place: Place) -> None:
    async with await place.peer() as peer:
        peer.ask_nowait("/late")
        peer.send(text("early"))
        await wait_until(lambda: place.sockets.open == 1, SOON)
    await wait_until(lambda: len(place.connections) == 0, SOON)
    place.sockets.release.set()
    await wait_until(lambda: not place.sockets.open, SOON)

    assert [event["type"] for event in place.sockets.heard] == ["websocket.disconnect"]


async def test_others_have_their_turn_while_tiny_frames_are_parsed() -> None:
    sockets = Sockets()
    memory = MemoryPeer()
    memory.door._sockets = sockets
    begin = frame(TEXT, is_last=False)
    memory.send(b"GET /echo HTTP/1.1\r\nHost: a\r\n" + ASKING + b"\r\n")
    await settle()
    frames = begin + frame(CONTINUATION, is_last=False) * 5000 + frame(CONTINUATION)
    memory.transport.protocol.data_received(frames)
    turns = 0
    while not memory.received.endswith(b"\x81\x00"):
        await asyncio.sleep(0)
        turns += 1

    assert turns > 5000 / EVENTS_A_TURN
    memory.transport.abort()
    await settle()
    assert not sockets.open


@pytest.mark.parametrize(
    "request_bytes",
    [
        post(b"x", "/hold", "Upgrade: websocket", "Connection: Upgrade"),
        get("/hold", "Upgrade: websocket", "Connection: Upgrade", version="1.0"),
        get("/hold", "Upgrade: websocket"),
        get("/hold", "Upgrade: websocket, h2c", "Connection: x, y"),
    ],
)
async def test_other_requests_are_no_handshakes(request_bytes: bytes) -> None:
    memory = MemoryPeer()
    await memory.ask(request_bytes)
    assert len(memory.handlers) == 1


async def test_what_comes_of_a_handshake_stands_behind_the_answers_before_it() -> None:
    for headers, status in (UPGRADE, 426), (ASKING, 101):
        memory = MemoryPeer()
        memory.door._sockets = Sockets()
        handshake = b"GET /early HTTP/1.1\r\nHost: a\r\n" + headers + b"\r\n"
        await memory.ask(get() + handshake)
        assert memory.statuses == [200, status]
        memory.transport.abort()
        await asyncio.wait_for(memory.door.wait_idle(), SOON)


async def test_drain_leaves_a_socket_to_its_application() -> None:
    memory = MemoryPeer()
    sockets = memory.door._sockets = Sockets()
    await memory.ask(b"GET /hold HTTP/1.1\r\nHost: a\r\n" + ASKING + b"\r\n")
    memory.connection.drain()
    await settle()
    assert sockets.open
    assert memory.is_open
    memory.connection.abort()
    await settle()
    assert memory.connection.lost.done()
    sockets.release.set()
    await asyncio.wait_for(memory.door.wait_idle(), SOON)
