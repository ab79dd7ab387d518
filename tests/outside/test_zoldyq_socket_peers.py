"""WebSockets with somebody on the other side who does what he should not.

Whoever does everything right beside him must not notice, nor must the broker's memory.
"""

import asyncio
import json
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from miniqueue_py.tls.paths import CertificatePaths
from tests.outside.conftest import QUICK
from tests.outside.dialects import dialect_broker
from tests.outside.server import RunningBroker
from tests.outside.socket_peer import (
    ASKING,
    BINARY,
    CLOSE,
    CONTINUATION,
    KEY,
    NO_SENSE,
    PING,
    PONG,
    TEXT,
    UPGRADE,
    VERSION,
    SocketPeer,
    frame,
    text,
)
from tests.outside.stream import PATIENCE
from tests.outside.wire import Connection

pytestmark = pytest.mark.anyio

MEGABYTE = 1 << 20
PAYLOAD = b'{"payload":%d}'
ENQUEUED = b'{"queued":true,"queue_size":%d}'


@pytest.fixture(scope="module")
def module_broker(
    certificates: CertificatePaths, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningBroker]:
    directory = tmp_path_factory.mktemp("zoldyq") / "db"
    with dialect_broker(directory, certificates, *QUICK) as broker:
        yield broker


@pytest.fixture
async def neighbour(broker: RunningBroker, topic: str) -> AsyncIterator[None]:
    """Somebody whose sockets work, before and after."""
    path = f"/zoldyq/queues/{topic}-neighbour"
    async with (
        opened(broker, f"{path}/enqueue") as publisher,
        opened(broker, f"{path}/dequeue") as consumer,
    ):
        for number in 1, 2:
            publisher.send(payload(number))
            assert await publisher.frame() == (TEXT, ENQUEUED % 1)
            assert await consumer.frame() == (TEXT, PAYLOAD % number)
            if number == 1:
                yield


def payload(number: int) -> bytes:
    return frame(TEXT, PAYLOAD % number)


@asynccontextmanager
async def opened(broker: RunningBroker, path: str) -> AsyncIterator[SocketPeer]:
    async with await SocketPeer.open(broker.port, broker.ca) as peer:
        await peer.connect(path)
        yield peer


@pytest.fixture
def enqueue(topic: str) -> str:
    return f"/zoldyq/queues/{topic}/enqueue"


@pytest.fixture
def dequeue(topic: str) -> str:
    return f"/zoldyq/queues/{topic}/dequeue"


@pytest.mark.parametrize("what", NO_SENSE)
@pytest.mark.parametrize("verb", ["enqueue", "dequeue"])
async def test_frames_that_make_no_sense_end_their_socket_alone(
    broker: RunningBroker, neighbour: None, topic: str, verb: str, what: str
) -> None:
    nonsense, code = NO_SENSE[what]
    async with opened(broker, f"/zoldyq/queues/{topic}/{verb}") as peer:
        peer.send(nonsense)
        assert [each.code for each in await peer.end()] == [code]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        (UPGRADE + VERSION, 400),
        (UPGRADE + KEY, 426),
        (UPGRADE + KEY + b"Sec-WebSocket-Version: 8\r\n", 426),
        (UPGRADE + KEY + b"Sec-WebSocket-Version: \xff\r\n", 426),
    ],
)
async def test_handshake_cut_short_is_refused_and_takes_nothing(
    broker: RunningBroker, neighbour: None, topic: str, headers: bytes, status: int
) -> None:
    enqueue, dequeue = (f"/zoldyq/queues/{topic}/{verb}" for verb in ("enqueue", "dequeue"))
    async with opened(broker, enqueue) as publisher:
        publisher.send(payload(1))
        assert await publisher.frame() == (TEXT, ENQUEUED % 1)
        async with await SocketPeer.open(broker.port, broker.ca) as peer:
            head = await peer.ask(dequeue, headers)
            assert head.split()[1] == b"%d" % status
        publisher.send(payload(2))
        assert await publisher.frame() == (TEXT, ENQUEUED % 2)


@pytest.mark.parametrize("name", [b"Extensions", b"Protocol", b"Accept"])
@pytest.mark.parametrize("value", [b"permessage-deflate", b"\xff", b",,,;;=", b"x" * 5000])
async def test_nothing_that_is_offered_is_taken(
    broker: RunningBroker, neighbour: None, enqueue: str, name: bytes, value: bytes
) -> None:
    async with await SocketPeer.open(broker.port, broker.ca) as peer:
        offer = b"Sec-WebSocket-%b: %b\r\n" % (name, value)
        head = await peer.ask(enqueue, ASKING + offer, behind=payload(1))
        assert b" 101 " in head
        assert b"extensions" not in head.lower()
        assert b"protocol:" not in head.lower()
        assert await peer.frame() == (TEXT, ENQUEUED % 1)


