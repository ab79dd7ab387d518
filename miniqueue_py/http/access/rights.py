"""The four rights, and the topics that each is for.

A glob has one special character: `*` is any run of characters, also none. A
dead-letter topic follows its topic: whoever has a right on `orders` has it on
`orders.dead`, and nobody else, whatever their globs match.
"""

from collections.abc import Sequence
from typing import Literal, get_args

Right = Literal["publish", "consume", "inspect", "admin"]
RIGHTS: tuple[Right, ...] = get_args(Right)

PUBLISH: Right = "publish"
CONSUME: Right = "consume"
INSPECT: Right = "inspect"
ADMIN: Right = "admin"

EVERY_TOPIC = "/"
"""What a page is about that tells of all topics: no topic can be called so, and of all globs
only `*` matches it."""

_DEAD = ".dead"


def governing(topic: str) -> str:
    """Return the topic whose rights decide: a dead-letter topic has those of its topic."""
    while topic.endswith(_DEAD) and topic != _DEAD:
        topic = topic[: -len(_DEAD)]
    return topic


def is_match(glob: str, topic: str) -> bool:
    """Tell if a glob matches a whole name. In time that grows as the product of their lengths."""
    first, *others = glob.split("*")
    if not others:
        return glob == topic
    *middle, last = others
    if len(topic) < len(first) + len(last):
        return False
    if not (topic.startswith(first) and topic.endswith(last)):
        return False
    at, end = len(first), len(topic) - len(last)
    for piece in middle:  # the leftmost is the one that leaves most for the others
        at = topic.find(piece, at, end)
        if at < 0:
            return False
        at += len(piece)
    return True


def is_any_match(globs: Sequence[str], topic: str) -> bool:
    """Tell if one of them matches the topic, or the one that it follows."""
    decisive = governing(topic)
    return any(is_match(glob, decisive) for glob in globs)


def shown_topic(topic: str) -> str:
    """Return how a refusal names what was asked for."""
    if topic == EVERY_TOPIC:
        return "every topic"
    decisive = governing(topic)
    return f"topic {topic!r}" + (f", which is by {decisive!r}" if decisive != topic else "")
