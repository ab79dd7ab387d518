"""What other brokers say is counted right, wherever the network cut it."""

import struct
from collections.abc import Callable

import pytest

from benchmarks.peers.sample import BrokenPromise
from benchmarks.peers.wires.amqp import AmqpWire
from benchmarks.peers.wires.beanstalkd import BeanstalkdWire
from benchmarks.peers.wires.frames import DATA, END_HEADERS, END_STREAM, HEADERS, frame
from benchmarks.peers.wires.http2 import Http2Wire
from benchmarks.peers.wires.nats import NatsWire
from benchmarks.peers.wires.postgresql import PostgresqlWire
from benchmarks.peers.wires.redis import RedisWire
from benchmarks.peers.wires.wire import Wire
from tests.protocol.cuts import chunks_of

Makes = Callable[[str], Wire]


def amqp(kind: int, payload: bytes) -> bytes:
    return struct.pack("!BHI", kind, 1, len(payload)) + payload + b"\xce"


def amqp_method(*numbers: int, rest: bytes = b"") -> bytes:
    return amqp(1, struct.pack("!HH", *numbers) + rest)


def postgresql(kind: bytes, payload: bytes) -> bytes:
    return kind + struct.pack("!I", len(payload) + 4) + payload


def row(number: bytes, body: bytes) -> bytes:
    text = b"\\x" + body.hex().encode()
    fields = struct.pack("!I", len(number)) + number + struct.pack("!I", len(text)) + text
    return postgresql(b"D", struct.pack("!H", 2) + fields)


def jetstream(number: int, body: bytes) -> bytes:
    reply = b"$JS.ACK.work.all.1.%d.%d.1700.0" % (number, number)
    return b"MSG work 1 %b %d\r\n%b\r\n" % (reply, len(body), body)


def acked(number: int) -> bytes:
    text = b'{"stream":"work","seq":%d}' % number
    return b"MSG _INBOX.1 1 %d\r\n%b\r\n" % (len(text), text)


def entry(number: int, body: bytes) -> bytes:
    id_ = b"1700000000000-%d" % number
    fields = b"*2\r\n$1\r\nb\r\n$%d\r\n%b\r\n" % (len(body), body)
    return b"*2\r\n$%d\r\n%b\r\n" % (len(id_), id_) + fields


READY = postgresql(b"Z", b"I")
TAG = struct.Struct("!QB")
DELIVERY = amqp_method(60, 60, rest=b"\x01c" + TAG.pack(1, 0)) + amqp(2, bytes(14))
RESERVED = b"RESERVED 7 3\r\none\r\nRESERVED 8 3\r\ntwo\r\n"
BATCH = b"*1\r\n*2\r\n$4\r\nwork\r\n*2\r\n" + entry(1, b"one") + entry(2, b"two")
LINES = b'{"msg":"b25l"}\n', b'{"msg":"dHdv"}\n'

