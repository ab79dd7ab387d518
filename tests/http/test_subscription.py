"""One subscription stream, from the other side of ASGI."""

import asyncio
from typing import Any

import pytest

from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.storage import TopicStatistics
from miniqueue_py.http import subscription
from miniqueue_py.http.streams import Streams
from miniqueue_py.storage.memory import MemoryStorage
from miniqueue_py.testing.clock import ManualClock
from tests.http.asgi import Exchange, settle

pytestmark = pytest.mark.anyio

ONE, TWO = b'{"msg":"MQ=="}\n', b'{"msg":"Mg=="}\n'


@pytest.fixture
def broker() -> Broker:
    return Broker(MemoryStorage(), ManualClock())


@pytest.fixture
def app(broker: Broker) -> Streams:
    return make_app(broker)


def make_app(broker: Broker, drain_seconds: float = 10.0) -> Streams:
    async def nothing_else(*_: Any) -> None:
        raise AssertionError("only streams are asked for here")

    def fail(path: str, error: Exception) -> None:
        raise AssertionError(path) from error

    return Streams(broker, nothing_else, drain_seconds=drain_seconds, on_error=fail)


def subscribe(app: Streams) -> Exchange:
    return Exchange(app, "POST", "/subscribe/orders")


async def test_headers_and_an_empty_piece_of_body_come_before_any_command(app: Streams) -> None:
    async with subscribe(app) as stream:
        assert stream.status == 200
        assert stream.sent[1:] == [{"type": "http.response.body", "body": b"", "more_body": True}]


async def test_stream_listens_while_its_peer_does_not_read(app: Streams, broker: Broker) -> None:
    await broker.publish("orders", [b"1", b"2", b"3"])
    async with subscribe(app) as stream:
        stream.may_send.clear()
        await stream.say(b'"INIT"')

        for _ in range(100):
            await stream.say(b'"ACK"')

        assert not stream.unheard
        assert broker.statistics("orders") == TopicStatistics(2, 1, 0), "one message at most"


async def test_too_many_waiting_commands_end_the_stream_and_free_its_message(
    app: Streams, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription, "FAREWELL_SECONDS", 0.01)
    await broker.publish("orders", [b"1", b"2"])
    async with subscribe(app) as stream:
        stream.may_send.clear()
        await stream.say(b'"INIT"')

        await stream.say(b'"ACK"' * (subscription.MAX_WAITING_COMMANDS + 1))

        assert broker.statistics("orders").ready == 2
        await stream.answer()
        assert not stream.has_ended, "nobody reads it: the server below resets the stream"


async def test_flood_is_told_why_it_is_ended_when_it_reads(app: Streams, broker: Broker) -> None:
    await broker.publish("orders", [b"1"])
    async with subscribe(app) as stream:
        await stream.say(b'"INIT"')

        await stream.say(b'"PING"' * (subscription.MAX_WAITING_COMMANDS + 1))

        await stream.answer()
        assert stream.body.endswith(b'{"closing":"limit"}\n')
        assert stream.has_ended
        assert broker.statistics("orders").ready == 1


@pytest.mark.parametrize("how", ["disconnect", "end of body", "cancelled"])
async def test_message_in_flight_goes_back_when_the_client_goes(
    app: Streams, broker: Broker, how: str
) -> None:
    await broker.publish("orders", [b"1"])
    async with subscribe(app) as stream:
        await stream.say(b'"INIT"')
        assert broker.statistics("orders").in_flight == 1

        if how == "disconnect":
            await stream.leave()
        elif how == "end of body":
            await stream.say(b"", is_last=True)
        else:
            stream.task.cancel()
            await settle()

        assert broker.statistics("orders") == TopicStatistics(1, 0, 0)


async def test_consumer_that_leaves_while_it_waits_takes_nothing(
    app: Streams, broker: Broker
) -> None:
    async with subscribe(app) as stream:
        await stream.say(b'"INIT""ACK"')
        await stream.leave()

        await broker.publish("orders", [b"1"])

        assert broker.statistics("orders").ready == 1


async def test_init_and_ack_in_one_body_take_the_first_message_that_comes(
    app: Streams, broker: Broker
) -> None:
    async with subscribe(app) as stream:
        await stream.say(b'"INIT""ACK"', is_last=True)
        assert not stream.has_ended

        await broker.publish("orders", [b"1"])
        await stream.answer()

        assert stream.body == ONE
        assert broker.statistics("orders") == TopicStatistics(0, 0, 0)


async def test_ack_in_a_piece_of_its_own_settles_what_init_brought(
    app: Streams, broker: Broker
) -> None:
    await broker.publish("orders", [b"1"])
    stream = subscribe(app)
    for piece in (b'"INIT"', b'"ACK"'):
        stream._events.put_nowait({"type": "http.request", "body": piece, "more_body": True})
    await stream.say(b"", is_last=True)

    await stream.answer()

    assert stream.body == ONE
    assert broker.statistics("orders") == TopicStatistics(0, 0, 0)


async def test_init_alone_in_a_body_leaves_when_there_is_nothing(app: Streams) -> None:
    async with subscribe(app) as stream:
        await stream.say(b'"INIT"', is_last=True)

        await stream.answer()

        assert stream.body == b""
        assert stream.has_ended


async def test_drain_says_so_and_lets_what_is_held_be_settled(app: Streams, broker: Broker) -> None:
    await broker.publish("orders", [b"1", b"2"])
    async with subscribe(app) as stream:
        await stream.say(b'"INIT"')

        broker.drain()
        await settle()
        assert stream.body == ONE + b'{"closing":"draining"}\n'
        assert not stream.has_ended
        await stream.say(b'"ACK"')

        await stream.answer()
        assert stream.has_ended
        assert stream.body.endswith(b'{"closing":"draining"}\n'), "it is the last line"
        assert broker.statistics("orders") == TopicStatistics(1, 0, 0)


async def test_drain_that_takes_too_long_gives_back_what_is_held(broker: Broker) -> None:
    await broker.publish("orders", [b"1"])
    async with subscribe(make_app(broker, drain_seconds=0.01)) as stream:
        await stream.say(b'"INIT"')

        broker.drain()
        await stream.answer()

        assert stream.has_ended
        assert broker.statistics("orders") == TopicStatistics(1, 0, 0)


async def test_drain_does_not_wait_for_a_peer_that_does_not_read(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(subscription, "FAREWELL_SECONDS", 0.01)
    await broker.publish("orders", [b"1"])
    async with subscribe(make_app(broker, drain_seconds=0.01)) as stream:
        stream.may_send.clear()
        await stream.say(b'"INIT"')

        broker.drain()
        await stream.answer()

        assert broker.statistics("orders") == TopicStatistics(1, 0, 0)


async def test_idle_stream_ends_at_once_on_drain(app: Streams, broker: Broker) -> None:
    async with subscribe(app) as stream:
        broker.drain()

        await asyncio.wait_for(broker.wait_drained(), 10)
        await stream.answer()

        assert stream.body == b'{"closing":"draining"}\n'
