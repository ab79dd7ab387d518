"""All connections of a broker: how many there may be, what they cost together, how they end.

What is bounded for each connection is bounded for all of them too, because an
attacker opens many. Each limit that strikes is counted by its name.
"""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionLimits:
    """What an operator may turn; docs/operating.md has the table of all limits."""

    connections: int = 0
    """Open at once, over all ports; 0: as many as there are descriptors."""
    connections_per_address: int = 0
    """Of them by one address; 0: no bound of its own."""
    keepalive_seconds: float = 30.0
    """Of silence, before a peer is asked for a sign of life; as long again, and it is gone."""
    idle_seconds: float = 600.0
    """A connection with no request under way is kept that long."""


LIMITS = (
    "connections",
    "connections_per_address",
    "descriptors",
    "first_byte",
    "first_settings",
    "head",
    "idle",
    "keepalive",
    "stalled_upload",
    "stuck_reader",
    "kept_bytes",
    "pings",
    "settings",
    "windows",
    "resets",
    "crumbs",
    "protocol",
)
"""What is counted when it strikes; docs/operating.md says what each is."""

MOST_UNSENT_BYTES = 1 << 26
"""Of answers, by all connections, with which no further page is made."""

MOST_KEPT_BYTES = 1 << 28
"""Of request bodies that are not whole, by all connections: past these no more is let come."""


TOLD_AGAIN_SECONDS = 60.0
"""Between two lines of the log that tell that there is no room."""


class Connection(Protocol):
    """A connection that was handed over by the server."""

    def drain(self) -> None:
        """Begin no request more; close when those under way are answered. Idempotent."""
        ...

    def abort(self) -> None:
        """End at once."""
        ...


class Connections:
    """The connections that are open, and the sums that bound them."""

    def __init__(
        self,
        limits: ConnectionLimits,
        on_full: Callable[[str, int], None] = lambda _limit, _open: None,
    ) -> None:
        self.limits = limits
        self._on_full = on_full
        """Hears of a limit at which connections wait, and how many are open: once in a while."""
        self._told_full = -TOLD_AGAIN_SECONDS
        self.certificate_expires_at: float | None = None
        """By the wall clock, if there is one to be shown."""
        self.foreign: Mapping[str, int] = {}
        """Requests that were refused by browsers.py, by reason."""
        self._struck = dict.fromkeys(LIMITS, 0)
        self.unsent_bytes = 0
        """Of answers that peers have not taken."""
        self.untaken_page_bytes = 0
        """Of them, those of pages: only pages hold back pages."""
        self.kept_bytes = 0
        """Of request bodies that wait in memory for their rest."""
        self.arriving = 0
        """Sockets that were accepted, and have not yet said what for."""
        self._open: dict[Connection, str] = {}
        self._by_address: Counter[str] = Counter()
        self._is_draining = False

    def __repr__(self) -> str:
        return f"<Connections, {len(self._open)} open>"

    def __len__(self) -> int:
        return len(self._open)

    @property
    def struck(self) -> Mapping[str, int]:
        """How often each limit was reached."""
        return self._struck

    def note_struck(self, limit: str) -> None:
        """Count that a limit was reached."""
        self._struck[limit] += 1

    @property
    def has_room(self) -> bool:
        """False while those who come have to wait."""
        most = self.limits.connections
        return not most or len(self._open) + self.arriving < most

    def note_full(self, limit: str) -> None:
        """Take note that connections wait because of a limit."""
        self.note_struck(limit)
        now = time.monotonic()
        if now - self._told_full >= TOLD_AGAIN_SECONDS:
            self._told_full = now
            self._on_full(limit, len(self._open))

    def is_welcome(self, address: str) -> bool:
        """Tell if that address may have another connection; count it if not."""
        most = self.limits.connections_per_address
        if not most or self._by_address[address] < most:
            return True
        self.note_struck("connections_per_address")
        return False

    def add(self, connection: Connection, address: str) -> None:
        """Take note of a connection; one that comes during a drain is drained."""
        self._open[connection] = address
        self._by_address[address] += 1
        if self._is_draining:
            connection.drain()

    def discard(self, connection: Connection) -> None:
        """Take note that it is over. Idempotent."""
        address = self._open.pop(connection, None)
        if address is not None:
            self._by_address[address] -= 1
            if not self._by_address[address]:
                del self._by_address[address]

    def drain(self) -> None:
        """Let every connection end when what it has under way is answered. Idempotent."""
        self._is_draining = True
        for connection in list(self._open):
            connection.drain()

    def abort(self) -> None:
        """End every connection without waiting for its peer."""
        for connection in list(self._open):
            connection.abort()
