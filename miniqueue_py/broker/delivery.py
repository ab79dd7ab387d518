"""One handing-out of a message, and the ways it can end."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from miniqueue_py.broker.message import Message


class Delivery(NamedTuple):
    """A message handed out, and the right to settle it once.

    `receipt` and `topic` are the engine's own: nobody else looks inside.
    Deliveries compare by identity, because a second handing-out of a message
    is another delivery. (A tuple all the same: builtins make many at a time.)
    """

    message: Message
    receipt: Any
    topic: Any = None

    def __repr__(self) -> str:
        return f"<Delivery of {len(self.message.body)} bytes, attempt {self.message.attempt}>"

    def __eq__(self, other: object) -> bool:
        return self is other

    def __ne__(self, other: object) -> bool:
        return self is not other

    def __hash__(self) -> int:
        return id(self)


@dataclass(frozen=True, slots=True)
class Ack:
    """Done: the message is removed."""


@dataclass(frozen=True, slots=True)
class Requeue:
    """Not done: back to its place at the front, or behind everything that waits."""

    front: bool
    is_counted: bool = True
    """False when the attempt is taken for one that never happened."""
    must_last: bool = False
    """True when the count of attempts has to survive the process, at the price of a write."""


@dataclass(frozen=True, slots=True)
class Delay:
    """Not done: set aside until an instant, in seconds since the epoch; then to the front."""

    until: float
    is_dack: bool = True
    """False when a policy delays it, and not its consumer."""


@dataclass(frozen=True, slots=True)
class Bury:
    """Given up: to the back of another topic, with a note of where it came from."""

    topic: str
    reason: str
    at_ms: int
    expires_ms: int | None = None
    """By when it is to be gone from there too, if that topic's policy has a ttl."""


@dataclass(frozen=True, slots=True)
class Redrive:
    """A dead letter begins anew, at the back of the topic it came from.

    If it has died more than once it stays a letter of the first topic, and so
    can go on to there. A message that is no dead letter returns to its place.
    """

    to_first: bool = False
    """True to send it to the topic where it died first."""
    topic: str | None = None
    """Where to send it instead, whatever it came from."""


Outcome = Ack | Requeue | Delay | Bury | Redrive

ACK = Ack()
TO_FRONT = Requeue(front=True)
TO_BACK = Requeue(front=False)
RELEASE = Requeue(front=True, is_counted=False)
REDRIVE = Redrive()
