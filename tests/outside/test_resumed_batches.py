"""A batch that is cut off goes on where it stands: nothing is lost, and nothing comes twice."""

import asyncio
import random

import pytest

from tests.outside.batch import JSON, TEXT, BatchStream, entry
from tests.outside.credit import rest_of
from tests.outside.lives import connect
from tests.outside.pages import set_policy
from tests.outside.seed import seeded_random
from tests.outside.server import RunningBroker, StartBroker
from tests.outside.stream import PATIENCE
from tests.outside.wire import Connection

pytestmark = pytest.mark.anyio

KILLS = 2
CUTS = 3
"""Other ends of a request, before each kill."""

STEP = 2_000
"""Messages of a request at most, between two ends."""

TAKEN_OVER = {"error": "this batch goes on in another request", "code": "batch_taken_over"}


def body_of(number: int) -> bytes:
    return b"%d" % number


def lines(start: int, stop: int, kind: str = TEXT) -> bytes:
    bodies = map(body_of, range(start, stop))
    written = bodies if kind == TEXT else map(entry, bodies)
    return b"".join(body + b"\n" for body in written)


class Sender:
    """Sends the numbers from 0 on as one batch, however often it is cut off."""

    def __init__(self, broker: RunningBroker, topic: str, choices: random.Random) -> None:
        self._broker = broker
        self._topic = topic
        self._choices = choices
        self._sent = 0
        """So many were sent at least once."""
        self._confirmed = 0
        self._left: list[Connection] = []
        """Connections of requests that were left open when the next began."""

    async def send_some(self, end: str) -> None:
        """Go on with the batch for a while, and be cut off in that way."""
        connection = await connect(self._broker)
        kind = self._choices.choice((TEXT, JSON))
        batch = await BatchStream.open(connection, self._topic, kind, "numbers")
        start = await batch.start()
        assert self._confirmed <= start <= self._sent
        self._confirmed = start
        self._sent = max(self._sent, start + self._choices.randint(1, STEP))
        half = lines(self._sent, self._sent + 1, kind)[:-2]
        await batch.send(lines(start, self._sent, kind) + half)
        if self._choices.random() < 0.5:
            line = await batch.stream.read_line()
            self._confirmed = line["published"]
        match end:
            case "kill":
                self._broker.kill()
            case "reset":
                batch.stream.reset()
            case "abort":
                connection.abort()
            case _:  # open, with unread data perhaps
                self._left.append(connection)
                return
        await connection.close()

    async def finish(self) -> list[bytes]:
        """Send the rest, and return what was published in all."""
        async with await connect(self._broker) as connection:
            batch = await BatchStream.open(connection, self._topic, TEXT, "numbers")
            start = await batch.start()
            await batch.send(lines(start, self._sent))
            batch.stream.end()
            assert await batch.last_line() == {"published": self._sent}
            for left in self._left:
                await left.close()
            return await rest_of(connection, self._topic)

    @property
    def expected(self) -> list[bytes]:
        return [body_of(number) for number in range(self._sent)]


async def test_every_message_of_a_batch_is_stored_once_whatever_cuts_it_off(
    start_broker: StartBroker, topic: str
) -> None:
    broker = start_broker("-fsync", "always")
    with seeded_random() as choices:
        sender = Sender(broker, topic, choices)
        for _ in range(KILLS):
            for end in choices.choices(("reset", "abort", "open"), k=CUTS):
                await sender.send_some(end)
            await sender.send_some("kill")
            broker.start()

        assert await sender.finish() == sender.expected


async def test_a_request_takes_over_from_one_that_has_more_to_be_read(
    broker: RunningBroker, connection: Connection, topic: str
) -> None:
    many = 40_000
    async with await connect(broker) as other:
        older = await BatchStream.open(other, topic, TEXT, "k")
        assert await older.start() == 0
        sending = asyncio.create_task(older.send(lines(0, many)))
        while await older.start() == 0:
            continue

        newer = await BatchStream.open(connection, topic, TEXT, "k")
        start = await newer.start()
        assert 0 < start <= many
        assert await older.last_line() == TAKEN_OVER
        await sending
        await newer.send(lines(start, many))
        newer.stream.end()

        assert await newer.last_line() == {"published": many}
        assert await rest_of(connection, topic) == [body_of(number) for number in range(many)]


async def test_a_batch_is_told_at_once_where_it_stands(connection: Connection, topic: str) -> None:
    for kind, start in ((TEXT, 0), (JSON, 2), (TEXT, 4)):
        batch = await BatchStream.open(connection, topic, kind, "k" * 256)
        assert await batch.start() == start
        await batch.send(lines(start, start + 2, kind))
        batch.stream.end()
        assert await batch.last_line() == {"published": start + 2}

    assert await rest_of(connection, topic) == [body_of(number) for number in range(6)]


async def test_a_batch_is_forgotten_when_its_window_is_over_or_its_topic_deleted(
    connection: Connection, topic: str
) -> None:
    async def start(body: bytes = b"x\n") -> int:
        batch = await BatchStream.open(connection, topic, TEXT, "k")
        count = await batch.start()
        await batch.send(body)
        batch.stream.end()
        assert await batch.last_line() == {"published": count + len(body) // 2}
        return count

    assert [await start(), await start()] == [0, 1]
    await connection.request("DELETE", f"/topics/{topic}")
    assert [await start(), await start()] == [0, 1]
    await set_policy(connection, topic, dedupeWindow=0)
    assert [await start(), await start()] == [0, 0]
    await set_policy(connection, topic, dedupeWindow=0.2)
    await start()
    async with asyncio.timeout(PATIENCE):
        while await start(b""):
            continue


@pytest.mark.parametrize("key", ["", "x" * 257, "é" * 129])
async def test_a_key_that_is_none_is_refused(connection: Connection, topic: str, key: str) -> None:
    path, headers = f"/publish/{topic}/batch", [("idempotency-key", key)]

    response = await connection.request("POST", path, b"1\n", headers)

    assert response.status == 400
    assert b"Idempotency-Key" in response.body


async def test_a_batch_that_filled_its_topic_goes_on_when_there_is_room(
    connection: Connection, topic: str
) -> None:
    await set_policy(connection, topic, maxMessages=3)
    batch = await BatchStream.open(connection, topic, TEXT, "k")
    await batch.send(lines(0, 5))
    batch.stream.end()
    assert (await batch.last_line())["line"] == 4
    assert await rest_of(connection, topic) == [b"0", b"1", b"2"]

    batch = await BatchStream.open(connection, topic, TEXT, "k")
    start = await batch.start()
    await batch.send(lines(start, 5))
    batch.stream.end()

    assert await batch.last_line() == {"published": 5}
    assert await rest_of(connection, topic) == [b"3", b"4"]
