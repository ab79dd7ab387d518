"""What is counted of the broker's facts, as plain numbers.

This is the hot side: a fact is of many messages, and costs some additions.
Names, labels and formats are in `exposition`, which reads this when somebody
asks for it and is not imported before.
"""

from miniqueue_py.broker.delivery import Bury
from miniqueue_py.broker.events import (
    Delivered,
    Event,
    Published,
    Redriven,
    Refused,
    Settled,
)
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

    def observe(self, event: Event) -> None:
        """Count a fact."""
        # Not a match statement: this takes half as long, and is in every
        # message's way when they travel one by one.
        kind = type(event)
        if kind is Delivered:
            self._count_delivered(event)  # type: ignore[arg-type]  # mypy does not follow
        elif kind is Settled:
            self._count_settled(event)  # type: ignore[arg-type]
        elif kind is Published:
            self._count_published(event)  # type: ignore[arg-type]
        elif kind in _RARE:
            self._count_rare(event)

    def _count_published(self, event: Published) -> None:
        _, messages, size, duplicates = event
        self.published += messages
        self.published_bytes += size
        self.duplicates += duplicates

    def _count_delivered(self, event: Delivered) -> None:
        deliveries = event.deliveries
        self.delivered += len(deliveries)
        self.redelivered += sum([1 for each in deliveries if each.message.extras.attempts])

    def _count_settled(self, event: Settled) -> None:
        _, decision, outcome, deliveries = event
        self.settled[decision] += len(deliveries)
        if type(outcome) is Bury:
            self.dead_lettered[outcome.reason] += len(deliveries)

    def _count_rare(self, event: Event) -> None:
        match event:
            case Redriven(_, messages):
                self.redriven += messages
            case Refused(_, reason):
                self.refused[reason] += 1
            case _:
                return


_RARE = {Redriven, Refused}
