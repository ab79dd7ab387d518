"""Streamed publish: lines in, confirms out, and what a bad line costs."""

import asyncio
import json

import pytest

from tests.outside.batch import JSON, TEXT, BatchStream, entry, publish_lines
from tests.outside.consumer import Consumer, publish
from tests.outside.credit import CreditConsumer, rest_of
from tests.outside.curl import run_curl
from tests.outside.http1 import PlainConnection
from tests.outside.server import RunningBroker, StartBroker
from tests.outside.wire import Connection

pytestmark = pytest.mark.anyio

SEQ = [b"%d" % number for number in range(1, 100_001)]

MEGABYTES_2 = b"x" * (2 << 20)


@pytest.mark.parametrize("version", ["--http2", "--http1.1"])
async def test_100_000_lines_typed_into_curl_arrive_in_order_and_whole(
    broker: RunningBroker, connection: Connection, topic: str, version: str
) -> None:
    url = f"https://localhost:{broker.port}/publish/{topic}/batch"
    seq = b"".join(number + b"\n" for number in SEQ)

    said = await run_curl(broker.ca, version, "-X", "POST", "-T", ".", url, stdin=seq)

    confirms = [json.loads(line)["published"] for line in said.splitlines()]
    assert confirms == sorted(confirms)
    assert confirms[-1] == len(SEQ)
    assert await rest_of(connection, topic) == SEQ


async def test_what_is_durable_is_confirmed_while_the_stream_is_open(
    start_broker: StartBroker, topic: str
) -> None:
    broker = start_broker("-fsync", "always")
    async with await Connection.open(broker.port, broker.ca) as connection:
        batch = await BatchStream.open(connection, topic)

        for count in (1, 2, 3):
            await batch.send(b"%d\n" % count)
            await batch.expect_confirmed(count)
        await batch.send(b"4")
        assert await rest_of(connection, topic) == [b"1", b"2", b"3"]

        batch.stream.end()
        assert await batch.last_line() == {"published": 4}
        assert await rest_of(connection, topic) == [b"4"]


async def test_what_was_confirmed_is_there_after_a_kill(
    start_broker: StartBroker, topic: str
) -> None:
    broker = start_broker("-fsync", "always")
    async with await Connection.open(broker.port, broker.ca) as connection:
        batch = await BatchStream.open(connection, topic)
        await batch.send(b"".join(number + b"\n" for number in SEQ[:20_000]))
        await batch.expect_confirmed(20_000)

    broker.restart()

    async with await Connection.open(broker.port, broker.ca) as connection:
        assert await rest_of(connection, topic) == SEQ[:20_000]


@pytest.mark.parametrize("at", range(1, 12))
async def test_lines_may_be_cut_anywhere(connection: Connection, topic: str, at: int) -> None:
    batch = await BatchStream.open(connection, topic)

    await batch.stream.send_split(b"one\ntwo\nthree", at=at)
    batch.stream.end()

    assert await batch.last_line() == {"published": 3}
    assert await rest_of(connection, topic) == [b"one", b"two", b"three"]


async def test_every_line_of_text_is_a_message_as_it_is(connection: Connection, topic: str) -> None:
    bodies = [b"", b" ", b"a\r", b"\xff\x00", b"", b'{"msg":"YQ=="}']

    await publish_lines(connection, topic, bodies)

    assert await rest_of(connection, topic) == bodies


@pytest.mark.parametrize("kind", [TEXT, JSON])
async def test_a_batch_of_nothing_publishes_nothing(
    connection: Connection, topic: str, kind: str
) -> None:
    batch = await BatchStream.open(connection, topic, kind)
    batch.stream.end()

    assert await batch.last_line() == {"published": 0}


async def test_json_lines_may_be_blank_or_end_in_a_carriage_return(
    connection: Connection, topic: str
) -> None:
    batch = await BatchStream.open(connection, topic, JSON)

    await batch.send(b'\n{"msg":"YQ=="}\r\n  \r\n\n{"msg":"Yg==","any":[1]}')
    batch.stream.end()

    assert await batch.last_line() == {"published": 2}
    assert await rest_of(connection, topic) == [b"a", b"b"]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"a", "not JSON"),
        (b'{"msg":"YQ=="', "not JSON"),
        (b"[]", "not a JSON object"),
        (b"{}", "msg is missing"),
        (b'{"msg":1}', "msg is not a string"),
        (b'{"msg":"YQ="}', "not base64"),
        (b'{"msg":"Y Q=="}', "not base64"),
        (b'{"msg":"\xff"}', "not UTF-8"),
        (b'{"msg":"YQ==","delay":-1}', "delay"),
        (b'{"msg":"YQ==","delay":"soon"}', "delay"),
        (b'{"msg":"YQ==","delay":NaN}', "NaN"),
        (b'{"msg":"YQ==","priority":256}', "priority"),
        (b'{"msg":"YQ==","ttl":0}', "ttl"),
        (b'{"msg":"YQ==","ttl":1,"delay":2}', "ttl"),
        (b'{"msg":"YQ==","key":""}', "key"),
        (b'{"msg":"YQ==","key":"' + b"x" * 257 + b'"}', "key"),
        (b"[" * 100_000, "nested"),
        (entry(MEGABYTES_2), "1048576"),
        (b'{"msg":"' + MEGABYTES_2, "longer"),
    ],
    ids=lambda value: value[:30] if isinstance(value, bytes) else value,
)
async def test_a_bad_line_is_named_and_nothing_behind_it_is_stored(
    connection: Connection, topic: str, line: bytes, problem: str
) -> None:
    batch = await BatchStream.open(connection, topic, JSON)
    good = [entry(b"%d" % number) for number in range(5)]

    await batch.send(b"\n".join([*good, b"", line, *good, b""]))
    batch.stream.end()

    last = await batch.last_line()
    assert last.keys() == {"error", "code", "line", "status"}
    assert last["line"] == 7
    assert problem in last["error"]
    assert await rest_of(connection, topic) == [b"%d" % number for number in range(5)]


