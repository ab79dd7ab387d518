"""Rapid reset in every form: by the client, and by the broker because of what it was sent."""

from collections.abc import Callable

from benchmarks.attacks.floods import asking, enter_flood, head, on_streams, opening
from tests.outside.frames import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PRIORITY,
    RST_STREAM,
    WINDOW_UPDATE,
    frame,
    header_block,
)
from tests.outside.frames import (
    number as u32,
)

_STREAMS = 100_000
_BEGIN = opening(head("POST", "/subscribe/e"))
_ASK = asking(head("GET", "/metrics"))
_WHOLE = asking(head("GET", "/healthz"))
_SHORT = opening(head("POST", "/publish/e", (b"content-length", b"5")))
_CLEAN = [(b":method", b"POST"), (b":scheme", b"https"), (b":path", b"/publish/e")]
_UPPER = opening(header_block([*_CLEAN, (b"X-Upper", b"1")]))
_NO_PATH = opening(header_block(_CLEAN[:2]))
_HOP = opening(header_block([*_CLEAN, (b"connection", b"close")]))
_WIDEST = u32(2**31 - 1)


def _enter(name: str, on_stream: Callable[[int], bytes]) -> None:
    enter_flood(name, lambda: on_streams(on_stream, _STREAMS))


_enter("reset by the client", lambda s: _BEGIN(s) + frame(RST_STREAM, 0, s, u32(8)))
_enter("reset of pages by the client", lambda s: _ASK(s) + frame(RST_STREAM, 0, s, u32(8)))
_enter("reset one read later", lambda s: _BEGIN(s) + frame(RST_STREAM, 0, max(1, s - 200), u32(8)))
_enter("window overflow", lambda s: _BEGIN(s) + frame(WINDOW_UPDATE, 0, s, _WIDEST))
_enter("increment of 0", lambda s: _BEGIN(s) + frame(WINDOW_UPDATE, 0, s, u32(0)))
_enter("DATA behind END_STREAM", lambda s: _WHOLE(s) + frame(DATA, 0, s, b"x"))
_enter("HEADERS behind END_STREAM", lambda s: _WHOLE(s) + _WHOLE(s))
_enter("malformed: upper case", _UPPER)
_enter("malformed: no path", _NO_PATH)
_enter("malformed: connection", _HOP)
_enter("content-length too long", lambda s: _SHORT(s) + frame(DATA, END_STREAM, s, b"abc"))
_enter("content-length too short", lambda s: _SHORT(s) + frame(DATA, 0, s, b"abcdefgh"))
_enter("PRIORITY of wrong length", lambda s: _BEGIN(s) + frame(PRIORITY, 0, s, b"1234"))
_enter("depends on itself", lambda s: _BEGIN(s) + frame(PRIORITY, 0, s, u32(s) + b"\1"))
_enter(
    "trailers that end nothing",
    lambda s: _BEGIN(s) + frame(HEADERS, END_HEADERS, s, header_block([(b"x", b"y")])),
)
