"""What `miniqueue top` shows: topics and their rates, the busiest first.

A rate is the difference of a counter over the time that has really passed. The
order follows the rates slowly, so that rows do not jump about.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from miniqueue_py.client import Client, Topic

_WEIGHT_OF_NEWS = 0.4
"""How much the last rate counts for the order, beside all before it."""

_STANDSTILL = 0.05
"""Slower than so many a second is as good as not at all, for the order."""


class Rates(NamedTuple):
    """Messages a second."""

    published: float = 0.0
    delivered: float = 0.0
    acknowledged: float = 0.0
    dead_lettered: float = 0.0


class Row(NamedTuple):
    """A topic now."""

    topic: "Topic"
    rates: Rates | None
    """None until there is a second look."""


class Totals(NamedTuple):
    """All topics together."""

    topics: int
    ready: int
    in_flight: int
    delayed: int
    consumers: int
    rates: Rates | None


class Figures:
    """The last look at the topics, and what changed since the one before."""

    def __init__(self) -> None:
        self.rows: Sequence[Row] = ()
        self.seconds: float | None = None
        """Between the last two looks."""
        self._at: float | None = None
        self._counters: dict[str, Rates] = {}
        self._activity: dict[str, float] = {}

    async def look(self, queue: "Client", clock: Callable[[], float]) -> None:
        """Ask the broker, and take what it says."""
        topics = [topic async for topic in queue.topics()]
        self.take(topics, clock())

    def take(self, topics: Iterable["Topic"], at: float) -> None:
        """Take a look, at that moment of a clock that only goes forward."""
        self.seconds = None if self._at is None else max(at - self._at, 1e-9)
        self._at = at
        self.rows = [Row(topic, self._rates(topic)) for topic in topics]
        self._counters = {row.topic.name: _counters(row.topic) for row in self.rows}
        self._activity = dict(self._activities())
        self.rows = sorted(self.rows, key=self._place)

    @property
    def totals(self) -> Totals:
        topics = [row.topic for row in self.rows]
        rates = [row.rates for row in self.rows if row.rates is not None]
        return Totals(
            len(topics),
            sum(topic.ready for topic in topics),
            sum(topic.in_flight for topic in topics),
            sum(topic.delayed for topic in topics),
            sum(topic.consumers for topic in topics),
            None if self.seconds is None else Rates(*map(sum, zip(*rates, strict=True))),
        )

    def _rates(self, topic: "Topic") -> Rates | None:
        if self.seconds is None:
            return None
        now, before = _counters(topic), self._counters.get(topic.name, _NOTHING)
        if any(later < earlier for later, earlier in zip(now, before, strict=True)):
            before = _NOTHING  # it was deleted, and made anew
        changes = zip(now, before, strict=True)
        return Rates(*((later - earlier) / self.seconds for later, earlier in changes))

    def _activities(self) -> Iterator[tuple[str, float]]:
        for topic, rates in self.rows:
            before = self._activity.get(topic.name, 0.0)
            now = sum(rates) if rates else 0.0
            activity = before + _WEIGHT_OF_NEWS * (now - before)
            yield topic.name, activity if activity > _STANDSTILL else 0.0

    def _place(self, row: Row) -> tuple[float, int, str]:
        topic = row.topic
        held = topic.ready + topic.in_flight + topic.delayed
        return -self._activity[topic.name], -held, topic.name


_NOTHING = Rates()


def _counters(topic: "Topic") -> Rates:
    return Rates(topic.published, topic.delivered, topic.acknowledged, topic.dead_lettered)
