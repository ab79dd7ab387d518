"""Who is waiting on a topic, and who is served next.

A topic holds no messages: those are the storage engine's. It holds the
subscribers that want one, in the order they began to.

The rule of this file is *enrol first, deal second*: a subscriber joins the
line, then ready messages are dealt along it. A message that becomes ready is
leased in the name of whoever is first, at once. So nobody is woken only to
find nothing, nobody jumps the line, and no wake-up can be lost with the one
who was to use it: what is dealt to a subscriber that leaves goes back to the
front and is dealt again.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from miniqueue_py.broker.storage import Storage
    from miniqueue_py.broker.subscriber import Subscriber


class Topic:
    """The line of subscribers that wait for a topic's next messages."""

    def __init__(self, name: str, storage: "Storage") -> None:
        self.name = name
        self.subscribers: set[Subscriber] = set()
        self.is_closed = False
        self._storage = storage
        self._line: dict[Subscriber, None] = {}

    def __repr__(self) -> str:
        return f"<Topic {self.name!r}, {len(self._line)} of {len(self.subscribers)} waiting>"

    def enrol(self, subscriber: "Subscriber") -> None:
        """Put a subscriber at the end of the line."""
        self._line[subscriber] = None

    def withdraw(self, subscriber: "Subscriber") -> None:
        """Take a subscriber out of the line, if it is there."""
        self._line.pop(subscriber, None)

    def deal(self) -> None:
        """Hand ready messages to those in line, one each, until either runs out."""
        while self._line and not self.is_closed:
            deliveries = self._storage.lease(self.name, len(self._line))
            if not deliveries:
                return
            for delivery in deliveries:
                subscriber = next(iter(self._line))
                del self._line[subscriber]
                subscriber.accept(delivery)
