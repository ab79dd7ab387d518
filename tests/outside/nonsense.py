"""Nonsense for Hypothesis to make: on each layer what is right, nearly right, and not."""

import struct
from collections.abc import Iterator

from hypothesis import strategies as st

from tests.outside import frames
from tests.outside.frames import (
    ACK,
    END_HEADERS,
    END_STREAM,
    HANDSHAKE,
    frame,
    header_block,
    number,
    request_block,
)

CUTS = st.lists(st.integers(1, 40), max_size=8)
"""Where to cut what is sent."""


def pieces(data: bytes, cuts: list[int]) -> Iterator[bytes]:
    """Cut the data into pieces of these sizes, and the rest."""
    for size in cuts:
        if data:
            yield data[:size]
        data = data[size:]
    if data:
        yield data


# What a subscription may be told.

_COMMANDS = st.sampled_from(
    [
        *('"INIT"', '"ACK"', '"NACK"', '"BACK"', '"DACK 0"', '"DACK 3600"'),
        *('"INIT 5"', '"CREDIT 2"', '"ACK 1"', '"NACK 2 1"', '"BACK ..2"', '"DACK 3600 1"'),
        *('"RELEASE"', '"DEAD 1"', '"TOUCH"', '"ACK 99"', '"ACK 1 1"'),
    ]
)
_NEAR_COMMANDS = st.sampled_from(
    [
        *('"init"', '"INIT', 'INIT"', '"INIT 0"', '"ACK "', '" ACK"', '"\\u0041CK"', "'ACK'", '""'),
        *('"DACK"', '"DACK "', '"DACK -1"', '"DACK 1.5"', '"DACK \u0665"', '"DACK 5 x"'),
        *(
            '"INIT -5"',
            '"INIT 1e18"',
            '"CREDIT"',
            '"CREDIT -1"',
            '"ACK ..0"',
            '"ACK .."',
            '"ACK 0"',
        ),
        *('"ACK 1 ..2"', '"NACK 1  2"', '"DACK 0 ..0"', '"ACK 99999999999999999999"'),
        *('"DACK 99999999999999999999"', '"DACK 2147483647"', '"DACK\\u00201"', '"\\ud800"'),
        *('"\\x"', '"\n"', '"\0"', '"ACK",', "{}", "[]", "[" * 500, "null", "1", "\ufeff"),
        *('"' + "A" * 5000, '"' + "\\" * 501),
    ]
)
_SPACES = st.sampled_from(["", "", " ", "\n", "\r\n\t ", "\v"])
SUBSCRIBE_BODIES = st.lists(
    st.one_of(
        *(texts.map(str.encode) for texts in (_COMMANDS, _COMMANDS, _NEAR_COMMANDS, _SPACES)),
        st.binary(max_size=30),
    ),
    max_size=12,
).map(b"".join)

# What may come as HTTP/2.

_METHODS = st.sampled_from(
    [
        *(b"POST", b"POST", b"POST", b"GET", b"PUT", b"DELETE", b"HEAD", b"CONNECT"),
        *(b"post", b"", b"\xff", b"A B"),
    ]
)
_PATHS = st.sampled_from(
    [
        *(b"/publish/fuzz", b"/publish/fuzz", b"/subscribe/fuzz", b"/subscribe/fuzz", b"/fuzz"),
        *(b"/publish/fuzz?delay=1h", b"/publish/fuzz?ttl=0", b"/subscribe/fuzz?lease=1h"),
        *(b"/publish/fuzz/batch", b"/receive/fuzz", b"/settle/fuzz", b"/topics", b"/topics/fuzz"),
        *(b"/topics/fuzz/pause", b"/topics/fuzz/redrive?max=x", b"/topics/fuzz/peek"),
        *(b"", b"*", b"/", b"//", b"fuzz", b"https://localhost/publish/fuzz", b"/publish/%zz%"),
        *(b"/publish/\xc3\xa9", b"/subscribe/\xff", b"/fuzz?\xff=\x80", b"/%ff", b"/a b", b"/#"),
    ]
)
_MORE_HEADERS = st.lists(
    st.sampled_from(
        [
            *((b"content-length", value) for value in (b"0", b"3", b"-1", b"x", b"9" * 30)),
            *((b"te", b"trailers"), (b"transfer-encoding", b"chunked"), (b"connection", b"close")),
            *((b":protocol", b"websocket"), (b"sec-websocket-version", b"13")),
            *((b"upgrade", b"h2c"), (b"host", b"elsewhere"), (b"expect", b"100-continue")),
            *((b"Upper", b"case"), (b"", b"no name"), (b"x", b"\x00\r\n"), (b"\xff", b"\xff")),
            *((b":path", b"/again"), (b":status", b"200"), (b"cookie", b"a=b")),
            (b"x", b"y" * 9000),
        ]
    ),
    max_size=3,
)
_BLOCKS = st.one_of(
    st.builds(
        lambda method, path, more: request_block(method, path, *more),
        _METHODS,
        _PATHS,
        _MORE_HEADERS,
    ),
    st.builds(header_block, _MORE_HEADERS),
    st.binary(max_size=40),
)
_STREAM_IDS = st.sampled_from([0, 1, 1, 2, 3, 3, 3, 5, 5, 7, 99, 2**31 - 1, 2**32 - 1])
_FLAGS = st.one_of(
    st.sampled_from([0, END_STREAM, END_HEADERS, END_STREAM | END_HEADERS]), st.integers(0, 255)
)
_NUMBERS = st.one_of(
    st.sampled_from([0, 1, 3, 65_535, 2**31 - 1, 2**32 - 1]), st.integers(0, 2**32 - 1)
)

