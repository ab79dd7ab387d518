"""Frames that ask for nothing, by the hundred thousand; and header blocks that are bombs."""

from collections.abc import Callable, Iterable

from benchmarks.attacks.floods import enter_flood, head, on_streams, opening, over_and_over
from tests.outside.frames import (
    ACK,
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    PRIORITY,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
    header_block,
    number,
)

_MANY = 500_000
_PADDED = 0x8
_PRIORITY_UPDATE, _ALTSVC, _UNKNOWN = 0x10, 0x0A, 0x77
_STREAM_1 = opening(head("POST", "/subscribe/e"))(1)
_UPLOAD_1 = opening(head("POST", "/publish/e"))(1)
_BEGUN = frame(HEADERS, 0, 1, head("POST", "/publish/e"))
_LONG = header_block([(b"x", b"y" * 16_000)])
_IN_THE_TABLE, _FROM_THE_TABLE = b"\x40\x01x\x7f\x81\x1e" + b"y" * 4000, b"\xbe"
_BOMB = head("POST", "/publish/e") + _IN_THE_TABLE + _FROM_THE_TABLE * 12_000


def _enter(name: str, piece: bytes, behind: bytes = b"", many: int = _MANY) -> None:
    enter_flood(name, lambda: over_and_over(piece, many, behind=behind))


_enter("PING", frame(PING, 0, 0, b"12345678"))
_enter("PING acknowledged", frame(PING, ACK, 0, b"12345678"))
_enter("SETTINGS", frame(SETTINGS, 0, 0, b"\0\x04\0\0\xff\xff"))
_enter(
    "SETTINGS, 10,000 streams",
    frame(SETTINGS, 0, 0, b"\0\x04\0\0\xff\xff"),
    b"".join(on_streams(opening(head("POST", "/subscribe/e")), 5000)),
)
_enter("SETTINGS acknowledged", frame(SETTINGS, ACK, 0))
_enter("WINDOW_UPDATE, connection", frame(WINDOW_UPDATE, 0, 0, number(1)))
_enter("WINDOW_UPDATE, stream", frame(WINDOW_UPDATE, 0, 1, number(1)), _STREAM_1)
_enter("empty DATA", frame(DATA, 0, 1), _STREAM_1)
_enter("DATA of 1 byte", frame(DATA, 0, 1, b" "), _STREAM_1)
_enter("DATA of padding", frame(DATA, _PADDED, 1, b"\x05\0\0\0\0\0"), _UPLOAD_1)
_enter("PRIORITY", frame(PRIORITY, 0, 3, number(0) + b"\1"))
_enter("PRIORITY_UPDATE", frame(_PRIORITY_UPDATE, 0, 0, number(1) + b"u=1"), _STREAM_1)
_enter("PRIORITY_UPDATE, idle streams", frame(_PRIORITY_UPDATE, 0, 0, number(9001) + b"u=1"))
_enter("RST_STREAM of one stream", frame(RST_STREAM, 0, 1, number(8)), _STREAM_1)
_enter("GOAWAY", frame(GOAWAY, 0, 0, number(0) * 2))
_enter("unknown frames", frame(_UNKNOWN, 0, 0, b""))
_enter("unknown frames of 1 KB", frame(_UNKNOWN, 0, 0, b"x" * 1000), many=100_000)
_enter("ALTSVC", frame(_ALTSVC, 0, 0, b"\0\1ab"))
_enter("CONTINUATION", frame(CONTINUATION, 0, 1, _LONG), _BEGUN, many=10_000)
_enter("empty CONTINUATION", frame(CONTINUATION, 0, 1), _BEGUN)
_enter("CONTINUATION of nothing", frame(CONTINUATION, 0, 1, b"x"), _STREAM_1)


def _with_heads(block: bytes, count: int) -> Callable[[], Iterable[bytes]]:
    def on_stream(stream_id: int) -> bytes:
        pieces = [block[start : start + 16_000] for start in range(0, len(block), 16_000)]
        last = len(pieces) - 1
        return b"".join(
            frame(
                CONTINUATION if i else HEADERS,
                (END_HEADERS if i == last else 0) | (0 if i else END_STREAM),
                stream_id,
                piece,
            )
            for i, piece in enumerate(pieces)
        )

    return lambda: on_streams(on_stream, count, together=1)


enter_flood("HPACK bomb", _with_heads(_BOMB, 5000))
enter_flood(
    "1,000 header fields",
    _with_heads(head("GET", "/healthz", *((b"x-%d" % i, b"y") for i in range(1000))), 5000),
)
enter_flood(
    "headers of 200 KB", _with_heads(head("GET", "/healthz", *[(b"x", b"y" * 9000)] * 22), 500)
)
enter_flood(
    "headers of 60 KB", _with_heads(head("GET", "/healthz", *[(b"x", b"y" * 5900)] * 10), 500)
)
_enter("an oversized frame", b"\xff\xff\xff\0\0\0\0\0\1" + b"x" * 100_000, _STREAM_1, many=100)
