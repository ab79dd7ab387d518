"""HTTP/2 frames that are right, nearly right, or nothing at all."""

import struct
from collections.abc import Iterable, Iterator

from hpack import Encoder
from hypothesis import strategies as st

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
FRAME_HEAD_BYTES = 9
LARGEST_PAYLOAD = 16384
LARGEST_WINDOW = 2**31 - 1

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


METHODS = st.sampled_from(
    [
        b"POST",
        b"POST",
        b"POST",
        b"GET",
        b"DELETE",
        b"HEAD",
        b"CONNECT",
        b"post",
        b"",
        b"\xff",
        b"A B",
    ]
)
PATHS = st.sampled_from(
    [
        *(b"/publish/fuzz", b"/publish/fuzz", b"/subscribe/fuzz", b"/subscribe/fuzz", b"/fuzz"),
        *(b"", b"*", b"/", b"//", b"fuzz", b"https://localhost/publish/fuzz", b"/publish/%zz%"),
        *(b"/publish/\xc3\xa9", b"/subscribe/\xff", b"/fuzz?\xff=\x80", b"/%ff", b"/a b", b"/#"),
    ]
)
MORE_HEADERS = st.lists(
    st.sampled_from(
        [
            *((b"content-length", value) for value in (b"0", b"3", b"-1", b"x", b"9" * 30)),
            *((b"te", b"trailers"), (b"transfer-encoding", b"chunked"), (b"connection", b"close")),
            *((b":protocol", b"websocket"), (b"sec-websocket-version", b"13")),
            *((b"upgrade", b"h2c"), (b"host", b"elsewhere"), (b"expect", b"100-continue")),
            *((b"Upper", b"case"), (b"", b"no name"), (b"x", b"\x00\r\n"), (b"\xff", b"\xff")),
            *(
                (b":path", b"/again"),
                (b":status", b"200"),
                (b"cookie", b"a=b"),
                (b"x", b"y" * 9000),
            ),
        ]
    ),
    max_size=3,
)
BLOCKS = st.one_of(
    st.builds(
        lambda method, path, more: request_block(method, path, *more), METHODS, PATHS, MORE_HEADERS
    ),
    st.builds(header_block, MORE_HEADERS),
    st.binary(max_size=40),
)
STREAM_IDS = st.sampled_from([0, 1, 1, 2, 3, 3, 3, 5, 5, 7, 99, 2**31 - 1, 2**32 - 1])
FLAGS = st.one_of(
    st.sampled_from([0, END_STREAM, END_HEADERS, END_STREAM | END_HEADERS]), st.integers(0, 255)
)
NUMBERS = st.one_of(
    st.sampled_from([0, 1, 3, 65_535, 2**31 - 1, 2**32 - 1]), st.integers(0, 2**32 - 1)
)

FRAMES = st.one_of(
    st.builds(frame, st.integers(0, 20), FLAGS, STREAM_IDS, st.binary(max_size=60)),
    st.builds(frame, st.just(DATA), FLAGS, STREAM_IDS, st.binary(max_size=60)),
    st.builds(frame, st.just(HEADERS), FLAGS, STREAM_IDS, BLOCKS),
    st.builds(frame, st.just(HEADERS), st.just(END_HEADERS), st.sampled_from([3, 5, 7]), BLOCKS),
    st.builds(frame, st.just(CONTINUATION), FLAGS, STREAM_IDS, BLOCKS),
    st.builds(
        lambda stream_id, on, weight: frame(PRIORITY, 0, stream_id, number(on) + bytes([weight])),
        STREAM_IDS,
        NUMBERS,
        st.integers(0, 255),
    ),
    st.builds(
        lambda kind, stream_id, value: frame(kind, 0, stream_id, number(value)),
        st.sampled_from([RST_STREAM, WINDOW_UPDATE]),
        STREAM_IDS,
        NUMBERS,
    ),
    st.builds(
        lambda key, value: frame(SETTINGS, 0, 0, struct.pack(">HI", key, value)),
        st.integers(0, 9),
        NUMBERS,
    ),
    st.builds(
        frame,
        st.just(PING),
        st.sampled_from([0, ACK]),
        st.just(0),
        st.binary(min_size=8, max_size=8),
    ),
    st.builds(
        lambda last, code, more: frame(GOAWAY, 0, 0, number(last) + number(code) + more),
        NUMBERS,
        NUMBERS,
        st.binary(max_size=20),
    ),
    st.builds(
        lambda stream_id, promised, block: frame(
            PUSH_PROMISE, END_HEADERS, stream_id, number(promised) + block
        ),
        STREAM_IDS,
        NUMBERS,
        BLOCKS,
    ),
)
"""One whole frame."""