FRAMES = st.one_of(
    st.builds(frame, st.integers(0, 20), _FLAGS, _STREAM_IDS, st.binary(max_size=60)),
    st.builds(frame, st.just(frames.DATA), _FLAGS, _STREAM_IDS, st.binary(max_size=60)),
    st.builds(frame, st.just(frames.HEADERS), _FLAGS, _STREAM_IDS, _BLOCKS),
    st.builds(
        frame, st.just(frames.HEADERS), st.just(END_HEADERS), st.sampled_from([3, 5, 7]), _BLOCKS
    ),
    st.builds(frame, st.just(frames.CONTINUATION), _FLAGS, _STREAM_IDS, _BLOCKS),
    st.builds(
        lambda stream_id, on, weight: frame(
            frames.PRIORITY, 0, stream_id, number(on) + bytes([weight])
        ),
        _STREAM_IDS,
        _NUMBERS,
        st.integers(0, 255),
    ),
    st.builds(
        lambda kind, stream_id, value: frame(kind, 0, stream_id, number(value)),
        st.sampled_from([frames.RST_STREAM, frames.WINDOW_UPDATE]),
        _STREAM_IDS,
        _NUMBERS,
    ),
    st.builds(
        lambda key, value: frame(frames.SETTINGS, 0, 0, struct.pack(">HI", key, value)),
        st.integers(0, 9),
        _NUMBERS,
    ),
    st.builds(
        frame,
        st.just(frames.PING),
        st.sampled_from([0, ACK]),
        st.just(0),
        st.binary(min_size=8, max_size=8),
    ),
    st.builds(
        lambda last, code, more: frame(frames.GOAWAY, 0, 0, number(last) + number(code) + more),
        _NUMBERS,
        _NUMBERS,
        st.binary(max_size=20),
    ),
    st.builds(
        lambda stream_id, promised, block: frame(
            frames.PUSH_PROMISE, END_HEADERS, stream_id, number(promised) + block
        ),
        _STREAM_IDS,
        _NUMBERS,
        _BLOCKS,
    ),
)
"""One whole frame."""

# What may come as HTTP/1.1.

_HTTP1_HEADERS = [
    *(b"Content-Length: 0", b"Content-Length: 3", b"Content-Length: -1", b"Host: localhost"),
    *(b"Transfer-Encoding: chunked", b"Transfer-Encoding: gzip", b"Expect: 100-continue"),
    *(b"Upgrade: h2c", b"HTTP2-Settings: AAMAAABkAAQAAP__", b"HTTP2-Settings: AAMA"),
    *(b"Upgrade: websocket", b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", b"X: \xff\x00"),
    *(b"Connection: Upgrade", b"Sec-WebSocket-Version: 13", b"Sec-WebSocket-Version: \xff"),
    *(b"Connection: close", b" folded", b"X: " + b"y" * 70_000),
]
_HTTP1_LINES = [
    *(b"POST /publish/fuzz HTTP/1.1", b"POST /subscribe/fuzz HTTP/1.1", b"GET / HTTP/1.1"),
    *(b"GET /fuzz HTTP/1.1", b"GET / HTTP/1.0", b"GET / HTTP/9.9", b"OPTIONS * HTTP/1.1"),
    *(b"GET /\xc3\xa9 HTTP/1.1", b"GET http://[ HTTP/1.1", b"CONNECT x:1 HTTP/1.1"),
    *(b"PRI * HTTP/2.0", b"SM", b"", b"3", b"ACK", b"0", b"ffffffffffffffff", b"\xff\xfe"),
]
_HTTP1_REQUESTS = st.builds(
    lambda line, headers: b"\r\n".join([line, b"Host: localhost", *headers, b"", b""]),
    st.sampled_from(_HTTP1_LINES),
    st.lists(st.sampled_from(_HTTP1_HEADERS), max_size=4),
)
_HTTP1_RUBBLE = st.lists(st.sampled_from(_HTTP1_LINES + _HTTP1_HEADERS), max_size=9)
HTTP1 = st.lists(
    st.one_of(
        _HTTP1_REQUESTS,
        _HTTP1_REQUESTS,
        _HTTP1_RUBBLE.map(b"\r\n".join),
        st.binary(max_size=100),
    ),
    min_size=1,
    max_size=4,
).map(b"".join)

# What may come as TLS.

_HALF_A_CLIENT_HELLO = b"\x16\x03\x01\x00\x80\x01\x00\x00\x7c\x03\x03"
TLS = st.one_of(
    st.binary(max_size=300),
    st.binary(max_size=100).map(lambda rest: _HALF_A_CLIENT_HELLO + rest),
    st.just(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"),
    st.just(HANDSHAKE),
)
