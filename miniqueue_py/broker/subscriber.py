"""One consumer of a topic: what it holds, and what it may do with it."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from miniqueue_py.broker.delivery import TO_FRONT, Delivery, Outcome
from miniqueue_py.broker.events import Delivered, Settled
from miniqueue_py.errors import AlreadyInitialised, NotInFlight

if TYPE_CHECKING:
    from miniqueue_py.broker.events import Observers
    from miniqueue_py.broker.storage import Storage
    from miniqueue_py.broker.topic import Topic


class Subscriber:
    """A consumer with at most one message in flight, as in MiniQueue.

    It is passive: messages are dealt to it by its topic, and `on_change` is
    called, from whatever turn of the loop that happens in, when there is
    something to look at: a delivery to take, or the wish to close.
    """

    def __init__(
        self,
        topic: "Topic",
        storage: "Storage",
        observers: "Observers",
        on_change: Callable[[], None],
    ) -> None:
        self.topic = topic
        self.in_flight: Delivery | None = None
        self.closing: str | None = None
        """Why the broker wants this stream to end, when it does."""
        self.is_consumer = False
        self.awaits_first = False
        """True from `start` until the first message was dealt."""
        self._storage = storage
        self._observers = observers
        self._on_change = on_change
        self._untaken: Delivery | None = None

    def __repr__(self) -> str:
        held = "one in flight" if self.in_flight else "none in flight"
        return f"<Subscriber of {self.topic.name!r}, {held}>"

    def start(self) -> None:
        """Become a consumer and ask for the first message.

        Raises AlreadyInitialised, which changes nothing.
        """
        if self.is_consumer:
            raise AlreadyInitialised(in_flight=self.in_flight is not None)
        self.is_consumer = self.awaits_first = True
        self._ask()

    def take(self) -> Delivery | None:
        """Return the delivery that was dealt since the last call, if any."""
        delivery, self._untaken = self._untaken, None
        return delivery

    def settle(self, outcome: Outcome, command: str) -> None:
        """End the delivery in flight and ask for the next.

        A delivery whose topic was deleted meanwhile is gone: settling it
        changes nothing and is no error. Raises NotInFlight.
        """
        delivery = self.in_flight
        if delivery is None:
            raise NotInFlight(command)
        self.in_flight = None
        self._end(delivery, outcome)
        self._ask()

    def accept(self, delivery: Delivery) -> None:
        """Be dealt a message. For the topic only."""
        self.in_flight = self._untaken = delivery
        self.awaits_first = False
        if self._observers:
            self._observers.tell(Delivered(self.topic.name, delivery.message.dack_count))
        self._on_change()

    def close(self, reason: str) -> None:
        """Wish that this consumer ends; what it holds may still be settled."""
        self.closing = reason
        self._on_change()

    def leave(self) -> None:
        """Stop consuming: what is in flight goes back to the front. Idempotent."""
        self.topic.withdraw(self)
        self.topic.subscribers.discard(self)
        delivery, self.in_flight = self.in_flight, None
        if delivery is not None:
            self._end(delivery, TO_FRONT)

    def _ask(self) -> None:
        self.topic.enrol(self)
        self.topic.deal()

    def _end(self, delivery: Delivery, outcome: Outcome) -> None:
        late = self._storage.settle((delivery,), outcome)
        if self._observers and not late:
            self._observers.tell(Settled(self.topic.name, outcome))
