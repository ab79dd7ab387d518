"""The words of a subscription: how they may be cut, and what the wrong ones lead to."""

import pytest

from tests.outside.consumer import Consumer, publish
from tests.outside.wire import Connection

pytestmark = pytest.mark.anyio

DECODING = "error decoding command"
DURATION = "invalid DACK duration argument at position [1]"
NO_COMMANDS = {
    "bare word": b"INIT",
    "number": b"12 ",
    "null": b"null",
    "true": b"true",
    "object": b'{"command":"ACK"}',
    "list": b'["ACK"]',
    "deep list": b"[" * 10_000,
    "whole deep list": b"[" * 10_000 + b"]" * 10_000,
    "newline inside": b'"AC\nK"',
    "wrong escape": rb'"\x41CK"',
    "no UTF-8": b'"\xff"',
    "comma": b',"ACK"',
    "one megabyte": b'"' + b"A" * 1_000_000 + b'"',
    "one megabyte without an end": b'"' + b"A" * 1_000_000,
}


@pytest.mark.parametrize("at", range(1, 12))
async def test_commands_may_be_cut_anywhere(connection: Connection, topic: str, at: int) -> None:
    await publish(connection, topic, b"1", b"2")
    consumer = await Consumer.open(connection, topic)

    await consumer.stream.send_split(b'"INIT"\n"ACK"', at=at)

    await consumer.expect(b"1")
    await consumer.expect(b"2")


async def test_commands_may_come_byte_by_byte(connection: Connection, topic: str) -> None:
    await publish(connection, topic, b"1", b"2")
    consumer = await Consumer.open(connection, topic)

    for byte in b'"INIT" "DACK 9"':
        await consumer.stream.send(bytes([byte]))

    await consumer.expect(b"1")
    await consumer.expect(b"2")


@pytest.mark.parametrize("between", [b"", b" ", b"\n", b"\r\n", b" \t\n "])
async def test_three_commands_may_share_a_chunk(
    connection: Connection, topic: str, between: bytes
) -> None:
    await publish(connection, topic, b"1", b"2", b"3")
    consumer = await Consumer.open(connection, topic)

    await consumer.stream.send(between.join([b'"INIT"', b'"ACK"', b'"ACK"']))

    for body in (b"1", b"2", b"3"):
        await consumer.expect(body)


async def test_a_command_may_be_written_with_escapes(connection: Connection, topic: str) -> None:
    await publish(connection, topic, b"1")
    consumer = await Consumer.open(connection, topic)

    await consumer.stream.send(rb'"\u0049NIT"')

    await consumer.expect(b"1")


@pytest.mark.parametrize("word", ["FOO", "", "init", "ACKNOWLEDGE", "é"])
async def test_an_unrecognised_command_leaves_the_stream_open(
    connection: Connection, topic: str, word: str
) -> None:
    await publish(connection, topic, b"1", b"2")
    consumer = await Consumer.holding(connection, topic, b"1")

    await consumer.send(word)

    await consumer.expect_error("unrecognised command received")
    await consumer.send("ACK")
    await consumer.expect(b"2")


@pytest.mark.parametrize("command", ["ACK", "NACK", "BACK", "DACK 1"])
async def test_settling_with_nothing_in_flight_is_an_error_and_the_stream_goes_on(
    connection: Connection, topic: str, command: str
) -> None:
    await publish(connection, topic, b"1")
    consumer = await Consumer.holding(connection, topic, b"1")
    await consumer.send("ACK")

    await consumer.send(command)

    await consumer.expect_error()
    await publish(connection, topic, b"2")
    await consumer.expect(b"2")


@pytest.mark.parametrize(("command", "next_body"), [("ACK", b"2"), ("NACK", b"1")])
async def test_a_command_sent_ahead_of_the_first_message_waits_for_it(
    connection: Connection, topic: str, command: str, next_body: bytes
) -> None:
    consumer = await Consumer.open(connection, topic, "INIT", command)
    other = await Consumer.open(connection, f"{topic}2")
    await other.expect_nothing()

    await publish(connection, topic, b"1", b"2")

    await consumer.expect(b"1")
    await consumer.expect(next_body)


@pytest.mark.parametrize("command", ["ACK", "NACK", "BACK", "DACK 1"])
async def test_a_stray_settlement_takes_no_message_that_nobody_saw(
    connection: Connection, topic: str, command: str
) -> None:
    consumer = await Consumer.waiting(connection, topic)

    await consumer.send(command)

    word = command.partition(" ")[0]
    await consumer.expect_error(f"{word} received with no message in flight")
    await publish(connection, topic, b"1", b"2")
    await consumer.expect(b"1")


@pytest.mark.parametrize("command", ["ACK", "NACK", "BACK", "DACK 1"])
async def test_settling_before_init_is_an_error_and_the_stream_goes_on(
    connection: Connection, topic: str, command: str
) -> None:
    await publish(connection, topic, b"1")
    consumer = await Consumer.open(connection, topic, command)

    await consumer.expect_error()

    await consumer.send("INIT")
    await consumer.expect(b"1")


async def test_init_with_a_message_in_flight_is_an_error_and_the_stream_goes_on(
    connection: Connection, topic: str
) -> None:
    await publish(connection, topic, b"1", b"2")
    consumer = await Consumer.holding(connection, topic, b"1")

    await consumer.send("INIT")

    await consumer.expect_error()
    await consumer.send("ACK")
    await consumer.expect(b"2")


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("DACK", "too few arguments provided to DACK"),
        ("DACK five", DURATION),
        ("DACK -1", DURATION),
        ("DACK 1e9", DURATION),
        ("DACK 1.5", DURATION),
        ("DACK 99999999999999999999", DURATION),
    ],
)
async def test_a_wrong_dack_ends_the_stream_and_gives_the_message_back(
    connection: Connection, topic: str, command: str, text: str
) -> None:
    await publish(connection, topic, b"1")
    consumer = await Consumer.holding(connection, topic, b"1")
    heir = await Consumer.waiting(connection, topic)

    await consumer.send(command)

    await consumer.expect_error(text)
    await consumer.stream.read_until_end()
    await heir.expect(b"1", wait_seconds=1)


@pytest.mark.parametrize("data", NO_COMMANDS.values(), ids=NO_COMMANDS.keys())
async def test_what_is_no_command_ends_the_stream_and_gives_the_message_back(
    connection: Connection, topic: str, data: bytes
) -> None:
    await publish(connection, topic, b"1")
    consumer = await Consumer.holding(connection, topic, b"1")
    heir = await Consumer.waiting(connection, topic)

    await consumer.stream.send(data)

    await consumer.expect_error(DECODING)
    await consumer.stream.read_until_end()
    await heir.expect(b"1", wait_seconds=1)


async def test_commands_before_the_wrong_one_count(connection: Connection, topic: str) -> None:
    await publish(connection, topic, b"1", b"2")
    consumer = await Consumer.open(connection, topic)

    await consumer.stream.send(b'"INIT""ACK"nonsense')

    await consumer.expect(b"1")
    await consumer.expect(b"2")
    await consumer.expect_error(DECODING)
    await consumer.stream.read_until_end()
    await Consumer.holding(connection, topic, b"2")
