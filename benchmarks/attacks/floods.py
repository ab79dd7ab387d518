"""How an attack goes on: over and over, with another connection when one is ended."""

from collections.abc import Callable, Iterable, Iterator

from benchmarks.attacks.enemy import Enemy, Target
from tests.outside.frames import (
    DATA,
    END_HEADERS,
    END_STREAM,
    HANDSHAKE,
    HEADERS,
    Header,
    frame,
    header_block,
)

Attack = Callable[[Target], None]

ATTACKS: dict[str, Attack] = {}
"""By name, in the table's order."""

_MOST_CONNECTIONS = 50
"""One after the other: a handshake costs the attacker as much as the broker."""

_PAUSE_SECONDS = 0.1


def attack(name: str) -> Callable[[Attack], Attack]:
    """Enter an attack in the table."""

    def enter(function: Attack) -> Attack:
        ATTACKS[name] = function
        return function

    return enter


def flood(
    target: Target, pieces: Callable[[], Iterable[bytes]], *, is_reading: bool = True
) -> None:
    """Send what `pieces` yields behind a handshake; begin anew when the connection is ended."""
    for _ in range(_MOST_CONNECTIONS):
        if target.is_over:
            return
        try:
            with Enemy(target, is_reading=is_reading) as enemy:
                enemy.send(HANDSHAKE)
                enemy.send_all(pieces())
                enemy.wait()
        except OSError:
            pass  # refused, which is one of the answers
        target.rest(_PAUSE_SECONDS)


def enter_flood(name: str, pieces: Callable[[], Iterable[bytes]]) -> None:
    """Enter an attack that is a flood and nothing else."""
    ATTACKS[name] = lambda target: flood(target, pieces)


def over_and_over(piece: bytes, at_most: int, *, behind: bytes = b"") -> Iterator[bytes]:
    """Yield the same again and again, some KiB at a time, after a first piece."""
    yield behind
    many = max(1, (1 << 14) // len(piece))
    for _ in range(at_most // many):
        yield piece * many


def on_streams(
    make: Callable[[int], bytes], count: int, *, first: int = 1, together: int = 50
) -> Iterator[bytes]:
    """Yield what `make` returns for the numbers of so many streams."""
    for start in range(first, first + 2 * count, 2 * together):
        end = min(start + 2 * together, first + 2 * count)
        yield b"".join(make(number) for number in range(start, end, 2))


def head(method: str, path: str, *more: Header) -> bytes:
    """Return a header block that is made once and serves every stream."""
    pseudo = [(b":method", method.encode()), (b":scheme", b"https"), (b":path", path.encode())]
    return header_block([*pseudo, (b":authority", b"localhost"), *more])


def opening(block: bytes) -> Callable[[int], bytes]:
    """Return what begins a stream whose body is to come."""
    return lambda number: frame(HEADERS, END_HEADERS, number, block)


def asking(block: bytes) -> Callable[[int], bytes]:
    """Return what is a request as a whole."""
    return lambda number: frame(HEADERS, END_HEADERS | END_STREAM, number, block)


def publishing(block: bytes, body: bytes) -> Callable[[int], bytes]:
    """Return what is a request with a body."""
    return lambda number: (
        frame(HEADERS, END_HEADERS, number, block) + frame(DATA, END_STREAM, number, body)
    )
