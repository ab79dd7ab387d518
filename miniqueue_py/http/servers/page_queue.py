"""Pages that one connection asked for: few are made at a time, and none that nobody takes.

A page is made as a whole before anything of it leaves, and may be large. A
peer that asked for 500 and shut its window had them all made, for 2.2 GB.

Only pages hold back pages: a consumer that does not read has much unsent on
the same connection, and whoever asks beside it must be answered.
"""

from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from miniqueue_py.http.servers.connections import MOST_UNSENT_BYTES, Connections

Key = TypeVar("Key")

MOST_PAGES = 8
"""Under way at once."""

MOST_UNTAKEN_PAGES = 100
CONNECTION_UNSENT_BYTES = 1 << 20
"""Of pages that are made and not taken: past either no page is begun."""


class PageQueue(Generic[Key]):
    """Who waits to begin, who has begun, and whose page was not taken, by their exchanges."""

    def __init__(self, connections: Connections, queued: Callable[[Key], int]) -> None:
        self._connections = connections
        self._queued = queued
        """Tells how many bytes of an answer the peer has not taken; 0 when the stream is gone."""
        self.waiting: OrderedDict[Key, Callable[[], None]] = OrderedDict()
        self._begun: set[Key] = set()
        self.untaken: set[Key] = set()
        self._untaken_bytes = 0

    def add(self, key: Key, start: Callable[[], None]) -> None:
        """Wait to begin."""
        self.waiting[key] = start

    def begin(self) -> None:
        """Let pages begin for which there is room."""
        while self.waiting and len(self._begun) < MOST_PAGES and self._has_room():
            key, start = self.waiting.popitem(last=False)
            self._begun.add(key)
            start()

    def _has_room(self) -> bool:
        return (
            len(self.untaken) < MOST_UNTAKEN_PAGES
            and self._untaken_bytes < CONNECTION_UNSENT_BYTES
            and self._connections.untaken_page_bytes < MOST_UNSENT_BYTES
        )

    def note_taken(self) -> None:
        """Look how much of the pages that are made was taken."""
        sizes = {key: self._queued(key) for key in self.untaken}
        self.untaken = {key for key, size in sizes.items() if size}
        self._count(sum(sizes.values()))

    def leave(self) -> None:
        """Take note that the connection is over."""
        self.untaken.clear()
        self._count(0)

    def _count(self, untaken_bytes: int) -> None:
        self._connections.untaken_page_bytes += untaken_bytes - self._untaken_bytes
        self._untaken_bytes = untaken_bytes

    def end(self, key: Key) -> None:
        """Take note that a page was made, or will not be."""
        if key in self._begun:
            self._begun.remove(key)
            self.untaken.add(key)
        self.waiting.pop(key, None)
