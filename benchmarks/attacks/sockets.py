"""What is said over WebSockets, and to have one."""

from collections.abc import Iterator

from benchmarks.attacks.floods import over_and_over
from benchmarks.attacks.http1 import enter

_MANY = 500_000
_MASK = bytes(4)
_CLIENT = 0x80
"""In the second byte of a frame: its payload is masked."""

_FIN = 0x80
_CONTINUED, _TEXT, _CLOSE, _PING = 0, 1, 8, 9
_LONG, _VERY_LONG = 126, 127


def _asking(verb: str, *more: str) -> bytes:
    lines = [
        f"GET /zoldyq/queues/e/{verb} HTTP/1.1",
        "Host: localhost",
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
        *more,
    ]
    return "\r\n".join([*lines, "", ""]).encode()


def _frame(first: int, payload: bytes = b"") -> bytes:
    size = len(payload)
    if size < _LONG:
        return bytes([first, _CLIENT | size]) + _MASK + payload
    return bytes([first, _CLIENT | _LONG]) + size.to_bytes(2, "big") + _MASK + payload


def _flood(piece: bytes, *, verb: str = "dequeue", behind: bytes = b"") -> Iterator[bytes]:
    return over_and_over(piece, _MANY, behind=_asking(verb) + behind)


_ENDLESS = bytes([_FIN | _TEXT, _CLIENT | _VERY_LONG]) + (1 << 40).to_bytes(8, "big") + _MASK
_REFUSED = _asking("dequeue", "Origin: https://evil.example")

enter("WebSocket: PING", lambda: _flood(_frame(_FIN | _PING, b"x" * 125)))
enter("WebSocket: PING, unread", lambda: _flood(_frame(_FIN | _PING)), is_reading=False)
enter("WebSocket: empty frames", lambda: _flood(_frame(_CONTINUED), behind=_frame(_TEXT)))
enter("WebSocket: words", lambda: _flood(_frame(_FIN | _TEXT, b"{}"), verb="enqueue"))
enter("WebSocket: words, unread", lambda: _flood(_frame(_FIN | _TEXT, b"{}")), is_reading=False)
enter("WebSocket: a message of 1 TiB", lambda: _flood(b"x" * 1000, behind=_ENDLESS))
enter(
    "WebSocket: frames behind a Close",
    lambda: _flood(_frame(_FIN | _PING), behind=_frame(_FIN | _CLOSE)),
)
enter("WebSocket: handshakes of foreign pages", lambda: over_and_over(_REFUSED, 10_000))
