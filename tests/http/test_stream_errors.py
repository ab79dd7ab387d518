"""What is wrong on a subscription stream, in the words that clients know."""

import pytest

from tests.http.streaming import Wire

pytestmark = pytest.mark.anyio

ONE = b'{"msg":"MQ=="}\n'


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.mark.parametrize(
    ("said", "answered"),
    [
        (b'"ACK"', "ACK received with no message in flight"),
        (b'"NACK"', "NACK received with no message in flight"),
        (b'"BACK"', "BACK received with no message in flight"),
        (b'"DACK 5"', "DACK received with no message in flight"),
        (b'"TOUCH"', "TOUCH received with no message in flight"),
        (b'"ACK 99"', "ACK 99: no such delivery was made on this stream"),
        (b'"ACK ..1"', "ACK 1: no such delivery was made on this stream"),
        (b'"ACK ..0"', "invalid ACK delivery argument at position [1]"),
        (b'"ACK 1 x"', "invalid ACK delivery argument at position [2]"),
        (b'"SYNC"', "too few arguments provided to SYNC"),
        (b'"SYNC x"', "invalid SYNC number argument at position [1]"),
        (b'"PING"', "unrecognised command received"),
    ],
)
async def test_error_that_leaves_the_stream_open(wire: Wire, said: bytes, answered: str) -> None:
    await wire.publish(b"1")
    async with wire.subscribe() as stream:
        await stream.say(said)
        assert stream.values == [{"error": answered}]

        await stream.say(b'"INIT"')

        assert stream.pieces[-1] == ONE


@pytest.mark.parametrize(
    ("said", "answered"),
    [
        (b'"DACK"', "too few arguments provided to DACK"),
        (b'"DACK x"', "invalid DACK duration argument at position [1]"),
        (b'"INIT 0"', "invalid INIT credit argument at position [1]"),
        (b'"INIT -5"', "invalid INIT credit argument at position [1]"),
        (b'"INIT 1e18"', "invalid INIT credit argument at position [1]"),
        (b'"CREDIT"', "too few arguments provided to CREDIT"),
        (b'"CREDIT x"', "invalid CREDIT credit argument at position [1]"),
        (b"INIT", "error decoding command"),
    ],
)
async def test_error_that_ends_the_stream(wire: Wire, said: bytes, answered: str) -> None:
    await wire.publish(b"1")
    async with wire.subscribe() as stream:
        await stream.say(said + b'"INIT"')

        await stream.answer()

    assert stream.values == [{"error": answered}]
    assert wire.places() == (1, 0, 0)


async def test_second_init_is_an_error_and_the_stream_goes_on(wire: Wire) -> None:
    await wire.publish(b"1", b"2")
    async with wire.subscribe() as stream:
        await stream.say(b'"INIT""INIT""INIT 5""ACK"')

    refused = {"error": "INIT received while a message is in flight; settle it first"}
    assert stream.values == [{"msg": "MQ=="}, refused, refused, {"msg": "Mg=="}]
