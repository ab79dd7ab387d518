"""How fast a topic goes: what came, was done and failed, second by second.

An observer with a ring of counters. It has no task and no timer: whoever
counts, and whoever reads, first turns the ring to the second that it is. So a
topic where nothing happens costs nothing.

The second that runs is counted and not shown: it is not over, and a rate made
of it would shake.
"""

from typing import NamedTuple

from miniqueue_py.broker.clock import Clock
from miniqueue_py.broker.delivery import Ack, Requeue
from miniqueue_py.broker.events import Event, Listener, Published, Settled

SECONDS = 60
"""How far back it is remembered."""

_SLOTS = SECONDS + 1
"""And the second that runs."""


class PerSecond(NamedTuple):
    """Messages a second, on average over some seconds."""

    queued: float
    completed: float
    failed: float


class History(NamedTuple):
    """Messages of each of the last SECONDS seconds, the oldest first."""

    queued: list[int]
    completed: list[int]
    failed: list[int]


class Rates:
    """Counts one topic's facts.

    Failed is each attempt that did not end in an ACK: its consumer said so,
    left, or held the message for too long. One that counts for nothing, as by
    RELEASE, is not among them.
    """

    def __init__(self, clock: Clock, topic: str) -> None:
        self._clock = clock
        self._topic = topic
        self._queued = [0] * _SLOTS
        self._completed = [0] * _SLOTS
        self._failed = [0] * _SLOTS
        self._slot = 0
        """Of the second that runs."""
        self._second = int(clock.monotonic())

    def __repr__(self) -> str:
        return f"<Rates of {self._topic!r}>"

    @property
    def observe(self) -> Listener:
        """Who counts facts, those of this topic."""
        return Listener(self._count, (Published, Settled), self._topic)

    def _count(self, event: Event) -> None:
        if not isinstance(event, Published | Settled) or event.topic != self._topic:
            return
        self._turn()
        match event:
            case Published(_, messages):
                self._queued[self._slot] += messages
            case Settled(_, _, Ack(), deliveries):
                self._completed[self._slot] += len(deliveries)
            case Settled(_, _, Requeue(is_counted=False), _):
                return
            case Settled(_, _, _, deliveries):
                self._failed[self._slot] += len(deliveries)

    def per_second(self, over: int = 10) -> PerSecond:
        """Return the rates of the last `over` seconds, at most SECONDS."""
        seconds = min(over, SECONDS)
        return PerSecond(*(sum(counts[-seconds:]) / seconds for counts in self.history()))

    def history(self) -> History:
        self._turn()
        oldest = self._slot + 1
        rings = (self._queued, self._completed, self._failed)
        return History(*((ring[oldest:] + ring[:oldest])[:SECONDS] for ring in rings))

    def _turn(self) -> None:
        """Advance to the current second, and clear the seconds in which nothing happened."""
        second = int(self._clock.monotonic())
        for _ in range(min(second - self._second, _SLOTS)):
            self._slot = (self._slot + 1) % _SLOTS
            self._queued[self._slot] = self._completed[self._slot] = self._failed[self._slot] = 0
        self._second = second
