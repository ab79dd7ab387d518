"""A topic as pages tell it: the one place where its words stand.

The server makes one and sends `as_json`, the client reads it by `of`, commands print it, and
/openapi.json describes it: a new figure is a field here, and its description.
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

STATES = ("ready", "inFlight", "delayed")
"""Where a message may be that is looked for."""

REASONS = ("maxDeliveries", "DEAD")
"""Why a message became a dead letter."""

COUNTS: Mapping[str, str] = {
    "ready": "Waiting for a consumer.",
    "inFlight": "With a consumer.",
    "delayed": "Set aside until an instant.",
    "bytes": "Of the bodies of all these.",
    "published": "Since the topic was made, as all that follow.",
    "delivered": "Handings-out.",
    "acknowledged": "Done.",
    "expired": "Removed because their ttl was over.",
    "deadLettered": "Moved to a dead-letter topic.",
    "consumers": "Streams and requests that want messages now.",
}
"""What is counted of a topic, and what each figure means."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic as it was when the broker was asked; `docs/protocol.md` has each word."""

    name: str
    ready: int
    in_flight: int
    delayed: int
    bytes: int
    oldest_age_seconds: float | None
    published: int
    delivered: int
    acknowledged: int
    expired: int
    dead_lettered: int
    consumers: int
    paused: bool
    policy: Mapping[str, Any]
    dead_letter_topic: str

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Self:
        """Read it from the JSON of a page. Raises KeyError, of what is not there."""
        return cls(**{name: told[word] for name, word in _words().items()})

    def as_json(self) -> dict[str, Any]:
        """Return it with the words of the wire."""
        return {word: getattr(self, name) for name, word in _words().items()}


def _words() -> Mapping[str, str]:
    """Return what each field is called on the wire."""
    return {each.name: _on_the_wire(each.name) for each in fields(Topic)}


def _on_the_wire(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(map(str.capitalize, others))
