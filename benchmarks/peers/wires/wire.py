"""What one connection says to a broker and hears from it, without I/O.

A load is written once, over this; a broker brings the words.
"""

from collections.abc import Sequence


class Wire:
    """One connection's words. What is to be sent gathers in `out`.

    `confirmed` and `delivered` only grow. A broker that hands messages out in
    batches adds a batch when it is complete; `bodies` has each as it comes.
    """

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.out: list[bytes] = []
        self.is_open = True
        self.confirmed = 0
        self.delivered = 0
        self.bodies: list[bytes] | None = None
        """Kept where a load asks for them, by making it a list."""

    def begin(self) -> None:
        """Greet."""

    def publish(self, bodies: Sequence[bytes]) -> None:
        """Publish each by itself."""
        raise NotImplementedError

    def publish_group(self, bodies: Sequence[bytes]) -> None:
        """Publish them as the broker's users would publish many at once."""
        self.publish(bodies)

    def subscribe(self, credit: int) -> None:
        """Ask for messages, so many at a time."""
        raise NotImplementedError

    def acknowledge(self) -> None:
        """Settle what was delivered, and ask for as many more."""
        raise NotImplementedError

    def receive(self, data: bytes) -> None:
        """Take what came; raises BrokenPromise for a refusal."""
        raise NotImplementedError
