"""HTTP/2 frames by hand, right or wrong; each function makes or reads plain bytes."""

import struct
from collections.abc import Iterable, Iterator

from hpack import Decoder, Encoder

FRAME_HEAD_BYTES = 9

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE = range(6)
PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(6, 10)

END_STREAM = ACK = 0x1
END_HEADERS = 0x4

Header = tuple[bytes, bytes]


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    head = struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream_id)
    return head + payload


def frames_in(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Every whole frame: kind, flags, stream and payload."""
    position = 0
    while position + FRAME_HEAD_BYTES <= len(data):
        length = int.from_bytes(data[position : position + 3])
        kind, flags, stream_id = struct.unpack_from(">BBI", data, position + 3)
        end = position + FRAME_HEAD_BYTES + length
        if end > len(data):
            return
        yield kind, flags, stream_id, data[position + FRAME_HEAD_BYTES : end]
        position = end


def header_block(headers: Iterable[Header]) -> bytes:
    """Encode headers; `True` keeps them out of the table that both sides share."""
    return bytes(Encoder().encode([(name, value, True) for name, value in headers]))


def request_block(method: bytes, path: bytes, *more: Header) -> bytes:
    pseudo = [(b":method", method), (b":scheme", b"https"), (b":path", path)]
    return header_block([*pseudo, (b":authority", b"localhost"), *more])


def request(stream_id: int, path: bytes, *more: Header, flags: int = END_HEADERS) -> bytes:
    return frame(HEADERS, flags, stream_id, request_block(b"POST", path, *more))


def number(value: int) -> bytes:
    return struct.pack(">I", value)


HANDSHAKE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0)
LAST_PING = frame(PING, 0, 0, b"the last")


def has_last_pong(received: bytes) -> bool:
    """Tell if everything up to LAST_PING was read."""
    return any(
        (kind, flags, payload) == (PING, ACK, b"the last")
        for kind, flags, _, payload in frames_in(received)
    )


def statuses_in(received: bytes) -> dict[int, str]:
    """The status of each stream that was answered; "reset" if that was the answer."""
    decoder = Decoder()
    statuses: dict[int, str] = {}
    for kind, _, stream_id, payload in frames_in(received):
        if kind == HEADERS:
            fields = dict(decoder.decode(payload, raw=True))
            statuses.setdefault(stream_id, fields[b":status"].decode())
        elif kind == RST_STREAM:
            statuses.setdefault(stream_id, "reset")
    return statuses
