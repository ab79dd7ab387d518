"""What one stream does, its neighbours on the connection must never notice.

Each test stands for something the servers below us did not guard.
"""

import asyncio

import pytest
from hyperframe.frame import DataFrame

from tests.outside.batch import publish_lines
from tests.outside.consumer import Consumer, publish
from tests.outside.server import RunningBroker, StartBroker
from tests.outside.settler import LONG
from tests.outside.wire import Connection

pytestmark = pytest.mark.anyio


async def test_commands_on_a_stream_the_server_ended_do_not_hurt_the_others(
    connection: Connection, topic: str
) -> None:
    neighbour = await Consumer.waiting(connection, topic)
    ended = await Consumer.open(connection, f"{topic}2", "DACK")
    await ended.stream.read_until_end()

    await ended.send("ACK")
    connection.send_raw(data_frame(ended.stream.id, b'"ACK"'))
    connection.send_raw(data_frame(ended.stream.id, b'"ACK"', "END_STREAM"))

    await publish(connection, topic, b"1")
    await neighbour.expect(b"1")


async def test_commands_that_cross_the_servers_end_do_not_hurt_the_others(
    connection: Connection, topic: str
) -> None:
    neighbour = await Consumer.waiting(connection, topic)

    for _ in range(20):
        ended = await Consumer.open(connection, f"{topic}2", "DACK")
        for _ in range(5):
            connection.send_raw(data_frame(ended.stream.id, b'"ACK"'))
        await ended.stream.read_until_end()

    await publish(connection, topic, b"1")
    await neighbour.expect(b"1")


async def test_a_reset_of_a_stream_the_server_ended_does_not_hurt_the_others(
    connection: Connection, topic: str
) -> None:
    neighbour = await Consumer.waiting(connection, topic)
    ended = await Consumer.open(connection, f"{topic}2", "DACK")
    await ended.stream.read_until_end()

    if ended.stream.reset_code is None:
        ended.stream.reset()

    await publish(connection, topic, b"1")
    await neighbour.expect(b"1")


async def test_a_subscription_lives_through_1500_publishes_on_its_connection(
    connection: Connection, topic: str
) -> None:
    consumer = await Consumer.waiting(connection, topic)

    for _ in range(30):
        await asyncio.gather(*(publish(connection, f"{topic}2", b"x") for _ in range(50)))

    await publish(connection, topic, b"1")
    await consumer.expect(b"1")


async def test_a_reset_among_50_streams_hands_on_its_message_and_leaves_the_others(
    connection: Connection, topic: str
) -> None:
    bodies = [b"%d" % number for number in range(50)]
    await publish(connection, topic, *bodies)
    consumers = [await Consumer.holding(connection, topic, body) for body in bodies]
    heir = await Consumer.waiting(connection, topic)

    consumers.pop(20).stream.reset()

    await heir.expect(b"20", wait_seconds=1)
    for consumer in consumers:
        await consumer.send("ACK")
        await consumer.expect_nothing()


async def test_150_streams_share_a_connection(connection: Connection, topic: str) -> None:
    consumers = [await Consumer.open(connection, topic, "INIT") for _ in range(150)]

    await asyncio.gather(*(publish(connection, topic, b"x") for _ in consumers))

    for consumer in consumers:
        await consumer.expect(b"x")


async def test_1200_subscriptions_of_one_client_all_get_a_message(
    broker: RunningBroker, topic: str
) -> None:
    async with (
        await Connection.open(broker.port, broker.ca) as first,
        await Connection.open(broker.port, broker.ca) as second,
    ):
        # A decent client goes on elsewhere before it reaches the limit.
        share = min(1200, first.concurrent_limit)
        assert share >= 1000, "the server allows too few streams"
        streams = []
        for number in range(1200):
            connection = first if number < share else second
            streams.append(await connection.stream("POST", f"/subscribe/{topic}{number}"))
            await streams[-1].send(b'"INIT"')

        for start in range(0, 1200, 50):
            names = (f"{topic}{number}" for number in range(start, start + 50))
            await asyncio.gather(*(publish(second, name, b"x") for name in names))

        for stream in streams:
            await Consumer(stream).expect(b"x")
        assert first.is_alive
        assert second.is_alive


async def test_a_client_that_never_reads_costs_little_memory(
    start_broker: StartBroker, topic: str
) -> None:
    broker = start_broker()
    async with await Connection.open(broker.port, broker.ca) as connection:
        await publish_lines(connection, topic, [b"x" * 10_000] * 3000, wait_seconds=LONG)
    broker.terminate()
    await asyncio.to_thread(broker.wait)
    broker.start()  # so that no memory freed meanwhile hides what is taken
    async with (
        await Connection.open(broker.port, broker.ca) as connection,
        await Connection.open(broker.port, broker.ca, reading=False) as greedy,
    ):
        await publish(connection, f"{topic}2", b"1")
        await Consumer.holding(connection, f"{topic}2", b"1")
        before = broker.rss_bytes()

        stream = await greedy.stream("POST", f"/subscribe/{topic}")
        await stream.send(b'"INIT"')
        for _ in range(300):
            for _ in range(10):
                await stream.send(b'"ACK"')
            await publish(connection, f"{topic}2", b"2")

        assert broker.rss_bytes() - before < 30 << 20, "it would have been 60 MB"


async def test_a_flood_of_commands_ends_its_stream_and_no_other(
    connection: Connection, topic: str
) -> None:
    neighbour = await Consumer.waiting(connection, topic)
    flood = await Consumer.open(connection, f"{topic}2", "INIT")

    await flood.stream.send(b'"ACK"' * 100_000)

    await flood.stream.read_until_end()
    await publish(connection, topic, b"1")
    await neighbour.expect(b"1", wait_seconds=1)


async def test_a_flood_before_init_ends_its_stream_and_no_other(
    connection: Connection, topic: str
) -> None:
    neighbour = await Consumer.waiting(connection, topic)
    flood = await Consumer.open(connection, f"{topic}2")

    await flood.stream.send(b'"NACK"' * 100_000)

    await flood.stream.read_until_end()
    await publish(connection, topic, b"1")
    await neighbour.expect(b"1", wait_seconds=1)


async def test_streams_whose_clients_say_nothing_do_not_stop_the_others(
    connection: Connection, topic: str
) -> None:
    for _ in range(20):
        await connection.stream("POST", f"/subscribe/{topic}")
        await connection.stream("POST", f"/publish/{topic}")

    await publish(connection, topic, b"1")

    await Consumer.holding(connection, topic, b"1")


async def test_many_small_frames_on_one_stream_do_not_stop_the_others(
    connection: Connection, topic: str
) -> None:
    talker = await Consumer.open(connection, f"{topic}2", "INIT")

    connection.send_raw(data_frame(talker.stream.id, b" ") * 2000)

    await publish(connection, topic, b"1")
    await Consumer.holding(connection, topic, b"1")


def data_frame(stream_id: int, data: bytes, *flags: str) -> bytes:
    return DataFrame(stream_id, data, flags=flags).serialize()
