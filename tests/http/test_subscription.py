"""One subscription stream without a credit, from the client's side."""

import asyncio
from collections.abc import Iterator

import pytest

from miniqueue_py.broker.policy import TopicPolicy
from miniqueue_py.http.exchange import ROOM_BYTES
from miniqueue_py.http.native import subscription
from tests.http.exchanges import Exchange, settle
from tests.http.streaming import Wire

pytestmark = pytest.mark.anyio

ONE, TWO = b'{"msg":"MQ=="}\n', b'{"msg":"Mg=="}\n'

LARGE = bytes(ROOM_BYTES)
"""A peer that has not read such a message has no room for another."""

TOO_MANY = subscription.MAX_WAITING_COMMANDS + 2
"""Commands that wait, with one delivery in flight."""


@pytest.fixture
def wire() -> Iterator[Wire]:
    wire = Wire()
    yield wire
    assert not wire.stumbles


async def test_head_comes_before_any_command(wire: Wire) -> None:
    async with wire.subscribe() as stream:
        assert stream.status == 200
        assert stream.headers == {"content-type": "application/json", "incremental": "?1"}
        assert not stream.pieces
        assert not stream.has_ended


async def test_stream_listens_while_its_peer_does_not_read(wire: Wire) -> None:
    await wire.publish(LARGE, LARGE, LARGE)
    async with wire.subscribe() as stream:
        stream.stop_reading()
        await stream.say(b'"INIT"')

        for _ in range(100):
            await stream.say(b'"ACK"')

        assert not stream.unheard
        assert wire.places() == (2, 1, 0), "one message at most"


async def test_too_many_waiting_commands_end_the_stream_and_free_its_message(wire: Wire) -> None:
    await wire.publish(LARGE, LARGE)
    async with wire.subscribe() as stream:
        stream.stop_reading()
        await stream.say(b'"INIT"')

        await stream.say(b'"ACK"' * TOO_MANY)

        assert wire.places()[0] == 2
        assert stream.is_over, "it waits for nobody who does not read"
        stream.read_on()
        assert stream.body.endswith(b'{"closing":"limit"}\n')


async def test_flood_is_told_why_it_is_ended_when_it_reads(wire: Wire) -> None:
    await wire.publish(b"1")
    async with wire.subscribe() as stream:
        await stream.say(b'"INIT"')

        await stream.say(b'"PING"' * TOO_MANY)

        await stream.answer()
        assert stream.body.endswith(b'{"closing":"limit"}\n')
        assert stream.has_ended
        assert wire.places()[0] == 1


@pytest.mark.parametrize("how", ["disconnect", "end of body"])
async def test_message_in_flight_goes_back_at_once_when_the_client_goes(
    wire: Wire, how: str
) -> None:
    await wire.publish(b"1")
    async with wire.subscribe() as stream:
        await stream.say(b'"INIT"')
        assert wire.places()[1] == 1

        if how == "disconnect":
            stream.leave_nowait()
        else:
            stream.say_nowait(b"", is_last=True)

        assert wire.places() == (1, 0, 0)


async def test_consumer_that_leaves_while_it_waits_takes_nothing(wire: Wire) -> None:
    async with wire.subscribe() as stream:
        await stream.say(b'"INIT""ACK"')
        await stream.leave()

        await wire.publish(b"1")

        assert wire.places()[0] == 1


async def test_init_and_ack_in_one_body_take_the_first_message_that_comes(wire: Wire) -> None:
    async with wire.subscribe() as stream:
        await stream.say(b'"INIT""ACK"', is_last=True)
        assert not stream.has_ended

        await wire.publish(b"1")
        await stream.answer()

        assert stream.body == ONE
        assert wire.places() == (0, 0, 0)


async def test_line_of_a_plain_consumer_holds_what_miniqueue_says_and_nothing_else(
    wire: Wire,
) -> None:
    await wire.publish(b"1", priority=7, ttl_seconds=60)
    async with wire.subscribe() as stream:
        await stream.say(b'"INIT"')
        assert stream.body == ONE
        for count in (1, 2):
            await stream.say(b'"DACK 1"')
            await wire.tick_after(1)
            await settle()
            assert stream.pieces[count] == b'{"msg":"MQ==","dackCount":%d}\n' % count
        await stream.say(b'"NACK"')

        assert stream.pieces[3] == b'{"msg":"MQ==","dackCount":2}\n'


