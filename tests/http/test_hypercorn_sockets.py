"""WebSockets on Hypercorn: what the guard mends, and that it is still needed.

As in test_hypercorn_guards.py, every scenario passes with it and fails without.
"""

import asyncio
import zlib
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypercorn.config import Config
from wsproto.connection import Connection as WireConnection
from wsproto.connection import ConnectionType

from miniqueue_py.certificate_paths import CertificatePaths
from miniqueue_py.certificates import make_certificates
from miniqueue_py.http.asgi import Event, Receive, Scope, Send
from miniqueue_py.http.servers.hypercorn_sockets import (
    EVENTS_A_TURN,
    LINGER_SECONDS,
    GuardedSocket,
)
from tests.http.asgi import settle
from tests.http.servers import BARE_LONGEST_BYTES, serve_on_free_port, wait_until
from tests.outside.socket_peer import (
    ASKING,
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
from tests.outside.wire import Connection

pytestmark = pytest.mark.anyio

SOON = 2.0

LONGEST = BARE_LONGEST_BYTES


class Sockets:
    """An application of WebSockets that are hard to serve."""

    def __init__(self) -> None:
        self.open = 0
        self.heard: list[Event] = []
        self.release = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for _ in range(2):
                event = await receive()
                await send({"type": f"{event['type']}.complete"})
            return
        self.open += 1
        try:
            await receive()
            if scope["path"] == "/late":
                await self.release.wait()
            longest = 0 if scope["path"] == "/deaf" else LONGEST
            await send({"type": "websocket.accept", "longest": longest})
            await getattr(self, scope["path"].replace("/", "_"))(receive, send)
        finally:
            self.open -= 1

    async def _echo(self, receive: Receive, send: Send) -> None:
        while (event := await receive())["type"] == "websocket.receive":
            await send({**event, "type": "websocket.send"})
        self.heard.append(event)

    async def _deaf(self, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.ping", "bytes": b"mark"})
        while (event := await receive())["type"] != "websocket.disconnect":
            self.heard.append(event)
        self.heard.append(event)

    async def _hold(self, receive: Receive, _send: Send) -> None:
        await self.release.wait()
        await self._echo(receive, _send)

    async def _late(self, receive: Receive, send: Send) -> None:
        await self._echo(receive, send)

    async def _early(self, _receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.1)
        await send({"type": "websocket.close", "code": 1001})

    async def _fails(self, _receive: Receive, _send: Send) -> None:
        await asyncio.sleep(0.1)
        raise ConnectionAbortedError("the page failed, as it should")

    async def _flood(self, _receive: Receive, send: Send) -> None:
        while not self.release.is_set():
            await send({"type": "websocket.send", "text": "x" * 10_000})


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> CertificatePaths:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


Scenario = Callable[[int, Path, Sockets], Awaitable[None]]


async def nothing_is_inflated(port: int, ca: Path, _sockets: Sockets) -> None:
    deflate = ASKING + b"Sec-WebSocket-Extensions: permessage-deflate\r\n"
    bomb = zlib.compress(b"\0" * (LONGEST - 1), wbits=-zlib.MAX_WBITS)
    async with await SocketPeer.open(port, ca) as peer:
        head = await peer.ask("/echo", deflate)
        assert b"101" in head
        assert b"deflate" not in head.lower()
        peer.send(frame(TEXT, bomb, reserved=0x40))
        assert [each.code for each in await peer.end(SOON)] == [1002]


async def what_comes_with_the_handshake_is_heard(port: int, ca: Path, _sockets: Sockets) -> None:
    async with await SocketPeer.open(port, ca) as peer:
        await peer.connect("/echo", behind=text("early"))
        assert await peer.frame(SOON) == (TEXT, b"early")


async def one_who_talks_early_and_leaves_is_forgotten(
    port: int, ca: Path, sockets: Sockets
) -> None:
    async with await SocketPeer.open(port, ca) as peer:
        await peer.ask("/echo", behind=text("early"))
    await wait_until(lambda: not sockets.open, SOON)


async def too_long_a_message_ends_its_socket(port: int, ca: Path, sockets: Sockets) -> None:
    async with await SocketPeer.open(port, ca) as peer:
        await peer.connect("/echo")
        peer.send(frame(TEXT, b"x" * LONGEST, is_last=False))
        peer.send(frame(CONTINUATION, b"x", is_last=False))
        assert [each.code for each in await peer.end(SOON)] == [1009]
        await wait_until(lambda: not sockets.open, SOON)


async def each_kind_of_nonsense_is_told_with_its_code(
    port: int, ca: Path, sockets: Sockets
) -> None:
    for nonsense, code in NO_SENSE.values():
        async with await SocketPeer.open(port, ca) as peer:
            await peer.connect("/echo")
            peer.send(text("sense"), nonsense)
            frames = await peer.end(SOON)
            assert frames[:1] == [(TEXT, b"sense")], nonsense
            assert [each.code for each in frames[1:]] == [code], nonsense
    await wait_until(lambda: not sockets.open, SOON)


async def handshake_without_a_key_is_refused_and_over(
    port: int, ca: Path, _sockets: Sockets
) -> None:
    for headers, status in (
        (UPGRADE + VERSION, b"400"),
        (UPGRADE + VERSION + b"Sec-WebSocket-Key: x\r\n", b"400"),
        (UPGRADE + VERSION + KEY + KEY, b"400"),
        (UPGRADE + KEY, b"426"),
        (UPGRADE + KEY + b"Sec-WebSocket-Version: 8\r\n", b"426"),
    ):
        async with await SocketPeer.open(port, ca) as peer:
            head = await peer.ask("/echo", headers, behind=text("x"))
            assert head.split()[1] == status, headers
            async with asyncio.timeout(SOON):
                assert b"error" in await peer.reader.read()


async def headers_that_are_not_ascii_cost_nobody_his_socket(
    port: int, ca: Path, _sockets: Sockets
) -> None:
    odd = ASKING + b"Sec-WebSocket-Protocol: \xff\r\nConnection: \xff\r\n"
    async with await SocketPeer.open(port, ca) as peer:
        await peer.connect("/echo", odd, behind=text("hello"))
        assert await peer.frame(SOON) == (TEXT, b"hello")


async def socket_that_ends_unheard_ends(port: int, ca: Path, sockets: Sockets) -> None:
    async with await SocketPeer.open(port, ca) as peer:
        await peer.connect("/early", behind=text("nobody listens" * 100) * 2000)
        assert [each.code for each in await peer.end(SOON)] == [1001]
    await wait_until(lambda: not sockets.open, SOON)


async def pings_in_a_row_are_answered_together(port: int, ca: Path, _sockets: Sockets) -> None:
    async with await SocketPeer.open(port, ca) as peer:
        await peer.connect("/echo")
        peer.send(*(frame(PING, b"%d" % number) for number in range(1000)), text("end"))
        pongs = []
        while (came := await peer.frame(SOON)) is not None and came.opcode == PONG:
            pongs.append(came.payload)
        assert came == (TEXT, b"end")
        assert pongs[-1] == b"999"
        assert len(pongs) < 20


async def what_is_said_to_the_deaf_is_not_kept(port: int, ca: Path, sockets: Sockets) -> None:
    async with await SocketPeer.open(port, ca) as peer:
        await peer.connect("/deaf")
        assert await peer.frame(SOON) == (PING, b"mark")
        peer.send(frame(TEXT, b"x" * LONGEST, is_last=False))
        peer.send(frame(CONTINUATION, b"x" * LONGEST), frame(PONG, b"mark"), frame(PING))
        assert await peer.frame(SOON) == (PONG, b"")
        assert sockets.heard == [{"type": "websocket.pong", "bytes": b"mark"}]


WEBSOCKET = ((":protocol", "websocket"), ("sec-websocket-version", "13"))


async def socket_that_does_not_listen_holds_up_no_stream_beside_it(
    port: int, ca: Path, sockets: Sockets
) -> None:
    async with await Connection.open(port, ca) as connection:
        silent = await connection.stream("CONNECT", "/hold", WEBSOCKET)
        assert (await silent.headers(SOON))[":status"] == "200"
        for _ in range(20):
            await silent.send(text("x"), SOON)
        other = await connection.stream("CONNECT", "/echo", WEBSOCKET)
        await other.headers(SOON)
        await other.send(text("hello"), SOON)
        await wait_until(lambda: bytes(other._body) == b"\x81\x05hello", SOON)
        sockets.release.set()
        await wait_until(lambda: bytes(silent._body) == b"\x81\x01x" * 20, SOON)


SCENARIOS: tuple[Scenario, ...] = (
    nothing_is_inflated,
    what_comes_with_the_handshake_is_heard,
    one_who_talks_early_and_leaves_is_forgotten,
    too_long_a_message_ends_its_socket,
    each_kind_of_nonsense_is_told_with_its_code,
    handshake_without_a_key_is_refused_and_over,
    headers_that_are_not_ascii_cost_nobody_his_socket,
    socket_that_ends_unheard_ends,
    pings_in_a_row_are_answered_together,
    what_is_said_to_the_deaf_is_not_kept,
    socket_that_does_not_listen_holds_up_no_stream_beside_it,
)


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
async def test_guarded(scenario: Scenario, certificates: CertificatePaths) -> None:
    sockets = Sockets()
    async with serve_on_free_port(sockets, certificates, is_guarded=True) as port:
        await scenario(port, certificates.authority, sockets)
        sockets.release.set()
        await wait_until(lambda: not sockets.open, SOON)


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.__name__)
async def test_guard_is_still_needed(scenario: Scenario, certificates: CertificatePaths) -> None:
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _loop, _context: None)
    sockets = Sockets()
    async with serve_on_free_port(sockets, certificates, is_guarded=False) as port:
        with pytest.raises((AssertionError, TimeoutError, ConnectionError)):
            await scenario(port, certificates.authority, sockets)
        sockets.release.set()


