"""What a topic knows of its past for a while, by key: the last million of a kind."""

from itertools import islice
from typing import Generic, TypeVar

from miniqueue_py.storage.bounds import MAX_KEYS

Known = TypeVar("Known")


class Kept(Generic[Known]):
    """Facts by key, in the order in which they were written last."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[int, Known]] = {}

    def find(self, key: str, now: float) -> Known | None:
        """Return what is kept under the key, if that is still to be known."""
        until_ms, known = self._known.get(key, (0, None))
        return known if until_ms > round(now * 1000) else None

    def keep(self, key: str, known: Known, until: float) -> None:
        """Know that under the key, and nothing else any more."""
        self._known.pop(key, None)
        self._known[key] = (round(until * 1000), known)
        if len(self._known) > MAX_KEYS:
            del self._known[next(iter(self._known))]

    def forget(self, now: float, limit: int) -> int:
        """Forget the oldest whose time is over, at most `limit`; say how many."""
        over = []
        for key, (until_ms, _) in islice(self._known.items(), max(limit, 0)):
            if until_ms > round(now * 1000):
                break
            over.append(key)
        for key in over:
            del self._known[key]
        return len(over)