async def test_dead_letter_is_a_message_like_any_other_to_a_plain_consumer(wire: Wire) -> None:
    await wire.publish(b"1")
    async with wire.subscribe() as stream:
        await stream.say(b'"INIT""DEAD"', is_last=True)
        await stream.answer()
    path = "/subscribe/orders.dead"
    async with Exchange(wire.door, "POST", path) as stream:
        await stream.say(b'"INIT"')

        assert stream.body == ONE


async def test_lease_of_the_policy_is_not_told_to_who_asked_for_none(wire: Wire) -> None:
    await wire.administration.set_policy("orders", TopicPolicy(lease=10))
    await wire.publish(b"1", b"2")
    async with wire.subscribe() as stream:
        await stream.say(b'"INIT"')
        await wire.tick_after(10)
        await settle()
        assert stream.body == ONE

        await stream.say(b'"ACK"')

    late = {"error": "ACK came too late: the lease of the message ran out"}
    assert stream.values == [{"msg": "MQ=="}, late, {"msg": "MQ=="}]


async def test_lease_that_a_plain_consumer_asked_for_is_told_when_it_runs_out(wire: Wire) -> None:
    await wire.publish(b"1", b"2")
    async with wire.subscribe("?lease=10s") as stream:
        await stream.say(b'"INIT"')
        await wire.tick_after(10)
        await settle()

        assert stream.body == ONE + b'{"expired":1}\n'

        await stream.say(b'"ACK"')

    late = "ACK came too late: the lease of the message ran out"
    assert stream.values[2:] == [{"error": late, "code": "expired"}, {"msg": "MQ=="}]


@pytest.mark.parametrize("query", ["?lease=0", "?lease=x", "?lease=-1s", "?lease=48h"])
async def test_lease_that_cannot_be_is_refused_before_the_stream_begins(
    wire: Wire, query: str
) -> None:
    async with wire.subscribe(query) as stream:
        await stream.answer()

    assert stream.status == 400
    assert stream.values[0]["error"].startswith("lease is not")


async def test_ack_in_a_piece_of_its_own_settles_what_init_brought(wire: Wire) -> None:
    await wire.publish(b"1")
    stream = wire.subscribe()
    for piece in (b'"INIT"', b'"ACK"'):
        stream.say_nowait(piece)
    await stream.say(b"", is_last=True)

    await stream.answer()

    assert stream.body == ONE
    assert wire.places() == (0, 0, 0)


async def test_init_alone_in_a_body_leaves_when_there_is_nothing(wire: Wire) -> None:
    async with wire.subscribe() as stream:
        await stream.say(b'"INIT"', is_last=True)

        await stream.answer()

        assert stream.body == b""
        assert stream.has_ended


async def test_drain_says_so_and_lets_what_is_held_be_settled(wire: Wire) -> None:
    await wire.publish(b"1", b"2")
    async with wire.subscribe() as stream:
        await stream.say(b'"INIT"')

        wire.broker.drain()
        await settle()
        assert stream.body == ONE + b'{"closing":"draining"}\n'
        assert not stream.has_ended
        await stream.say(b'"ACK"')

        await stream.answer()
        assert stream.has_ended
        assert stream.body.endswith(b'{"closing":"draining"}\n'), "it is the last line"
        assert wire.places() == (1, 0, 0)


async def test_drain_that_takes_too_long_gives_back_what_is_held() -> None:
    wire = Wire(drain_seconds=0.01)
    await wire.publish(b"1")
    async with wire.subscribe() as stream:
        await stream.say(b'"INIT"')

        wire.broker.drain()
        await stream.answer()

        assert stream.has_ended
        assert wire.places() == (1, 0, 0)


@pytest.mark.parametrize("body", [b"1", LARGE])
async def test_drain_does_not_wait_for_a_peer_that_does_not_read(body: bytes) -> None:
    wire = Wire(drain_seconds=0.01)
    await wire.publish(body)
    async with wire.subscribe() as stream:
        stream.stop_reading()
        await stream.say(b'"INIT"')

        wire.broker.drain()
        await asyncio.wait_for(wire.door.wait_idle(), 10)

        assert wire.places() == (1, 0, 0)
        stream.read_on()
        assert stream.body.endswith(b'{"closing":"draining"}\n')


async def test_idle_stream_ends_at_once_on_drain(wire: Wire) -> None:
    async with wire.subscribe() as stream:
        wire.broker.drain()

        await asyncio.wait_for(wire.broker.wait_drained(), 10)
        await stream.answer()

        assert stream.body == b'{"closing":"draining"}\n'
