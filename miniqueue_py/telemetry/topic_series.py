"""Which topics are shown one by one, and what the others are together.

A monitoring system keeps each series it ever saw. Topics are made by whoever
publishes, so there must not be series for each of them.

A topic that has series keeps them until it is deleted, and what the others
counted only grows, whoever joins and leaves them: a counter that went down
would be taken for one that began anew, and all it counts for new.
"""

import asyncio
from typing import NamedTuple

from miniqueue_py.broker.administration import Administration, Overview
from miniqueue_py.errors import TopicNotFound

MOST_TOPICS = 500
"""Topics with series of their own: the first by name, when they are first looked at."""

OTHERS = "/others"
"""What the others are called: no topic can be."""

_OVERVIEWS_A_TURN = 50
_NAMES_A_TURN = 5000
_ALL = 1 << 62


class Counted(NamedTuple):
    """What happened in a topic since it was made, or in the others since the first look."""

    published: int = 0
    delivered: int = 0
    acknowledged: int = 0
    expired: int = 0
    dead_lettered: int = 0

    def plus(self, other: "Counted") -> "Counted":
        return Counted(*(one + two for one, two in zip(self, other, strict=True)))

    def since(self, before: "Counted") -> "Counted":
        """Return what was added; a topic that has less than before was made anew."""
        added = Counted(*(one - two for one, two in zip(self, before, strict=True)))
        return self if min(added) < 0 else added


class Figures(NamedTuple):
    """A topic at one moment, or the others together."""

    ready: int
    in_flight: int
    delayed: int
    bytes: int
    oldest_age_seconds: float
    """0 where there is no message."""
    consumers: int
    counted: Counted


class TopicSeries:
    """Looks at all topics, some in each turn of the loop."""

    def __init__(self, administration: Administration, most_topics: int = MOST_TOPICS) -> None:
        self._administration = administration
        self._most_topics = most_topics
        self._shown: set[str] = set()
        self._others: dict[str, Counted] = {}
        """What each of the others had counted when it was last looked at."""
        self._others_counted = Counted()
        self._has_looked = False
        self._looking = asyncio.Lock()

    def __repr__(self) -> str:
        return f"<TopicSeries, {len(self._shown)} shown, {len(self._others)} others>"

    @property
    def count(self) -> int:
        """How many topics there were when they were last looked at."""
        return len(self._shown) + len(self._others)

    async def look(self) -> dict[str, Figures]:
        """Return the figures of topics by name, and of OTHERS if there are any."""
        async with self._looking:
            return await self._look()

    async def _look(self) -> dict[str, Figures]:
        names = await self._administration.topics_after(None, _ALL)
        await self._forget_deleted()
        shown: dict[str, Figures] = {}
        others: Figures | None = None
        for i, name in enumerate(names):
            if i % _OVERVIEWS_A_TURN == _OVERVIEWS_A_TURN - 1:
                await asyncio.sleep(0)
            try:
                figures = _figures_of(self._administration.overview(name))
            except TopicNotFound:
                continue  # deleted in one of the turns between
            if self._is_shown(name):
                shown[name] = figures
            else:
                self._count(name, figures.counted)
                others = _together(others, figures) if others else figures
        self._has_looked = True
        if others:
            shown[OTHERS] = others._replace(counted=self._others_counted)
        return shown

    async def _forget_deleted(self) -> None:
        knows = self._administration.knows
        self._shown = {name for name in self._shown if knows(name)}
        names = list(self._others)
        for start in range(0, len(names), _NAMES_A_TURN):
            for name in names[start : start + _NAMES_A_TURN]:
                if not knows(name):
                    del self._others[name]
            await asyncio.sleep(0)

    def _is_shown(self, name: str) -> bool:
        if name not in self._shown and len(self._shown) < self._most_topics:
            self._shown.add(name)
            self._others.pop(name, None)
        return name in self._shown

    def _count(self, name: str, counted: Counted) -> None:
        # What is there at the first look came in an earlier life of the broker,
        # as far as anybody can tell. The others begin at 0, as this one did.
        before = self._others.get(name, Counted() if self._has_looked else counted)
        self._others[name] = counted
        self._others_counted = self._others_counted.plus(counted.since(before))


def _figures_of(overview: Overview) -> Figures:
    statistics = overview.statistics
    return Figures(
        statistics.ready,
        statistics.in_flight,
        statistics.delayed,
        statistics.bytes,
        overview.oldest_age_seconds or 0.0,
        overview.consumers,
        Counted(
            statistics.published,
            statistics.delivered,
            statistics.acknowledged,
            statistics.expired,
            statistics.buried,
        ),
    )


def _together(one: Figures, two: Figures) -> Figures:
    """Return how two stand; what they counted is told otherwise."""
    return Figures(
        one.ready + two.ready,
        one.in_flight + two.in_flight,
        one.delayed + two.delayed,
        one.bytes + two.bytes,
        max(one.oldest_age_seconds, two.oldest_age_seconds),
        one.consumers + two.consumers,
        two.counted,
    )
