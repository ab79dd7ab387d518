"""One handing-out of a message, and the ways it can end."""

from dataclasses import dataclass

from miniqueue_py.broker.message import Message


class Delivery:
    """A message handed out, and the right to settle it once.

    `receipt` is the engine's own: nobody else looks inside. Deliveries compare
    by identity, because a second handing-out of a message is another delivery.
    """

    __slots__ = ("message", "receipt")

    def __init__(self, message: Message, receipt: object) -> None:
        self.message = message
        self.receipt = receipt

    def __repr__(self) -> str:
        return f"<Delivery of {len(self.message.body)} bytes>"


@dataclass(frozen=True, slots=True)
class Ack:
    """Done: the message is removed."""


@dataclass(frozen=True, slots=True)
class Requeue:
    """Not done: back to its place at the front, or behind everything that waits."""

    front: bool


@dataclass(frozen=True, slots=True)
class Delay:
    """Not done: set aside until an instant, then to the front."""

    until: float


Outcome = Ack | Requeue | Delay

ACK = Ack()
TO_FRONT = Requeue(front=True)
TO_BACK = Requeue(front=False)
