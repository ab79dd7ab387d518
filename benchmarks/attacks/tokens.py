"""Tokens that are nobody's, by the thousand, at a broker that asks for them."""

from collections.abc import Iterator
from itertools import count

from benchmarks.attacks.enemy import Target
from benchmarks.attacks.floods import attack, flood, head, publishing

GUARDED = "wrong tokens by the thousand"
"""The attack whose broker has -tokens; its neighbours have one that is right."""

_TOKENS = 20_000
_TOGETHER = 50


@attack(GUARDED)
def _wrong_tokens(target: Target) -> None:
    """Each another one: what is found out about one is of no use for the next."""
    flood(target, _guesses)


def _guesses() -> Iterator[bytes]:
    numbers = count(1, 2)
    for _ in range(_TOKENS // _TOGETHER):
        pieces = []
        for _ in range(_TOGETHER):
            number = next(numbers)
            guess = b"Bearer mq_%043d" % number
            block = head("POST", "/publish/lawful-0", (b"authorization", guess))
            pieces.append(publishing(block, b"x")(number))
        yield b"".join(pieces)
