"""What the broker states as facts, for whoever listens.

The core does not log and does not count. Observers turn facts into lines and
metrics; where nobody listens no fact is built.
"""

from collections.abc import Callable
from typing import NamedTuple

from miniqueue_py.broker.delivery import Outcome


class Published(NamedTuple):
    """Messages are durable and confirmed."""

    topic: str
    messages: int
    size: int
    """Bytes of their bodies together."""


class Delivered(NamedTuple):
    """A message was handed to a consumer."""

    topic: str
    dack_count: int


class Settled(NamedTuple):
    """A delivery ended, and this is how."""

    topic: str
    outcome: Outcome


class Restored(NamedTuple):
    """Delays ended; that many messages are ready again."""

    messages: int


class Purged(NamedTuple):
    """A topic was deleted."""

    topic: str


class StorageFailed(NamedTuple):
    """The store takes no more messages."""

    cause: str


class StorageRecovered(NamedTuple):
    """The store takes messages again."""


Event = Published | Delivered | Settled | Restored | Purged | StorageFailed | StorageRecovered
Observer = Callable[[Event], None]


class Observers:
    """Those who listen; false when there are none."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    def __bool__(self) -> bool:
        return bool(self._observers)

    def tell(self, event: Event) -> None:
        """State one fact to all."""
        for observer in self._observers:
            observer(event)
