"""What one client may cost: where it ends, what is counted, and that others go on.

What depends on the speed of a machine is in `python -m benchmarks attacks`.
"""

import asyncio
import re
import socket
import struct
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.outside.bystander import Bystander
from tests.outside.frames import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HANDSHAKE,
    HEADERS,
    LAST_PING,
    PING,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
    frames_in,
    has_last_pong,
    number,
    request_block,
    statuses_in,
)
from tests.outside.raw import RawConnection
from tests.outside.server import RunningBroker, StartBroker
from tests.outside.stream import PATIENCE
from tests.outside.wire import Connection

pytestmark = pytest.mark.anyio

PROTOCOL_ERROR = 1
CALM = 11
"""ENHANCE_YOUR_CALM."""

MOST_BYTES = 60_000_000
SHUT = frame(SETTINGS, 0, 0, b"\0\x04\0\0\0\0")
ACKNOWLEDGED = frame(SETTINGS, ACK, 0)

HEALTH = request_block(b"GET", b"/healthz")
REFUSED = request_block(b"POST", b"/publish/attack?priority=256")
SUBSCRIBE = request_block(b"POST", b"/subscribe/attack")
PUBLISH = request_block(b"POST", b"/publish/attack")
UPPER = request_block(b"POST", b"/publish/attack", (b"X-Upper", b"1"))
SHORT = request_block(b"POST", b"/publish/attack", (b"content-length", b"5"))

OnStream = Callable[[int], bytes]


def head(block: bytes, flags: int = END_HEADERS) -> OnStream:
    return lambda stream_id: frame(HEADERS, flags, stream_id, block)


def whole(block: bytes) -> OnStream:
    return head(block, END_HEADERS | END_STREAM)


def on_streams(make: OnStream, count: int, first: int = 1) -> bytes:
    return b"".join(make(stream_id) for stream_id in range(first, first + 2 * count, 2))


async def struck(bystander: Bystander) -> dict[str, int]:
    """Return how often each limit was reached, as /metrics has it."""
    answer = await bystander.connection.request("GET", "/metrics")
    found = re.findall(rb'miniqueue_connection_limits_total\{limit="(\w+)"\} (\d+)', answer.body)
    return {limit.decode(): int(count) for limit, count in found}


def goaway_code(received: bytes) -> int | None:
    codes = [payload[4:8] for kind, _, _, payload in frames_in(received) if kind == GOAWAY]
    return int.from_bytes(codes[-1]) if codes else None


def descriptors(broker: RunningBroker) -> int:
    return len(list(Path(f"/proc/{broker.pid}/fd").iterdir()))


def wait_for_descriptors(broker: RunningBroker, most: int) -> None:
    until = time.monotonic() + PATIENCE
    while (count := descriptors(broker)) > most:
        assert time.monotonic() < until, f"{count} are open"
        time.sleep(0.01)


def heads_in(received: bytes) -> list[int]:
    return [stream_id for kind, _, stream_id, _ in frames_in(received) if kind == HEADERS]


# Requests


async def test_5000_requests_of_one_connection_are_all_answered(
    broker: RunningBroker, bystander: Bystander
) -> None:
    with RawConnection(broker.port, broker.ca) as raw:
        raw.send(HANDSHAKE + frame(WINDOW_UPDATE, 0, 0, number(1 << 30)))
        for first in range(1, 10_000, 1000):
            raw.send(on_streams(whole(HEALTH), 500, first) + LAST_PING)
            await bystander.expect_served()
        raw.read_until(lambda received: len(heads_in(received)) == 5000)

        assert set(statuses_in(raw.received).values()) == {"200"}


async def test_10000_streams_of_one_connection_are_held_and_one_more_breaks_the_rule(
    broker: RunningBroker, bystander: Bystander
) -> None:
    before = broker.own_bytes()
    with RawConnection(broker.port, broker.ca) as raw:
        raw.send(HANDSHAKE + ACKNOWLEDGED + on_streams(head(PUBLISH), 10_000))
        raw.send(LAST_PING)
        raw.read_until(has_last_pong)
        assert not raw.has_ended
        assert broker.own_bytes() - before < MOST_BYTES
        await bystander.expect_served()

        raw.send(whole(HEALTH)(20_001))
        raw.read_until(lambda received: goaway_code(received) is not None)
        assert goaway_code(raw.received) == PROTOCOL_ERROR
    await bystander.expect_served()