async def test_bomb_is_not_inflated(broker: RunningBroker, neighbour: None, enqueue: str) -> None:
    packer = zlib.compressobj(9, wbits=-zlib.MAX_WBITS)
    bomb = b"".join(packer.compress(bytes(MEGABYTE)) for _ in range(200)) + packer.flush()
    before = broker.own_bytes()
    async with await SocketPeer.open(broker.port, broker.ca) as peer:
        await peer.ask(enqueue, ASKING + b"Sec-WebSocket-Extensions: permessage-deflate\r\n")
        peer.send(frame(TEXT, bomb, reserved=0x40))
        await peer.end()
        assert broker.own_bytes() - before < 50 * MEGABYTE


@pytest.mark.parametrize("is_one_frame", [True, False])
async def test_message_without_an_end_is_cut_off(
    broker: RunningBroker, neighbour: None, enqueue: str, is_one_frame: bool
) -> None:
    before = broker.own_bytes()
    piece = bytes(MEGABYTE)
    part = piece if is_one_frame else frame(CONTINUATION, piece, is_last=False)
    begin = frame(BINARY, b"", is_last=False, declared=1 << 40 if is_one_frame else None)
    async with opened(broker, enqueue) as peer:
        peer.send(begin)
        for _ in range(100):
            peer.send(part)
            try:
                async with asyncio.timeout(5):
                    await peer.writer.drain()
            except (ConnectionError, TimeoutError):  # it is cut off, or read no more and cut off
                break
        await peer.end()
        assert broker.own_bytes() - before < 30 * MEGABYTE


async def test_flood_into_a_consumers_socket_is_not_kept(
    broker: RunningBroker, neighbour: None, enqueue: str, dequeue: str
) -> None:
    before = broker.own_bytes()
    flood = frame(TEXT, b"x" * 60_000) * 10 + text("x") * 1000 + frame(PONG, b"17") * 1000
    async with opened(broker, enqueue) as publisher, opened(broker, dequeue) as consumer:
        for number in range(50):
            consumer.send(flood)
            await consumer.writer.drain()
            publisher.send(payload(number))
            assert await consumer.frame() == (TEXT, PAYLOAD % number)
        assert broker.own_bytes() - before < 50 * MEGABYTE


async def test_flood_of_pings_holds_up_nobody(
    broker: RunningBroker, neighbour: None, enqueue: str
) -> None:
    before = broker.own_bytes()
    async with opened(broker, enqueue) as peer:
        peer.send(frame(PING, b"x") * 100_000)
        peer.send(payload(1))
        came = await peer.frame()
        while came is not None and came.opcode == PONG:
            came = await peer.frame()
        assert came == (TEXT, ENQUEUED % 1)
        assert broker.own_bytes() - before < 50 * MEGABYTE


async def test_publisher_that_reads_no_answers_is_held_back(
    broker: RunningBroker, neighbour: None, enqueue: str
) -> None:
    before = broker.own_bytes()
    rubbish = text("rubbish" * 10) * 1000
    async with opened(broker, enqueue) as peer:
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        with pytest.raises(TimeoutError):
            await send_on(peer, rubbish)
        assert broker.own_bytes() - before < 30 * MEGABYTE


async def send_on(peer: SocketPeer, words: bytes) -> None:
    """Send for ever, and no faster than the server reads."""
    async with asyncio.timeout(3):
        while True:
            peer.send(words)
            await peer.writer.drain()


async def test_one_who_goes_without_a_word_takes_nothing_with_him(  # noqa: PLR0913, PLR0917  all needed
    broker: RunningBroker,
    neighbour: None,
    enqueue: str,
    dequeue: str,
    topic: str,
    connection: Connection,
) -> None:
    async with opened(broker, enqueue) as publisher:
        for number, last_words in enumerate(
            (b"", b"\x81", frame(TEXT, b"x", declared=100), frame(CLOSE, b"\x03\xe8"))
        ):
            async with opened(broker, dequeue) as leaving:
                leaving.send(last_words)
                await leaving.writer.drain()
            await nobody_consumes(connection, topic)
            publisher.send(payload(number))
            assert await publisher.frame() == (TEXT, ENQUEUED % 1)
            async with opened(broker, dequeue) as heir:
                assert await heir.frame() == (TEXT, PAYLOAD % number)


async def nobody_consumes(connection: Connection, topic: str) -> None:
    """Wait until the broker has noticed that they are gone."""
    async with asyncio.timeout(PATIENCE):
        while True:
            answer = await connection.request("GET", f"/topics/{topic}")
            if answer.status != 200 or not json.loads(answer.body)["consumers"]:
                return
            await asyncio.sleep(0.01)


async def test_what_is_said_behind_a_close_is_not_heard(
    broker: RunningBroker, neighbour: None, enqueue: str
) -> None:
    async with opened(broker, enqueue) as peer:
        peer.send(frame(CLOSE, b"\x03\xe8bye"), payload(1) * 100)
        *others, last = await peer.end()
        assert (others, last.code) == ([], 1000)
    async with opened(broker, enqueue) as peer:
        peer.send(payload(2))
        assert await peer.frame() == (TEXT, ENQUEUED % 1)


async def test_half_a_handshake_is_no_socket(broker: RunningBroker, neighbour: None) -> None:
    async with await SocketPeer.open(broker.port, broker.ca) as peer:
        peer.send(b"GET /zoldyq/queues/x/dequeue HTTP/1.1\r\nHost: localhost\r\n" + UPGRADE)
        await peer.writer.drain()
