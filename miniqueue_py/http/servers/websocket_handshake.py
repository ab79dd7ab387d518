"""How a connection of HTTP/1.1 becomes a WebSocket: RFC 6455, section 4.

Nobody here inflates what a peer has deflated, without a bound, nor speaks a
subprotocol: neither is taken. Over HTTP/2 (RFC 8441) there are no WebSockets.
"""

import base64
import hashlib
import re
from collections.abc import Callable
from urllib.parse import unquote

from miniqueue_py.http.asgi import Scope
from miniqueue_py.http.exchange import Answer
from miniqueue_py.http.problems import problem
from miniqueue_py.http.servers.http1_parser import Head

EXTENSION = "miniqueue.socket"
"""The application learns what its peer has read, and says how long a message may be."""

_VERSION = b"13"
_KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")
_GUID = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_DROPPED = {b"sec-websocket-extensions", b"sec-websocket-protocol"}


def refusal_of(head: Head) -> Answer | None:
    """Return the answer to a handshake that is none."""
    if _values(head, b"sec-websocket-version") != [_VERSION]:
        status, headers, body = problem(426, "a WebSocket of version 13 is spoken here")
        return status, [*headers, (b"sec-websocket-version", _VERSION)], body
    keys = _values(head, b"sec-websocket-key")
    if len(keys) != 1 or not _KEY.fullmatch(keys[0]):
        return problem(400, "a WebSocket needs one Sec-WebSocket-Key, of 16 bytes")
    return None


def acceptance_of(head: Head) -> bytes:
    """Return the head of the answer by which the connection is a WebSocket."""
    key = _values(head, b"sec-websocket-key")[0]
    proof = base64.b64encode(hashlib.sha1(key + _GUID, usedforsecurity=False).digest())
    lines = [
        *(b"HTTP/1.1 101 Switching Protocols", b"upgrade: websocket", b"connection: Upgrade"),
        *(b"sec-websocket-accept: " + proof, b"", b""),
    ]
    return b"\r\n".join(lines)


def scope_of(
    head: Head, scheme: str, client: tuple[str, int], has_left: Callable[[], bool]
) -> Scope:
    """Return what ASGI tells an application of a WebSocket."""
    path = head.line.path
    return {
        "type": "websocket",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": head.line.version,
        "scheme": "wss" if scheme == "https" else "ws",
        "path": unquote(path.decode()),
        "raw_path": path,
        "query_string": head.line.query,
        "root_path": "",
        "headers": [each for each in head.headers if each[0] not in _DROPPED],
        "client": client,
        "server": None,
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}, EXTENSION: {"has_left": has_left}},
    }


def _values(head: Head, name: bytes) -> list[bytes]:
    return [value for key, value in head.headers if key == name]