async def test_one_who_talks_on_behind_the_end_is_cut_off(certificates: CertificatePaths) -> None:
    sockets = Sockets()
    async with serve_on_free_port(sockets, certificates, is_guarded=True) as port:
        async with await SocketPeer.open(port, certificates.authority) as peer:
            await peer.connect("/early")
            assert connections() == 1
            with pytest.raises(ConnectionError):
                await talk_on(peer)
        await wait_until(lambda: connections() == 0, SOON)


def connections() -> int:
    """Count those that the server has a task for."""
    return sum("_server_callback" in repr(task.get_coro()) for task in asyncio.all_tasks())


async def test_server_waits_for_the_answer_to_its_close(certificates: CertificatePaths) -> None:
    sockets = Sockets()
    async with (
        serve_on_free_port(sockets, certificates, is_guarded=True) as port,
        await SocketPeer.open(port, certificates.authority) as peer,
    ):
        await peer.connect("/early")
        assert await peer.frame(SOON) == (CLOSE, b"\x03\xe9")
        await settle()
        assert not peer.reader.at_eof()
        peer.send(frame(CLOSE, b"\x03\xe9"))
        assert await peer.frame(SOON) is None


async def test_socket_whose_page_fails_ends_unheard(certificates: CertificatePaths) -> None:
    sockets = Sockets()
    async with serve_on_free_port(sockets, certificates, is_guarded=True) as port:
        async with await SocketPeer.open(port, certificates.authority) as peer:
            await peer.connect("/fails", behind=text("nobody listens" * 100) * 200)
            assert [each.code for each in await peer.end(SOON)] == [1011]
        await wait_until(lambda: connections() == 0, SOON)


