"""Frames of every kind in every state of a stream: right, empty, too short and too long.

The table is generated. Each frame has a connection of its own; whatever becomes
of that, neighbours go on, the broker lives, and its log tells of no error.
"""

from collections.abc import Callable

import pytest

from tests.outside.bystander import Bystander
from tests.outside.frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HANDSHAKE,
    HEADERS,
    LAST_PING,
    PING,
    PRIORITY,
    PUSH_PROMISE,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
    frames_in,
    has_last_pong,
    header_block,
    number,
    request,
    request_block,
    statuses_in,
)
from tests.outside.raw import RawConnection
from tests.outside.server import RunningBroker

pytestmark = pytest.mark.anyio

STREAM = 5
"""On which it happens; those before it are idle and may not be used any more."""

_ALTSVC, _ORIGIN, _PRIORITY_UPDATE, _UNKNOWN = 0xA, 0xC, 0x10, 0x77
_PADDED, _PRIORITISED, _ALL = 0x8, 0x20, 0xFF
_HEAD = request_block(b"POST", b"/publish/table")
_TRAILERS = header_block([(b"x", b"y")])
_WHOLE = END_HEADERS | END_STREAM

_LENGTHS = {0: b"", 1: b"\0", 4: bytes(4), 5: bytes(5), 9: bytes(9), 16_384: bytes(16_384)}

FRAMES: dict[str, list[tuple[int, int, bytes]]] = {
    "DATA": [
        *((DATA, flags, b"x") for flags in (0, END_STREAM, _ALL)),
        (DATA, _PADDED, b"\0"),
        (DATA, _PADDED, b"\xff"),
    ],
    "HEADERS": [
        *((HEADERS, flags, _HEAD) for flags in (0, END_HEADERS, _WHOLE, _PADDED, _PRIORITISED)),
        *((HEADERS, flags, _TRAILERS) for flags in (END_HEADERS, _WHOLE)),
        (HEADERS, END_HEADERS, b"\xff\xff\xff\xff\xff"),
    ],
    "PRIORITY": [(PRIORITY, 0, number(other) + b"\1") for other in (0, STREAM, 7)],
    "RST_STREAM": [(RST_STREAM, 0, number(code)) for code in (0, 8, 2**32 - 1)],
    "SETTINGS": [
        (SETTINGS, 0, b""),
        (SETTINGS, 1, b""),
        (SETTINGS, 1, b"\0\4\0\0\xff\xff"),
        *(
            (SETTINGS, 0, bytes([0, key]) + number(value))
            for key in (1, 2, 3, 4, 5, 6, 8, 9, 99)
            for value in (0, 1, 2**31, 2**32 - 1)
        ),
    ],
    "PUSH_PROMISE": [(PUSH_PROMISE, END_HEADERS, number(2) + _HEAD)],
    "PING": [(PING, 0, b"12345678"), (PING, 1, b"12345678")],
    "GOAWAY": [(GOAWAY, 0, number(0) + number(code)) for code in (0, 11)],
    "WINDOW_UPDATE": [(WINDOW_UPDATE, 0, number(size)) for size in (0, 1, 2**31 - 1, 2**32 - 1)],
    "CONTINUATION": [(CONTINUATION, flags, _TRAILERS) for flags in (0, END_HEADERS)],
    "ALTSVC": [(_ALTSVC, 0, b"\0\1ab")],
    "ORIGIN": [(_ORIGIN, 0, b"\0\1a")],
    "PRIORITY_UPDATE": [
        (_PRIORITY_UPDATE, 0, number(other) + b"u=1") for other in (0, STREAM, 9, 2)
    ],
    "unknown": [(_UNKNOWN, _ALL, b"whatever")],
}

State = Callable[[RawConnection], int]


def _nothing_yet(_: RawConnection) -> int:
    return STREAM


def _on_the_connection(_: RawConnection) -> int:
    return 0


def _on_the_brokers_side(_: RawConnection) -> int:
    return 2


def _open(raw: RawConnection) -> int:
    raw.send(request(STREAM, b"/subscribe/table"))
    return STREAM


def _half_closed_by_the_client(raw: RawConnection) -> int:
    raw.send(request(STREAM, b"/receive/table?wait=30s", flags=_WHOLE))
    return STREAM


def _half_closed_by_the_broker(raw: RawConnection) -> int:
    raw.send(request(STREAM, b"/no/such/page"))
    raw.read_until(lambda received: STREAM in statuses_in(received))
    return STREAM


def _closed(raw: RawConnection) -> int:
    raw.send(request(STREAM, b"/publish/table", flags=_WHOLE))
    raw.read_until(lambda received: STREAM in statuses_in(received))
    return STREAM


def _reset_by_the_client(raw: RawConnection) -> int:
    raw.send(request(STREAM, b"/subscribe/table") + frame(RST_STREAM, 0, STREAM, number(8)))
    return STREAM


def _reset_by_the_broker(raw: RawConnection) -> int:
    short = request(STREAM, b"/publish/table", (b"content-length", b"9"))
    raw.send(short + frame(DATA, END_STREAM, STREAM, b"x"))
    raw.read_until(lambda received: any(kind == RST_STREAM for kind, *_ in frames_in(received)))
    return STREAM


def _in_a_header_block(raw: RawConnection) -> int:
    raw.send(request(STREAM, b"/publish/table", flags=0))
    return STREAM


STATES: dict[str, State] = {
    "idle": _nothing_yet,
    "the connection": _on_the_connection,
    "the broker's": _on_the_brokers_side,
    "open": _open,
    "half-closed by the client": _half_closed_by_the_client,
    "half-closed by the broker": _half_closed_by_the_broker,
    "closed": _closed,
    "reset by the client": _reset_by_the_client,
    "reset by the broker": _reset_by_the_broker,
    "in a header block": _in_a_header_block,
}


@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize("state", STATES)
async def test_a_frame_costs_its_own_connection_at_most(
    broker: RunningBroker, bystander: Bystander, state: str, kind: str
) -> None:
    variants = FRAMES[kind]
    of_lengths = [(variants[0][0], 0, payload) for payload in _LENGTHS.values()]
    for code, flags, payload in [*variants, *of_lengths]:
        with RawConnection(broker.port, broker.ca) as raw:
            raw.send(HANDSHAKE)
            stream_id = STATES[state](raw)

            raw.send(frame(code, flags, stream_id, payload), LAST_PING)

            raw.read_until(has_last_pong)
    await bystander.expect_served()
