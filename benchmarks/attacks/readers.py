"""Peers that never read their socket, and ask on and on."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack

from benchmarks.attacks.enemy import Enemy, Target
from benchmarks.attacks.floods import (
    asking,
    attack,
    enter_flood,
    head,
    on_streams,
    opening,
    over_and_over,
    publishing,
)
from benchmarks.attacks.requests import fill_topic
from tests.outside.frames import (
    DATA,
    HANDSHAKE,
    PING,
    RST_STREAM,
    SETTINGS,
    WINDOW_UPDATE,
    frame,
    number,
)

_CONNECTIONS = 4
_WIDE = frame(SETTINGS, 0, 0, b"\0\x04\x7f\xff\xff\xff") + frame(
    WINDOW_UPDATE, 0, 0, number(2**31 - 1 - 65_535)
)


def _unread(target: Target, pieces: Callable[[], Iterable[bytes]]) -> None:
    with ExitStack() as stack:
        enemies = []
        for _ in range(_CONNECTIONS):
            enemy = stack.enter_context(Enemy(target, is_reading=False))
            enemy.send(HANDSHAKE + _WIDE)
            enemies.append((enemy, iter(pieces())))
        while not target.is_over:
            for enemy, rest in enemies:
                piece = next(rest, b"")
                if piece and enemy.is_open:
                    _offer(enemy, piece)
            target.rest(0.0005)


def _offer(enemy: Enemy, piece: bytes) -> None:
    """Send a piece; the others wait meanwhile, until the broker reads no more of anybody."""
    enemy.send(piece)


@attack("socket unread: publishes")
def _publish(target: Target) -> None:
    block = head("POST", "/publish/e")
    _unread(target, lambda: on_streams(publishing(block, b"x"), 400_000))


@attack("socket unread: pages")
def _pages(target: Target) -> None:
    _unread(target, lambda: on_streams(asking(head("GET", "/openapi.json")), 100_000))


@attack("socket unread: healthz")
def _healthz(target: Target) -> None:
    _unread(target, lambda: on_streams(asking(head("GET", "/healthz")), 400_000))


@attack("socket unread: streams without end")
def _streams(target: Target) -> None:
    _unread(target, lambda: on_streams(opening(head("POST", "/publish/e")), 400_000))


@attack("socket unread: subscriptions")
def _subscribe(target: Target) -> None:
    fill_topic(target, 3200)
    block = head("POST", "/subscribe/enemy")

    def subscribe(stream_id: int) -> bytes:
        return opening(block)(stream_id) + frame(DATA, 0, stream_id, b'"INIT 1000"')

    _unread(target, lambda: on_streams(subscribe, 400_000))


@attack("socket unread: PING")
def _ping(target: Target) -> None:
    _unread(target, lambda: over_and_over(frame(PING, 0, 0, b"12345678"), 500_000))


@attack("socket unread: resets")
def _reset(target: Target) -> None:
    begin = opening(head("POST", "/subscribe/e"))
    _unread(
        target,
        lambda: on_streams(lambda s: begin(s) + frame(RST_STREAM, 0, s, number(8)), 100_000),
    )


def _window_of_one() -> Iterator[bytes]:
    yield frame(SETTINGS, 0, 0, b"\0\x04\0\0\0\1")
    block = head("GET", "/openapi.json")
    for first in range(1, 200, 2):
        yield asking(block)(first)
    for _ in range(1000):
        yield b"".join(
            frame(WINDOW_UPDATE, 0, stream_id, number(1)) for stream_id in range(1, 200, 2)
        )


enter_flood("windows of one byte", _window_of_one)
