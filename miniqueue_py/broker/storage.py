"""The seam between the rules of the queue and the engines that keep messages.

The verbs are moves in a message's life, not keys and values. They take and
return batches. Only what has to wait for a disk is awaited: `append`, `purge`
and `aclose`. Taking and settling answer at once, so a consumer that vanishes
gives its messages back in the same turn of the loop, with no await in which
it could be cancelled half-way. (An engine on another machine would keep a few
leased messages at hand for that.)

Whoever waits for messages is told by `watch`, whatever made them ready: there
is one way to be woken, so no wake-up can be forgotten.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from miniqueue_py.broker.delivery import Delivery, Outcome
from miniqueue_py.broker.message import Message
from miniqueue_py.errors import StorageUnavailable


class TopicStatistics(NamedTuple):
    """How many messages of a topic are where."""

    ready: int
    in_flight: int
    delayed: int


class Totals(NamedTuple):
    """What all topics hold together, in whatever state, being written included."""

    messages: int
    bytes: int


class Storage(Protocol):
    """What an engine promises; `miniqueue_py.testing.check_storage` tests each line."""

    async def append(self, topic: str, messages: Sequence[Message]) -> None:
        """Store messages behind those that wait; durable when it returns.

        A caller that is cancelled may find them stored all the same. Raises
        StorageUnavailable (DiskFull) when nothing was confirmed.
        """
        ...

    def lease(self, topic: str, limit: int) -> Sequence[Delivery]:
        """Hand out up to `limit` ready messages, first in line first, each to one holder."""
        ...

    def settle(self, deliveries: Sequence[Delivery], outcome: Outcome) -> Sequence[Delivery]:
        """End deliveries; return those that were not held any more and so changed nothing."""
        ...

    def release_due(self, now: float) -> int:
        """Return messages whose delay is over to the front, in due order; say how many."""
        ...

    async def purge(self, topic: str) -> None:
        """Remove every message of that topic, in constant time, durable when it returns."""
        ...

    def topics(self) -> Sequence[str]:
        """Name the topics that were ever published to and not deleted since."""
        ...

    def statistics(self, topic: str) -> TopicStatistics:
        """Count the topic's messages, exactly; an unknown topic has none."""
        ...

    def totals(self) -> Totals:
        """Count all messages and the bytes of their bodies."""
        ...

    def watch(self, on_ready: Callable[[str], None]) -> None:
        """Call `on_ready(topic)` whenever messages of a topic became ready."""
        ...

    @property
    def failure(self) -> StorageUnavailable | None:
        """Why it takes no more messages, or None."""
        ...

    async def aclose(self) -> None:
        """Finish what is being written and let go. Idempotent."""
        ...
