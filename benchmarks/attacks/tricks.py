"""Requests that two readers could read in two ways, and paths that mean to lead elsewhere."""

import itertools
from collections.abc import Iterator

from benchmarks.attacks.floods import (
    asking,
    enter_flood,
    head,
    on_streams,
    opening,
    over_and_over,
)
from benchmarks.attacks.http1 import enter
from tests.outside.frames import DATA, frame

_MANY = 500_000
_STREAMS = 10_000
_HOST = b"Host: localhost\r\n"
_SMUGGLED = b"DELETE /e HTTP/1.1\r\n" + _HOST + b"\r\n"

_SHAPES = [
    b"Content-Length: 0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"Content-Length: %d\r\nContent-Length: 0\r\n\r\n" % len(_SMUGGLED),
    b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
    b"Transfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    b"Content-Length: +0\r\n\r\n",
    b"Content-Length: 0x0\r\n\r\n",
    b"X: y\r\n Content-Length: 0\r\n\r\n",
    b"X: y\rContent-Length: 0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\n0\n\n",
    b"Transfer-Encoding: chunked\r\n\r\n0x0\r\n\r\n",
    b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF0\r\n\r\n",
]
"""Behind the line of a POST: fields, and what would end its body for one of two readers."""

_PATHS = [
    "/../../etc/passwd",
    "/publish/%2e%2e%2f%2e%2e%2fetc",
    "/tasks/../../etc/passwd",
    "/tasks/%2e%2e/%2e%2e/etc/passwd",
    "/tasks//etc/passwd",
    "/tasks/index.html%00.png",
    "/zapq/load?file=../../etc/passwd",
    "/zapq/persist?file=%2fetc%2fcron.d%2fx",
    "//evil.example/publish/e",
    "/publish/" + "%25" * 300 + "2f",
    "/topics/" + "/".join(["a"] * 500),
    "/publish/%c0%ae%c0%ae",
    "/openapi.json;/../metrics",
    "/topics/e?" + "&".join(f"x{number}=y" for number in range(2000)),
]


def _smuggle() -> Iterator[bytes]:
    """Yield each shape by itself: the first that is refused ends its connection."""
    return iter((b"POST /publish/e HTTP/1.1\r\n" + _HOST + next(_shapes) + _SMUGGLED * 50,))


_shapes = itertools.cycle(_SHAPES)


def _tricks() -> Iterator[bytes]:
    methods = itertools.cycle(("GET", "POST", "DELETE"))
    blocks = [asking(head(next(methods), path)) for path in _PATHS]
    return on_streams(lambda number: blocks[number // 2 % len(blocks)](number), _STREAMS)


def _foreign() -> Iterator[bytes]:
    theirs = (b"origin", b"https://evil.example"), (b"sec-fetch-site", b"cross-site")
    return on_streams(asking(head("POST", "/publish/e", *theirs)), 3 * _STREAMS)


def _endless_line() -> Iterator[bytes]:
    """Yield a batch whose first line never ends, as much of it as windows let go."""
    begun = opening(head("POST", "/publish/e/batch", (b"content-type", b"text/plain")))(1)
    return over_and_over(frame(DATA, 0, 1, b"x" * 16_000), _MANY, behind=begun)


def _empty_lines() -> Iterator[bytes]:
    begun = opening(head("POST", "/publish/e/batch", (b"content-type", b"text/plain")))(1)
    return over_and_over(frame(DATA, 0, 1, b"\n" * 16_000), _MANY, behind=begun)


enter("smuggling", _smuggle)
enter_flood("path tricks", _tricks)
enter_flood("requests of foreign pages", _foreign)
enter_flood("a batch line without end", _endless_line)
enter_flood("a batch of empty lines", _empty_lines)
