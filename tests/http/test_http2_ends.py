"""How a connection of HTTP/2 ends: by a flood, by silence, and by a drain."""

import h2.events
import pytest
from hyperframe.frame import DataFrame, PingFrame, PriorityFrame, SettingsFrame

from miniqueue_py.http.servers import http2_watch
from miniqueue_py.http.servers.connections import ConnectionLimits
from miniqueue_py.http2.codec import ENHANCE_YOUR_CALM
from tests.http.exchanges import settle
from tests.http.http2_handlers import Echo, Listeners
from tests.http.http2_peer import Peer

pytestmark = pytest.mark.anyio


PING = PingFrame(0, b"12345678").serialize()
SETTINGS = SettingsFrame(0, {4: 65535}).serialize()
CRUMB = DataFrame(1, b"x").serialize()


@pytest.mark.parametrize(
    ("kind", "flood"),
    [("pings", PING * 900), ("settings", SETTINGS * 200), ("crumbs", CRUMB * 30_000)],
)
async def test_a_flood_ends_its_connection_and_nothing_behind_it_is_heard(
    kind: str, flood: bytes
) -> None:
    listeners = Listeners()
    peer = Peer(listeners)
    number = await peer.begin()

    await peer.send(flood)
    for _ in range(100):
        await settle()
    await peer.send(DataFrame(number, b"behind it").serialize())
    peer.hear()

    assert peer.goaway == ENHANCE_YOUR_CALM
    assert peer.wire.is_closed
    assert b"behind it" not in listeners.last.heard
    assert listeners.last.said == ["gone"]
    assert peer.connections.struck[kind] == 1


async def test_frames_that_ask_for_nothing_in_a_lawful_measure_end_nothing() -> None:
    peer = Peer(Echo)
    await peer.talk()

    for _ in range(20):
        await peer.send(PING * 10 + PriorityFrame(7, depends_on=0).serialize() * 10)
        await peer.timers.advance(5.0)
        peer.hear()

    assert peer.body(await peer.ask(body=b"well")) == b"well"


# Time


async def test_a_peer_that_sends_no_settings_is_cut() -> None:
    peer = Peer(Echo)

    await peer.timers.advance(http2_watch.FIRST_SETTINGS_SECONDS + 1)

    assert peer.wire.was_aborted
    assert peer.connections.struck["first_settings"] == 1


async def test_a_silent_peer_is_asked_and_one_that_answers_stays() -> None:
    peer = Peer(Listeners(), ConnectionLimits(keepalive_seconds=30.0))
    await peer.begin()

    for _ in range(5):
        await peer.timers.advance(30.0)
        await peer.talk()  # h2 answers

    assert not peer.wire.is_closed
    assert peer.of(h2.events.PingReceived)


async def test_a_peer_that_answers_nothing_is_gone() -> None:
    listeners = Listeners()
    peer = Peer(listeners, ConnectionLimits(keepalive_seconds=30.0))
    await peer.begin()

    await peer.timers.advance(120.0)

    assert peer.wire.was_aborted
    assert listeners.last.said == ["gone"]
    assert peer.connections.struck["keepalive"] == 1


async def test_a_connection_of_no_use_is_closed_with_a_goodbye() -> None:
    peer = Peer(Echo, ConnectionLimits(idle_seconds=600.0))
    await peer.ask(body=b"1")

    for _ in range(25):
        if not peer.wire.is_closed:
            await peer.timers.advance(30.0)
            await peer.talk()

    assert peer.wire.is_closed
    assert not peer.wire.was_aborted
    assert peer.goaway == 0
    assert peer.connections.struck["idle"] == 1


async def test_a_subscription_keeps_its_connection() -> None:
    peer = Peer(Listeners(), ConnectionLimits(idle_seconds=600.0))
    await peer.begin()

    for _ in range(40):
        await peer.timers.advance(30.0)
        await peer.talk()

    assert not peer.wire.is_closed


# The end


async def test_a_drain_lets_what_is_open_end_and_says_goodbye_then() -> None:
    listeners = Listeners()
    peer = Peer(listeners)
    number = await peer.begin()

    peer.connections.drain()
    await peer.talk()
    assert peer.goaway is None, "h2 takes it for the end of every stream"
    listeners.last.exchange.respond(200, [], b"last")
    await peer.say(number, b"", is_last=True)

    assert peer.body(number) == b"last"
    assert peer.goaway == 0
    assert peer.wire.is_closed


async def test_a_drain_closes_a_connection_of_no_use_at_once() -> None:
    peer = Peer(Echo)
    await peer.ask(body=b"1")

    peer.connections.drain()
    await peer.talk()

    assert peer.goaway == 0
    assert peer.wire.is_closed


async def test_a_client_that_says_goodbye_is_closed_when_its_streams_are_done() -> None:
    listeners = Listeners()
    peer = Peer(listeners)
    await peer.ask()

    peer.http2.close_connection()
    await peer.talk()
    assert not peer.wire.is_closed
    listeners.last.exchange.respond(200, [])
    await settle()

    assert peer.wire.is_closed
