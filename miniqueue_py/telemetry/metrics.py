"""What is counted of the broker's facts, as plain numbers.

This is the hot side: a fact is of many messages, and costs some additions.
Names, labels and formats are in `exposition`, which reads this when somebody
asks for it and is not imported before.
"""

from miniqueue_py.broker.delivery import Bury
from miniqueue_py.broker.events import (
    Delivered,
    Event,
    Listener,
    Published,
    Redriven,
    Refused,
    Settled,
)
from miniqueue_py.broker.message import PLAIN
from miniqueue_py.broker.refusals import REASONS
from miniqueue_py.broker.settling import BY_CONSUMER, TOO_MANY, Decision
from miniqueue_py.broker.write_times import Times, WriteTimes


class Metrics:
    """Counts facts since the process began, of all topics together."""

    def __init__(self, write_times: WriteTimes | None = None) -> None:
        self.published = 0
        self.published_bytes = 0
        self.duplicates = 0
        self.delivered = 0
        self.redelivered = 0
        self.redriven = 0
        # All that can be counted is there from the start: a series that first
        # shows when something happened does not tell that it happened.
        self.settled = {decision.value: 0 for decision in Decision}
        self.dead_lettered = {TOO_MANY: 0, BY_CONSUMER: 0}
        self.refused = dict.fromkeys(REASONS, 0)
        self.write_times = write_times or WriteTimes(Times(), Times())

    def __repr__(self) -> str:
        return f"<Metrics, {self.published} published, {self.delivered} delivered>"

    @property
    def observe(self) -> Listener:
        """Who counts facts."""
        return Listener(self._count, (Delivered, Settled, Published, Redriven, Refused))

    def _count(self, event: Event) -> None:
        # Neither a match statement nor a function for each: this is in every
        # message's way when they travel one by one, and those take twice as long.
        if isinstance(event, Delivered):
            deliveries = event.deliveries
            self.delivered += len(deliveries)
            for message, _, _ in deliveries:
                if message.extras is not PLAIN and message.extras.attempts:
                    self.redelivered += 1
        elif isinstance(event, Settled):
            _, decision, outcome, deliveries = event
            self.settled[decision] += len(deliveries)
            if type(outcome) is Bury:
                self.dead_lettered[outcome.reason] += len(deliveries)
        elif isinstance(event, Published):
            _, messages, size, duplicates = event
            self.published += messages
            self.published_bytes += size
            self.duplicates += duplicates
        elif isinstance(event, Refused):
            self.refused[event.reason] += 1
        elif isinstance(event, Redriven):
            self.redriven += event.messages