async def talk_on(peer: SocketPeer) -> None:
    words = text("x" * 10_000)
    async with asyncio.timeout(LINGER_SECONDS + 2 * SOON):
        while True:
            peer.send(words)
            await peer.writer.drain()
            await asyncio.sleep(0)


async def test_others_have_their_turn_while_tiny_frames_are_parsed() -> None:
    nothing: Any = None
    socket = GuardedSocket(
        nothing, Config(), nothing, nothing, nothing, nothing, nothing, nothing, 1
    )
    socket.connection = WireConnection(ConnectionType.SERVER)
    await socket.receive()
    begin = frame(TEXT, is_last=False)
    socket._inbox.put_data(begin + frame(CONTINUATION, is_last=False) * 5000 + frame(CONTINUATION))
    receiving = asyncio.ensure_future(socket.receive())
    turns = 0
    while not receiving.done():
        await asyncio.sleep(0)
        turns += 1

    assert receiving.result()["text"] == ""
    assert turns > 5000 / EVENTS_A_TURN


async def test_one_who_goes_before_he_is_accepted_is_gone_whatever_he_said() -> None:
    sockets = Sockets()
    async with serve_on_free_port(sockets, None, is_guarded=True) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /late HTTP/1.1\r\nHost: a\r\n" + ASKING + b"\r\n" + text("early"))
        await wait_until(lambda: sockets.open == 1, SOON)
        writer.transport.abort()
        await settle()
        sockets.release.set()
        await wait_until(lambda: not sockets.open, SOON)

    assert [event["type"] for event in sockets.heard] == ["websocket.disconnect"]
