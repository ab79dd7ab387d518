"""What a peer of HTTP/2 may do to one connection, and where it ends."""

from collections.abc import Callable

import h2.events
import pytest
from hyperframe.frame import (
    DataFrame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

from miniqueue_py.http.exchange import ROOM_BYTES, Exchange, Handler, WholeBody
from miniqueue_py.http.servers.connections import MOST_UNSENT_BYTES
from miniqueue_py.http.servers.http2_connection import MOST_HEARD_BYTES
from miniqueue_py.http.servers.http2_limits import CRAMMED_BYTES
from miniqueue_py.http.servers.page_queue import CONNECTION_UNSENT_BYTES
from miniqueue_py.http.servers.room_line import LOOKS_A_TURN
from miniqueue_py.http2.codec import ENHANCE_YOUR_CALM
from tests.http.exchanges import settle
from tests.http.http2_handlers import Listeners
from tests.http.http2_peer import Peer
from tests.outside.frames import GOAWAY, frames_in, header_block
from tests.outside.frames import number as number_of

pytestmark = pytest.mark.anyio

CLEAN = [(b":method", b"POST"), (b":scheme", b"https"), (b":path", b"/x"), (b":authority", b"a")]
SHUT = SettingsFrame(0, {4: 0}).serialize()
PING = PingFrame(0, b"12345678").serialize()
SETTINGS = SettingsFrame(0, {4: 65535}).serialize()


class Length(WholeBody):
    """Answers with the length of the body."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__(exchange, 1 << 22)

    def on_whole(self, body: bytes) -> None:
        self.exchange.respond(200, [], b"%d" % len(body))


def head(number: int, *more: tuple[bytes, bytes], ends: bool = False) -> bytes:
    flags = ["END_HEADERS", "END_STREAM"] if ends else ["END_HEADERS"]
    return HeadersFrame(number, header_block([*CLEAN, *more]), flags=flags).serialize()


def reset(number: int) -> bytes:
    return RstStreamFrame(number, error_code=8).serialize()


def widen(number: int, size: int) -> bytes:
    data = WindowUpdateFrame(number, window_increment=1).serialize()
    return data[:-4] + size.to_bytes(4)


async def send(peer: Peer, data: bytes) -> None:
    """Send all of it, and let the turns that it takes pass."""
    await peer.send(data)
    for _ in range(100):
        await settle()
    peer.wire.read_all()


RESETS: dict[str, Callable[[int], bytes]] = {
    "by the client": lambda number: head(number) + reset(number),
    "of a head in upper case": lambda number: head(number, (b"X-Upper", b"1")),
    "of a head without a path": lambda number: HeadersFrame(
        number, header_block(CLEAN[:2]), flags=["END_HEADERS"]
    ).serialize(),
    "of a body too short": lambda number: (
        head(number, (b"content-length", b"5"))
        + DataFrame(number, b"abc", flags=["END_STREAM"]).serialize()
    ),
    "of a body too long": lambda number: (
        head(number, (b"content-length", b"1")) + DataFrame(number, b"abc").serialize()
    ),
}


@pytest.mark.parametrize("make", RESETS.values(), ids=RESETS.keys())
async def test_resets_of_either_sides_making_end_the_connection(
    make: Callable[[int], bytes],
) -> None:
    peer = Peer(Length)
    await peer.talk()

    for first in range(1, 6000, 200):
        if not peer.wire.is_closed:
            await peer.send(b"".join(make(number) for number in range(first, first + 200, 2)))

    assert peer.wire.is_closed
    *_, (kind, _flags, _stream, payload) = frames_in(peer.wire.read_all())
    assert (kind, payload[4:]) == (GOAWAY, number_of(ENHANCE_YOUR_CALM))
    assert peer.connections.struck["resets"] == 1
    assert peer.connections.struck["protocol"] == 0
    assert peer.connections.kept_bytes == 0
    assert not peer.stumbles
    await peer.door.wait_idle()


@pytest.mark.parametrize(("size", "code"), [(2**31 - 1, 3), (0, 1)])
async def test_a_window_that_makes_no_sense_ends_the_connection_with_its_code(
    size: int, code: int
) -> None:
    listeners = Listeners()
    peer = Peer(listeners)
    number = await peer.begin()

    await peer.send(widen(number, size) + head(number + 2))
    peer.hear()

    assert peer.goaway == code
    assert peer.wire.is_closed
    assert [each.said for each in listeners.all] == [["gone"]]
    assert peer.connections.struck["protocol"] == 1


async def test_a_request_behind_too_much_in_the_same_read_starts_nothing() -> None:
    listeners = Listeners()
    peer = Peer(listeners)
    number = await peer.begin()

    await peer.send(PING * 900 + head(number + 2) + DataFrame(number, b"behind").serialize())
    peer.hear()

    assert peer.goaway == ENHANCE_YOUR_CALM
    assert peer.connections.struck["pings"] == 1
    assert len(listeners.all) == 1
    assert not listeners.all[0].heard


async def test_a_client_that_ends_its_last_request_and_says_goodbye_breaks_no_limit() -> None:
    listeners = Listeners()
    peer = Peer(listeners)
    number = await peer.begin()
    listeners.all[0].exchange.respond(200, [])
    await peer.talk()

    end = DataFrame(number, b"", flags=["END_STREAM"]).serialize()
    await peer.send(end + GoAwayFrame(0).serialize())

    assert peer.wire.is_closed
    assert not any(peer.connections.struck.values())


# Who does not read


async def test_a_peer_that_has_much_to_take_is_given_more_on_streams_that_are_empty() -> None:
    listeners = Listeners()
    peer = Peer(listeners)
    first, second, _ = [await peer.begin() for _ in range(3)]
    for listener in listeners.all:
        listener.exchange.begin(200, [])
    large, small, empty = (listener.exchange for listener in listeners.all)

    large.send(bytes(CONNECTION_UNSENT_BYTES + 70_000))
    small.send(bytes(70_000))
    await peer.talk()
    assert [each.is_crammed for each in (large, small, empty)] == [True, True, False]
    assert small.queued

    peer.http2.increment_flow_control_window(1 << 24)
    for number in (first, second):
        peer.http2.increment_flow_control_window(1 << 24, number)
    await peer.talk()
    assert not small.is_crammed
    assert [each.said for each in listeners.all] == [[], ["room"], []], "who asked is told"


async def test_while_a_connection_has_too_much_to_take_none_of_its_streams_has_room() -> None:
    listeners = Listeners()
    peer = Peer(listeners)
    first, *_ = [await peer.begin() for _ in range(3 * LOOKS_A_TURN)]
    for listener in listeners.all:
        listener.exchange.begin(200, [])
    large, *others = listeners.all
    assert not others[0].exchange.is_crammed

    large.exchange.send(bytes(CRAMMED_BYTES + 70_000))
    await peer.talk()
    assert all(each.exchange.is_crammed and not each.exchange.queued for each in others)

    peer.http2.increment_flow_control_window(1 << 30)
    peer.http2.increment_flow_control_window(1 << 30, first)
    await peer.talk()
    assert not others[0].exchange.is_crammed
    assert [each.said for each in others] == [["room"]] * len(others)


async def test_what_all_peers_have_not_taken_holds_back_those_who_are_behind() -> None:
    listeners = Listeners()
    peer = Peer(listeners)
    await peer.begin()
    exchange = listeners.last.exchange
    exchange.begin(200, [])
    peer.connections.unsent_bytes += MOST_UNSENT_BYTES

    exchange.send(bytes(65_535 + ROOM_BYTES))
    await peer.talk()
    assert not exchange.is_crammed, "it is not behind"

    exchange.send(b"x")
    await peer.talk()
    assert exchange.is_crammed


async def test_pages_that_nobody_takes_are_not_made_one_by_one_either() -> None:
    begun: list[Exchange] = []

    class Page(Handler):
        def __init__(self, exchange: Exchange) -> None:
            exchange.when_room(lambda: self.answer(exchange))

        def answer(self, exchange: Exchange) -> None:
            begun.append(exchange)
            exchange.respond(200, [], bytes(CONNECTION_UNSENT_BYTES // 4))

    peer = Peer(Page)
    for _ in range(20):
        await peer.ask("GET")

    assert len(begun) <= 6


async def test_a_peer_that_does_not_read_is_not_read_for_long() -> None:
    peer = Peer(Listeners())
    await peer.talk()
    peer.connection.pause_writing()

    told = 0
    while peer.wire.is_being_read and told < 4 * MOST_HEARD_BYTES:
        await peer.send(widen(0, 1) * 100)
        told += 1300
        await peer.timers.advance(0.01)

    assert told < 2 * MOST_HEARD_BYTES
    peer.connection.resume_writing()
    assert peer.wire.is_being_read


async def test_what_such_a_peer_sent_already_waits_until_it_reads() -> None:
    listeners = Listeners()
    peer = Peer(listeners)
    await peer.talk()
    peer.connection.pause_writing()

    await peer.send(b"".join(head(number, ends=True) for number in range(1, 16_001, 2)))
    for _ in range(300):
        await settle()
    assert len(listeners.all) * len(head(1)) < 2 * MOST_HEARD_BYTES

    peer.connection.resume_writing()
    for _ in range(300):
        await settle()
    assert len(listeners.all) == 8000


async def test_an_answer_that_is_over_and_not_taken_can_be_broken_off() -> None:
    listeners = Listeners()
    peer = Peer(listeners)
    await peer.talk()
    await peer.send(SHUT)
    number = await peer.begin()
    exchange = listeners.all[0].exchange
    exchange.begin(200, [])
    exchange.end(b"the last line")
    await peer.talk()

    exchange.reset()
    await peer.talk()

    assert peer.of(h2.events.StreamReset, number)
