"""What is known of the store's topics: figures as old as the last look, or as what was written."""

from collections.abc import Mapping, Sequence

from miniqueue_py.broker.storage import TopicStatistics, Totals, is_hidden
from miniqueue_py.storage.shared.store import Figures, Store

_NOTHING = Figures(0, TopicStatistics(), None)


class Ledger:
    """Figures by the store's name of a topic."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._figures: dict[str, Figures] = {}
        self._published: set[str] = set()
        """Topics whose figures have grown old here."""

    def __repr__(self) -> str:
        return f"<Ledger of {len(self._figures)} topics>"

    def of(self, name: str) -> Figures:
        return self._figures.get(name, _NOTHING)

    def topics(self) -> Sequence[str]:
        return [name for name in self._figures if not is_hidden(name)]

    def knows(self, topic: str) -> bool:
        return topic in self._figures and not is_hidden(topic)

    def totals(self, expired: int) -> Totals:
        shown = [self._figures[name].statistics for name in self.topics()]
        messages = sum(each.messages for each in shown)
        return Totals(messages, sum(each.bytes for each in shown), expired)

    def begin(self, name: str) -> None:
        """Know that there is such a topic."""
        self._figures.setdefault(name, _NOTHING)

    def publish(self, name: str) -> None:
        """Know that something was published to it."""
        self._published.add(name)
        self.begin(name)

    def forget(self, name: str) -> None:
        """Know that it is gone. Idempotent."""
        self._figures.pop(name, None)

    def rename(self, old: str, new: str) -> None:
        """Know that a topic has another name, in the place of who had that."""
        self._figures[new] = self._figures.pop(old, _NOTHING)

    async def look_again(self) -> None:
        """Ask for the figures of what was published to since the last time."""
        published, self._published = self._published, set()
        if published:
            self._figures |= await self._store.figures(list(published))

    async def refresh(self, name: str | None) -> None:
        """Ask for the figures of a topic, or of all."""
        if name is None:
            self._figures = dict(await self._store.figures(None))
            return
        figures: Mapping[str, Figures] = await self._store.figures([name])
        self.forget(name)
        self._figures |= figures
