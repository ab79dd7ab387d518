"""How long an answer takes tells nothing about a secret: `python -m benchmarks timing`.

By statistics over 20,000 tries of each kind, in turns, in this process, on a machine that
does nothing else. The same statistics must find a difference that is made.
"""

from collections.abc import Callable, Sequence
from itertools import combinations
from math import sqrt
from random import Random
from statistics import fmean, quantiles, variance
from time import perf_counter_ns

from miniqueue_py.http.access.secrets import PREFIX, Digests, digest_of, new_secret

TRIES = 20_000
SHARED = (0, 1, 4, 8, 16, 24, 30, 31)
SUSPICIOUS = 5.0
"""Of Welch's t. Tests for leaks take 4.5 for one pair; there are 36."""


def like(right: str, shared: int) -> bytes:
    """Return a secret that nobody has, with so many bytes of the right one's text at its start."""
    keep = len(PREFIX) + shared
    other = new_secret()
    while other[keep] == right[keep]:
        other = new_secret()
    return (right[:keep] + other[keep:]).encode()


def times_of(find: Callable[[bytes], object], rights: Sequence[str]) -> list[list[int]]:
    """Return the nanoseconds that each kind took: a right one, and those that share so much.

    In turns, in a new order each time, each with a secret of its own: how a
    hash falls is nobody's doing, and is not to be taken for a difference.
    """
    times: list[list[int]] = [[] for _ in range(len(SHARED) + 1)]
    order = list(range(len(times)))
    random = Random(17)
    for _ in range(TRIES):
        right = random.choice(rights)
        secrets = [right.encode(), *(like(right, shared) for shared in SHARED)]
        random.shuffle(order)
        for i in order:
            secret = secrets[i]
            began = perf_counter_ns()
            find(secret)
            times[i].append(perf_counter_ns() - began)
    return times


def t_of(one: Sequence[int], two: Sequence[int]) -> float:
    """Return Welch's t of two samples, without what other processes added."""
    limit = quantiles([*one, *two], n=20)[16]
    first, second = ([each for each in times if each <= limit] for times in (one, two))
    spread = sqrt(variance(first) / len(first) + variance(second) / len(second))
    return abs(fmean(first) - fmean(second)) / (spread or 1.0)


def worst_t(find: Callable[[bytes], object], rights: Sequence[str]) -> float:
    times = times_of(find, rights)
    return max(t_of(one, two) for one, two in combinations(times, 2))


def main(_words: Sequence[str]) -> None:
    rights = [new_secret() for _ in range(200)]
    digests = Digests((digest_of(right.encode()), right) for right in rights)
    known = {digest_of(right.encode()): right for right in rights}
    ours, control = (
        worst_t(digests.find, rights),
        worst_t(lambda secret: known.get(digest_of(secret)), rights),
    )
    print(f"Welch's t of the worst of 36 pairs: {ours:.1f}, suspicious from {SUSPICIOUS:g} on")
    print(f"of a dict, where there is a difference: {control:.1f}")
    raise SystemExit(ours >= SUSPICIOUS)