async def test_a_line_of_text_that_is_too_long_is_named(connection: Connection, topic: str) -> None:
    batch = await BatchStream.open(connection, topic)

    await batch.send(b"1\n2\n" + MEGABYTES_2)

    last = await batch.last_line()
    assert last["line"] == 3
    assert "1048576" in last["error"]
    assert await rest_of(connection, topic) == [b"1", b"2"]
    assert batch.stream.is_complete


@pytest.mark.parametrize("how", ["reset", "abort"])
@pytest.mark.parametrize("kind", [TEXT, JSON])
async def test_a_stream_cut_in_a_line_leaves_what_was_confirmed_and_not_that_line(
    broker: RunningBroker, connection: Connection, topic: str, kind: str, how: str
) -> None:
    other = await Connection.open(broker.port, broker.ca)
    batch = await BatchStream.open(other, topic, kind)
    whole, torn = (b"1\n2\n3\n", b"4 is torn")
    if kind == JSON:
        whole = b"".join(entry(b"%d" % number) + b"\n" for number in (1, 2, 3))
        torn = entry(b"4 is torn")[:-1]
    await batch.send(whole)
    await batch.expect_confirmed(3)
    await batch.send(torn)

    if how == "reset":
        batch.stream.reset()
        # Answered behind the reset.
        assert (await other.request("GET", "/healthz")).status == 200
    else:
        other.abort()
    await other.close()

    await publish(connection, topic, b"next")
    assert await rest_of(connection, topic) == [b"1", b"2", b"3", b"next"]


async def test_over_http1_a_stream_cut_in_a_line_leaves_that_line_out(
    broker: RunningBroker, connection: Connection, topic: str
) -> None:
    async with await PlainConnection.open(broker.port, broker.ca) as plain:
        await plain.ask("POST", f"/publish/{topic}/batch", "Transfer-Encoding: chunked")
        await plain.send_chunk(b"1\n2\n")
        status, _ = await plain.read_head()
        assert status == 200
        while await plain.read_json_chunk() != {"published": 2}:
            continue
        await plain.send_chunk(b"torn")

    await publish(connection, topic, b"next")
    assert await rest_of(connection, topic) == [b"1", b"2", b"next"]


async def test_a_line_of_a_subscription_is_a_line_of_a_batch(
    connection: Connection, topic: str
) -> None:
    target = f"{topic}2"
    response = await connection.request("POST", f"/publish/{topic}?priority=3", b"\x00a")
    assert response.status == 201
    await publish(connection, topic, b"b")
    with_credit = await CreditConsumer.with_credit(connection, topic, 1)
    plain = await Consumer.open(connection, topic, "INIT")
    batch = await BatchStream.open(connection, target, JSON)

    for consumer in (with_credit, plain):
        await batch.send(json.dumps(await consumer.stream.read_line()).encode() + b"\n")
    batch.stream.end()

    assert await batch.last_line() == {"published": 2}
    copy = await CreditConsumer.with_credit(connection, target, 2)
    first = await copy.expect_next(b"\x00a", attempt=1)
    assert first.line["priority"] == 3
    await copy.expect_next(b"b", attempt=1)


async def test_a_content_type_that_nobody_knows_is_refused(
    connection: Connection, topic: str
) -> None:
    headers = [("content-type", "application/xml")]

    response = await connection.request("POST", f"/publish/{topic}/batch", b"<a/>", headers)

    assert response.status == 415
    assert b"application/x-ndjson" in response.body


async def test_a_full_topic_ends_a_batch_at_the_line_that_does_not_fit(
    start_broker: StartBroker, topic: str
) -> None:
    broker = start_broker("-max-msgs", "3")
    async with await Connection.open(broker.port, broker.ca) as connection:
        batch = await BatchStream.open(connection, topic)

        await batch.send(b"1\n2\n3\n4\n5\n")

        last = await batch.last_line()
        assert last["line"] == 4
        assert "-max-msgs" in last["error"]
        assert await rest_of(connection, topic) == [b"1", b"2", b"3"]


async def test_a_broker_that_drains_ends_a_batch_and_says_so(
    start_broker: StartBroker, topic: str
) -> None:
    broker = start_broker("-fsync", "always")
    async with await Connection.open(broker.port, broker.ca) as connection:
        batch = await BatchStream.open(connection, topic)
        await batch.send(b"1\n2\n")
        await batch.expect_confirmed(2)
        await batch.send(b"torn")

        broker.terminate()

        assert await batch.last_line() == {"closing": "draining"}
        assert await asyncio.to_thread(broker.wait) == 0
    broker.start()
    async with await Connection.open(broker.port, broker.ca) as connection:
        assert await rest_of(connection, topic) == [b"1", b"2"]
