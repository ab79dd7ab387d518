"""Requests by the thousand: answered at once, answered with much, or never whole."""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack

from benchmarks.attacks.enemy import Enemy, Target
from benchmarks.attacks.floods import (
    asking,
    attack,
    enter_flood,
    head,
    on_streams,
    opening,
    publishing,
)
from tests.outside.frames import (
    ACK,
    DATA,
    END_HEADERS,
    HANDSHAKE,
    HEADERS,
    SETTINGS,
    frame,
)

GETS = 5000
STREAMS = 10_000
BIG_PAGES = ("/openapi.json", "/metrics", "/topics/enemy/peek?max=100")
BIG_GETS = 500
SHUT = frame(SETTINGS, 0, 0, b"\0\x04\0\0\0\0")
"""A window of 0 for every stream."""
ACKNOWLEDGED = frame(SETTINGS, ACK, 0)

_FRAME_BYTES = 1 << 14
_STREAM_WINDOW = 1 << 18
_MEBIBYTE = 1 << 20
_UPLOADING_CONNECTIONS = 20
_UPLOADS = 100
_SHUT_CONNECTIONS = 4

enter_flood(
    "5,000 GET on one connection", lambda: on_streams(asking(head("GET", "/healthz")), GETS)
)
enter_flood("GET of no page", lambda: on_streams(asking(head("GET", "/no/such")), GETS))
enter_flood(
    "10,000 streams opened", lambda: on_streams(opening(head("POST", "/publish/e")), STREAMS)
)
enter_flood(
    "10,000 subscriptions", lambda: on_streams(opening(head("POST", "/subscribe/e")), STREAMS)
)
enter_flood(
    "30,000 streams opened", lambda: on_streams(opening(head("POST", "/publish/e")), 3 * STREAMS)
)
enter_flood(
    "publishes as fast as they go",
    lambda: on_streams(publishing(head("POST", "/publish/e"), b"x"), 20 * STREAMS),
)


def _big_gets() -> Iterator[bytes]:
    yield SHUT
    blocks = [head("GET", page) for page in BIG_PAGES]
    yield from on_streams(lambda number: asking(blocks[number // 2 % 3])(number), BIG_GETS)


def fill_topic(target: Target, messages: int = 64) -> None:
    """Publish some MiB, for those who ask for it back."""
    block = head("POST", "/publish/enemy")
    with Enemy(target) as enemy:
        enemy.send(HANDSHAKE)
        enemy.send_all(on_streams(publishing(block, b"x" * 16_000), messages, together=1))
        enemy.wait(0.5)


@attack("500 big GET, window shut")
def _get_behind_a_shut_window(target: Target) -> None:
    fill_topic(target)
    _hold(target, _big_gets, _SHUT_CONNECTIONS)


@attack("2,000 receive, window shut")
def _receive_behind_a_shut_window(target: Target) -> None:
    fill_topic(target, 640)
    block = head("POST", "/receive/enemy?max=100&lease=1s")
    _hold(target, lambda: (SHUT, *on_streams(asking(block), 2000)), 2)


@attack("2,000 subscriptions, window shut")
def _subscribe_behind_a_shut_window(target: Target) -> None:
    fill_topic(target, 3200)
    block = head("POST", "/subscribe/enemy")

    def subscribe(number: int) -> bytes:
        return opening(block)(number) + frame(DATA, 0, number, b'"INIT 10000"')

    _hold(target, lambda: (SHUT, *on_streams(subscribe, 2000)), 2)


def _hold(target: Target, pieces: "Iterable[bytes] | object", connections: int) -> None:
    with ExitStack() as stack:
        enemies = []
        for _ in range(connections):
            enemies.append(stack.enter_context(Enemy(target)))
            enemies[-1].send(HANDSHAKE)
            enemies[-1].send_all(pieces())  # type: ignore[operator]
        while not target.is_over:
            for enemy in enemies:
                enemy.wait(0.2 / connections)


@attack("uploads that stall")
def _stall_uploads(target: Target) -> None:
    """As much of bodies of a MiB as windows allow, less the last byte, on many streams."""
    block = head("POST", "/publish/enemy", (b"content-length", b"%d" % _MEBIBYTE))
    with ExitStack() as stack:
        enemies = []
        for _ in range(_UPLOADING_CONNECTIONS):
            enemy = stack.enter_context(Enemy(target))
            enemy.send(HANDSHAKE + ACKNOWLEDGED)  # from now on the broker's own windows count
            enemies.append(enemy)
        left = {
            (enemy, number): _MEBIBYTE - 1
            for enemy in enemies
            for number in range(1, 2 * _UPLOADS, 2)
        }
        for enemy in enemies:
            for number in range(1, 2 * _UPLOADS, 2):
                enemy.windows[number] += _STREAM_WINDOW
                enemy.send(frame(HEADERS, END_HEADERS, number, block))
        while not target.is_over and any(enemy.is_open for enemy in enemies):
            has_sent = False
            for (enemy, number), size in left.items():
                room = min(size, enemy.windows[0], enemy.windows[number], _FRAME_BYTES)
                if room <= 0 or not enemy.is_open or target.is_over:
                    continue
                enemy.send(frame(DATA, 0, number, bytes(room)))
                enemy.windows.subtract({0: room, number: room})
                left[enemy, number] = size - room
                has_sent = True
            if not has_sent:
                for enemy in enemies:
                    enemy.wait(0.01)


@attack("uploads in pieces of 8 bytes")
def _crumbling_uploads(target: Target) -> None:
    block = head("POST", "/publish/enemy")
    with ExitStack() as stack:
        enemies = [stack.enter_context(Enemy(target)) for _ in range(4)]
        for enemy in enemies:
            enemy.send(HANDSHAKE + ACKNOWLEDGED)
            enemy.send_all(on_streams(opening(block), 60))
        while not target.is_over and any(enemy.is_open for enemy in enemies):
            for enemy in enemies:
                for number in range(1, 120, 2):
                    enemy.send(frame(DATA, 0, number, b"12345678") * 500)