CONFIRMS: dict[Makes, bytes] = {
    RedisWire: b"$15\r\n1700000000000-0\r\n$15\r\n1700000000000-1\r\n",
    BeanstalkdWire: b"INSERTED 1\r\nINSERTED 22\r\n",
    NatsWire: b"INFO {}\r\n" + acked(1) + b"PING\r\n" + acked(2),
    AmqpWire: amqp_method(60, 80, rest=TAG.pack(2, 0)) + amqp_method(60, 80, rest=TAG.pack(1, 0)),
    PostgresqlWire: postgresql(b"C", b"INSERT 0 2\0") + READY,
    Http2Wire: frame(HEADERS, END_HEADERS, 1, b"\x08\x03201")
    + frame(DATA, END_STREAM, 1)
    + frame(HEADERS, END_HEADERS | END_STREAM, 3, b"\x08\x03201"),
}
DELIVERIES: dict[Makes, bytes] = {
    RedisWire: b":1\r\n" + BATCH,
    BeanstalkdWire: b"DELETED\r\n" + RESERVED,
    NatsWire: jetstream(1, b"one") + b"PING\r\n" + jetstream(2, b"two"),
    AmqpWire: DELIVERY + amqp(3, b"one") + DELIVERY + amqp(3, b"two"),
    PostgresqlWire: row(b"1", b"one") + row(b"22", b"two") + READY,
    Http2Wire: frame(HEADERS, END_HEADERS, 1, b"\x88")
    + frame(DATA, 0, 1, LINES[0][:5])
    + frame(DATA, 0, 1, LINES[0][5:])
    + frame(DATA, 0, 1, LINES[1]),
}
REFUSALS: dict[Makes, bytes] = {
    RedisWire: b"-MISCONF no disk\r\n",
    BeanstalkdWire: b"OUT_OF_MEMORY\r\n",
    NatsWire: b'MSG _INBOX.1 1 20\r\n{"error":{"code":503}}\r\n',
    AmqpWire: amqp_method(60, 120, rest=TAG.pack(1, 0)),
    PostgresqlWire: postgresql(b"E", b"SERROR\0\0"),
    Http2Wire: frame(HEADERS, END_HEADERS | END_STREAM, 1, b"\x08\x03503"),
}
SIZES = [1, 2, 3, 5, 7, 11, 10_000]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("makes", CONFIRMS)
def test_two_confirms_are_two_however_they_come(makes: Makes, size: int) -> None:
    wire = makes("work")

    for chunk in chunks_of(CONFIRMS[makes], size):
        wire.receive(chunk)

    assert (wire.confirmed, wire.delivered) == (2, 0)


def test_rabbitmq_confirms_all_up_to_a_message_and_counts_none_twice() -> None:
    wire = AmqpWire("work")

    for tag, has_all_below in ((4, 0), (2, 1), (2, 0), (6, 1)):
        wire.receive(amqp_method(60, 80, rest=TAG.pack(tag, has_all_below)))

    assert wire.confirmed == 6


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("makes", DELIVERIES)
def test_two_deliveries_are_two_with_their_bodies_however_they_come(
    makes: Makes, size: int
) -> None:
    wire = makes("work")
    wire.bodies = []
    wire.subscribe(1 if makes is Http2Wire else 2)

    for chunk in chunks_of(DELIVERIES[makes], size):
        wire.receive(chunk)

    assert (wire.delivered, wire.bodies) == (2, [b"one", b"two"])


@pytest.mark.parametrize("makes", REFUSALS)
@pytest.mark.parametrize("before", [{}, CONFIRMS], ids=["alone", "behind confirms"])
def test_a_refusal_ends_the_load(makes: Makes, before: dict[Makes, bytes]) -> None:
    wire = makes("work")

    with pytest.raises(BrokenPromise):
        wire.receive(before.get(makes, b"") + REFUSALS[makes])


@pytest.mark.parametrize(
    ("makes", "said"),
    [
        (RedisWire, b"$4\r\nXACK\r\n$4\r\nwork\r\n$3\r\nall\r\n$15\r\n1700000000000-1\r\n"),
        (BeanstalkdWire, b"delete 7\r\nreserve\r\ndelete 8\r\nreserve\r\n"),
        (NatsWire, b"PUB $JS.ACK.work.all.1.2.2.1700.0 4\r\n+ACK\r\nPUB $JS.API.CONSUMER"),
        (AmqpWire, struct.pack("!HHQB", 60, 80, 2, 1)),
        (PostgresqlWire, b"DELETE FROM work WHERE id IN (1,22); COMMIT; BEGIN; SELECT"),
    ],
)
def test_what_was_delivered_is_acknowledged(makes: Makes, said: bytes) -> None:
    wire = makes("work")
    wire.subscribe(2)
    wire.receive(DELIVERIES[makes])
    wire.out.clear()

    wire.acknowledge()

    assert said in b"".join(wire.out)
