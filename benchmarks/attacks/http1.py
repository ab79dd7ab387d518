"""What is said over HTTP/1.1 to hold a connection, or a broker, for as long as can be."""

import contextlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack

from benchmarks.attacks.enemy import Enemy, Target
from benchmarks.attacks.floods import ATTACKS, over_and_over

_PROTOCOLS = ("http/1.1",)
_SLOW_CONNECTIONS = 300
_MOST_CONNECTIONS = 50
_PIPELINED = 10_000
_MANY = 500_000

_GET = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
_PAGE = b"GET /openapi.json HTTP/1.1\r\nHost: localhost\r\n\r\n"
_CHUNKED = b"POST /publish/e HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"
_LONG = b"POST /publish/e HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n"
_HEAD = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: "
_PUBLISH = b"POST /publish/e HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\nx"


def enter(name: str, pieces: Callable[[], Iterable[bytes]], *, is_reading: bool = True) -> None:
    """Enter an attack that says all this, on another connection when one was closed."""

    def send(target: Target) -> None:
        for _ in range(_MOST_CONNECTIONS):
            if target.is_over:
                return
            with (
                contextlib.suppress(OSError),
                Enemy(target, _PROTOCOLS, is_reading=is_reading) as enemy,
            ):
                enemy.send_all(pieces())
                enemy.wait()
            target.rest(0.1)

    ATTACKS[f"HTTP/1.1: {name}"] = send


def _enter_slow(name: str, first: bytes, trickle: bytes) -> None:
    """Enter an attack on many connections, a byte at a time on each."""

    def send(target: Target) -> None:
        with ExitStack() as stack:
            enemies = []
            for _ in range(_SLOW_CONNECTIONS):
                if target.is_over:
                    break
                with contextlib.suppress(OSError):
                    enemies.append(stack.enter_context(Enemy(target, _PROTOCOLS)))
                    enemies[-1].send(first)
            while not target.is_over:
                for enemy in enemies:
                    enemy.send(trickle)
                target.rest(0.2)

    ATTACKS[f"HTTP/1.1: {name}"] = send


def _extensions() -> Iterator[bytes]:
    yield _CHUNKED
    for _ in range(2000):
        yield b"1;" + b"x" * 16_000 + b"\r\ny\r\n"


_enter_slow("slow heads", _HEAD, b"y")
_enter_slow("slow bodies", _LONG, b"y")
_enter_slow("not a word", b"", b"")
enter("10,000 requests at once", lambda: over_and_over(_GET, _PIPELINED))
enter("10,000 publishes at once", lambda: over_and_over(_PUBLISH, _PIPELINED))
enter("10,000 pages at once, unread", lambda: over_and_over(_PAGE, _PIPELINED), is_reading=False)
enter("publishes at once, unread", lambda: over_and_over(_PUBLISH, _MANY), is_reading=False)
enter("chunks of one byte", lambda: over_and_over(b"1\r\nx\r\n", _MANY, behind=_CHUNKED))
enter("chunk extensions of 16 KB", _extensions)
enter(
    "a chunk extension without end",
    lambda: over_and_over(b"x" * 1000, _MANY, behind=_CHUNKED + b"1;"),
)
enter(
    "trailers without end",
    lambda: over_and_over(b"x: y\r\n", _MANY, behind=_CHUNKED + b"1\r\nx\r\n0\r\n"),
)
enter("a head without end", lambda: over_and_over(b"x: y\r\n", _MANY, behind=_HEAD + b"\r\n"))
enter("a target without end", lambda: over_and_over(b"x" * 1000, _MANY, behind=b"GET /"))
enter("empty lines", lambda: over_and_over(b"\r\n", _MANY))
enter("zeros in a chunk size", lambda: over_and_over(b"0" * 1000, _MANY, behind=_CHUNKED))
