"""HTTP/2 frames made and read by hand, as cheaply as Python can.

A load generator on a full HTTP/2 library would measure that library. Requests
are bytes made once; answers are looked at only as far as a figure needs.
The server is told to keep no HPACK table, so every status stands in plain
sight at the start of its header block.
"""

import ssl
import struct
from pathlib import Path

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
END_STREAM = ACKNOWLEDGED = 0x1
END_HEADERS = 0x4
INITIAL_WINDOW, MAX_FRAME = 4, 5  # settings

FIRST_WINDOW = 65_535
FIRST_MAX_FRAME = 16_384

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_WIDEST = 2**31 - 1
_LONGEST = 2**24 - 1
_POST, _HTTPS = b"\x83", b"\x87"  # from HPACK's static table
_AUTHORITY, _PATH, _CONTENT_TYPE = b"\x01", b"\x04", b"\x0f\x10"  # literals, not to be indexed
# "200" is in the static table; "201" is plain or in Huffman's code.
_GOOD_STATUSES = (b"\x88", b"201", b"\x82\x10\x03")


def frame(kind: int, flags: int, stream_id: int, payload: bytes = b"") -> bytes:
    return struct.pack("!IBI", len(payload) << 8 | kind, flags, stream_id) + payload


def post_block(path: str, content_type: str | None = None) -> bytes:
    """Make the header block of a POST, the same on every stream."""
    block = _POST + _HTTPS + _literal(_AUTHORITY, "localhost") + _literal(_PATH, path)
    return block + _literal(_CONTENT_TYPE, content_type) if content_type else block


def greeting() -> bytes:
    """Open a connection on which the server never waits for a window of ours."""
    settings = {1: 0, 2: 0, INITIAL_WINDOW: _WIDEST, MAX_FRAME: _LONGEST}  # header table, push
    payload = b"".join(struct.pack("!HI", *setting) for setting in settings.items())
    return _PREFACE + frame(SETTINGS, 0, 0, payload) + widen(0, _WIDEST - FIRST_WINDOW)


def widen(stream_id: int, size: int) -> bytes:
    """Let the server send so much more; stream 0 is the whole connection."""
    return frame(WINDOW_UPDATE, 0, stream_id, struct.pack("!I", size))


def is_refusal(block: bytes) -> bool:
    """Tell if an answer's headers bring bad news."""
    return not any(status in block[:12] for status in _GOOD_STATUSES)


def trusting(ca: Path, protocol: str = "h2") -> ssl.SSLContext:
    """Make what a client needs to speak to a server of that authority."""
    context = ssl.create_default_context(cafile=ca)
    context.set_alpn_protocols([protocol])
    return context


def _literal(name: bytes, value: str) -> bytes:
    encoded = value.encode()
    if len(encoded) > 126:
        raise ValueError("longer values need HPACK's long lengths")
    return name + bytes([len(encoded)]) + encoded
