"""What is published, and what has happened to it since."""

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

MessageId = tuple[int, int]
"""The number of the topic it was first published to, and its place in the order of
publishing there. A message keeps it wherever it goes."""


_ID_TEXT = re.compile(r"([0-9]{1,20})-([0-9]{1,20})", re.ASCII)


def id_text(message_id: MessageId) -> str:
    """Return the id as clients see it: `1-17`."""
    return f"{message_id[0]}-{message_id[1]}"


def parse_id(text: str) -> MessageId:
    """Return the id that clients see so. Raises ValueError, in the end of a sentence."""
    numbers = _ID_TEXT.fullmatch(text)
    if numbers is None:
        raise ValueError("is not a message's id, such as 6-7")
    return int(numbers[1]), int(numbers[2])


class Origin(NamedTuple):
    """Where a dead letter came from, and why it left."""

    topic: str
    reason: str
    attempts: int
    at_ms: int
    first: "Origin | None" = None
    """Where it died first, when it has died again since; that has no `first` of its own."""


class Extras(NamedTuple):
    """What most messages have not; times are milliseconds since the epoch."""

    dack_count: int = 0
    """How often it was set aside by a DACK."""
    attempts: int = 0
    """How often it was handed out and came back."""
    priority: int = 0
    """0 to 255, the higher first."""
    expires_ms: int | None = None
    origin: Origin | None = None


PLAIN = Extras()


class Message(NamedTuple):
    """A body of bytes with an id.

    A tuple, not a dataclass: one is made for every delivery.
    """

    body: bytes
    id: MessageId
    published_ms: int | None
    """None for what an early version stored, which did not write it down."""
    extras: Extras = PLAIN

    @property
    def attempt(self) -> int:
        """The number of the next handing-out, or of the one under way."""
        return self.extras.attempts + 1

    def has_expired(self, now_ms: int) -> bool:
        expires_ms = self.extras.expires_ms
        return expires_ms is not None and expires_ms <= now_ms


class Publication(NamedTuple):
    """Bodies to publish, in order, under the same terms."""

    bodies: Sequence[bytes]
    priority: int = 0
    delay_seconds: float = 0.0
    ttl_seconds: float | None = None
    key: str | None = None
    """Of one body: a second publication of the key to the topic stores nothing."""


class BatchCount(NamedTuple):
    """How far a batch has come that may go on in another request."""

    key: str
    """Of the batch: it has nothing to do with a message's key that reads the same."""
    messages: int
    """From its beginning, in whatever request they came."""


class Stored(NamedTuple):
    """What became of a publication."""

    id: MessageId
    """Of its first message; those behind it are numbered on."""
    is_duplicate: bool = False


_new: Any = tuple.__new__
stored_of: Callable[[tuple[MessageId, bool]], Stored] = partial(_new, Stored)
"""Make one of its two fields: a builtin, since one is made for every message."""
