"""Quiet streams that show that they live, to who asked for it."""

import pytest

from tests.http.exchanges import Exchange, settle
from tests.http.streaming import Wire

pytestmark = pytest.mark.anyio


@pytest.fixture
def wire() -> Wire:
    return Wire()


def heartbeats(stream: Exchange) -> list[bytes]:
    return [piece for piece in stream.pieces if piece.startswith(b'{"heartbeat":')]


async def test_stream_speaks_when_nothing_was_said_for_so_long(wire: Wire) -> None:
    async with wire.subscribe("?heartbeat=20s") as stream:
        await wire.clock.advance(19.5)
        assert not stream.pieces

        await wire.clock.advance(0.5)

        assert stream.pieces == [b'{"heartbeat":1000020000}\n']
        await wire.clock.advance(40)
        assert len(heartbeats(stream)) == 3


async def test_what_is_said_puts_the_heartbeat_off(wire: Wire) -> None:
    async with wire.subscribe("?heartbeat=20s") as stream:
        await stream.say(b'"INIT 5"')
        for body in (b"1", b"2", b"3"):
            await wire.clock.advance(15)
            await wire.publish(body)
            await settle()
        assert not heartbeats(stream)

        await wire.clock.advance(20)

        assert heartbeats(stream) == [b'{"heartbeat":1000065000}\n']


async def test_stream_that_did_not_ask_is_quiet(wire: Wire) -> None:
    async with wire.subscribe() as stream:
        await wire.clock.advance(3600)

        assert not stream.pieces
        assert not wire.clock.timers()


async def test_nothing_beats_on_a_stream_that_is_over(wire: Wire) -> None:
    async with wire.subscribe("?heartbeat=20s") as stream:
        await stream.say(b'"INIT"', is_last=True)
        await stream.answer()

        assert not wire.clock.timers()
        await wire.clock.advance(100)
        assert not heartbeats(stream)


async def test_nothing_follows_the_closing_line(wire: Wire) -> None:
    await wire.publish(b"1")
    async with wire.subscribe("?heartbeat=20s") as stream:
        await stream.say(b'"INIT"')
        wire.broker.drain()
        await settle()

        await wire.clock.advance(60)

        assert stream.pieces[-1] == b'{"closing":"draining"}\n'


@pytest.mark.parametrize("seconds", ["0.9s", "61m", "0", "soon"])
async def test_interval_out_of_bounds_is_refused(wire: Wire, seconds: str) -> None:
    async with wire.subscribe(f"?heartbeat={seconds}") as stream:
        await stream.answer()

        assert stream.status == 400
        assert b"heartbeat" in stream.body
