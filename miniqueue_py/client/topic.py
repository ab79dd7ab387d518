"""What a broker tells of a topic."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self


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
        """Read it from the JSON of a page."""
        return cls(
            name=told["name"],
            ready=told["ready"],
            in_flight=told["inFlight"],
            delayed=told["delayed"],
            bytes=told["bytes"],
            oldest_age_seconds=told["oldestAgeSeconds"],
            published=told["published"],
            delivered=told["delivered"],
            acknowledged=told["acknowledged"],
            expired=told["expired"],
            dead_lettered=told["deadLettered"],
            consumers=told["consumers"],
            paused=told["paused"],
            policy=told["policy"],
            dead_letter_topic=told["deadLetterTopic"],
        )
