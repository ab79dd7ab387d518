"""What is published."""

from typing import NamedTuple


class Message(NamedTuple):
    """A body of bytes and what has happened to it so far.

    A tuple, not a dataclass: one is made for every delivery.
    """

    body: bytes
    dack_count: int = 0
    """How often it was set aside by a DACK."""

    def set_aside(self) -> "Message":
        """Return it as it is after one more DACK."""
        return self._replace(dack_count=self.dack_count + 1)