async def test_500_large_pages_that_nobody_takes_are_not_made(
    broker: RunningBroker, bystander: Bystander
) -> None:
    before = broker.own_bytes()
    pages = [request_block(b"GET", b"/openapi.json"), request_block(b"GET", b"/metrics")]
    with RawConnection(broker.port, broker.ca) as raw:
        raw.send(HANDSHAKE + SHUT)
        raw.send(on_streams(lambda stream_id: whole(pages[stream_id % 4 // 2])(stream_id), 500))
        raw.send(LAST_PING)
        raw.read_until(has_last_pong)
        for _ in range(20):
            await bystander.expect_served()

        assert broker.own_bytes() - before < MOST_BYTES


# Frames that ask for nothing

FLOODS = {
    "pings": frame(PING, 0, 0, b"12345678") * 5000,
    "settings": frame(SETTINGS, 0, 0, b"\0\x04\0\0\xff\xff") * 500,
    "windows": frame(WINDOW_UPDATE, 0, 0, number(1)) * 200_000,
    "crumbs": frame(DATA, 0, 1, b" ") * 200_000,
}


@pytest.mark.parametrize("limit", FLOODS)
async def test_a_flood_is_ended_with_its_reason_and_counted(
    broker: RunningBroker, bystander: Bystander, limit: str
) -> None:
    before = await struck(bystander)
    with RawConnection(broker.port, broker.ca) as raw:
        topic = await bystander.have_held(raw)

        raw.send(FLOODS[limit])

        raw.read_until(lambda received: goaway_code(received) is not None)
        assert goaway_code(raw.received) in {CALM, None}, "or the reset of TCP took it away"
        raw.hang_up()
    await bystander.expect_given_back(topic)
    after = await struck(bystander)
    assert {each for each in after if after[each] > before[each]} == {limit}


RESETS = {
    "by the client": lambda stream_id: (
        head(SUBSCRIBE)(stream_id) + frame(RST_STREAM, 0, stream_id, number(8))
    ),
    "of a malformed head": head(UPPER),
    "of a wrong length": lambda stream_id: (
        head(SHORT)(stream_id) + frame(DATA, END_STREAM, stream_id, b"abc")
    ),
}


@pytest.mark.parametrize("make", RESETS.values(), ids=RESETS.keys())
async def test_resets_of_either_sides_making_are_ended_and_counted(
    broker: RunningBroker, bystander: Bystander, make: OnStream
) -> None:
    before = await struck(bystander)
    with RawConnection(broker.port, broker.ca) as raw:
        raw.send(HANDSHAKE + on_streams(make, 5000))

        raw.hang_up()
    after = await struck(bystander)
    assert {each for each in after if after[each] > before[each]} == {"resets"}
    await bystander.expect_served()


# Memory


async def test_uploads_that_stall_are_bounded_and_others_go_on(
    broker: RunningBroker, bystander: Bystander
) -> None:
    """Of each connection as much as its first windows let through, and some of it more."""
    before = broker.own_bytes()
    piece = bytes(16_000)
    with RawConnection(broker.port, broker.ca) as raw:
        raw.send(HANDSHAKE + ACKNOWLEDGED)
        for stream_id in range(1, 129, 2):
            raw.send(head(PUBLISH)(stream_id) + frame(DATA, 0, stream_id, piece) * 16)
        raw.send(LAST_PING)
        raw.read_until(has_last_pong)
        assert not raw.has_ended

        assert (await struck(bystander))["kept_bytes"] > 0
        assert broker.own_bytes() - before < MOST_BYTES
        await bystander.expect_served()
        raw.send(frame(DATA, END_STREAM, 1))
        raw.read_until(lambda received: 1 in statuses_in(received))
        assert statuses_in(raw.received)[1] == "201"


async def test_a_client_that_does_not_read_is_not_read(
    broker: RunningBroker, bystander: Bystander
) -> None:
    before = broker.own_bytes()
    with RawConnection(broker.port, broker.ca) as raw:
        raw.send(HANDSHAKE)
        raw.send(frame(WINDOW_UPDATE, 0, 0, number(1 << 30)))
        raw.stop_reading()
        sent = 0
        for first in range(3, 1_000_000, 1000):
            if not raw.offer(on_streams(whole(REFUSED), 500, first), wait_seconds=1.0):
                break
            sent += 500
        assert sent < 400_000, "it reads on though nobody takes what it says"
        assert broker.own_bytes() - before < MOST_BYTES
        await bystander.expect_served()


# Connections that say nothing


async def test_300_half_handshakes_hold_nobody_up_and_leave_nothing(
    broker: RunningBroker, bystander: Bystander
) -> None:
    before = descriptors(broker)
    silent = [socket.create_connection(("127.0.0.1", broker.port), PATIENCE) for _ in range(300)]
    try:
        for each in silent[::2]:
            each.sendall(b"\x16\x03\x01\x00\xc8\x01\x00\x00\xc4\x03\x03")
        with RawConnection(broker.port, broker.ca) as raw:
            raw.send(HANDSHAKE + LAST_PING)
            raw.read_until(has_last_pong)
            assert not raw.has_ended
        await bystander.expect_served()
    finally:
        for each in silent:
            each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            each.close()
    await asyncio.to_thread(wait_for_descriptors, broker, before + 8)


async def test_sockets_in_their_handshake_count_as_connections(start_broker: StartBroker) -> None:
    """Or the store would find no descriptor left."""
    broker = start_broker("-max-connections", "40")
    before = descriptors(broker)
    with ExitStack() as stack:
        silent = [
            stack.enter_context(socket.create_connection(("127.0.0.1", broker.port), PATIENCE))
            for _ in range(60)
        ]
        await asyncio.to_thread(broker.wait_for_fact, "connections.full")
        assert descriptors(broker) <= before + 48
        for each in silent[:30]:
            each.close()
        # One that waited is served, as the others are that waited before it.
        async with await Connection.open(broker.port, broker.ca) as connection:
            answer = await connection.request("GET", "/metrics")
        assert b'miniqueue_connection_limits_total{limit="connections"} 0' not in answer.body

    await asyncio.to_thread(wait_for_descriptors, broker, before + 8)
