"""Request bodies that are kept in memory until they are whole: how much there may be.

A body is granted as it comes, so that an upload is not held up; but not when
the uploads of a connection, or of all, are more than memory is for. Then they
wait for each other, and one of which nothing comes is given up. What still comes
by windows that are open has a bound too: past it an upload is refused.
"""

from collections import deque
from collections.abc import Collection

from miniqueue_py.errors import TooMuchUploaded
from miniqueue_py.http.servers.connections import MOST_KEPT_BYTES, Connections
from miniqueue_py.http.servers.http2_exchange import LEAST_PROGRESS_BYTES, Http2Exchange

CONNECTION_KEPT_BYTES = 1 << 23
"""Of one connection: past these its window is not opened again."""

CONNECTION_MOST_KEPT_BYTES = 1 << 25
"""Of one connection: past these an upload is refused. Only bodies in crumbs come so far."""

MOST_KEPT_IN_ALL_BYTES = MOST_KEPT_BYTES + MOST_KEPT_BYTES // 4
"""Of all connections: past these an upload is refused."""

PIECE_BYTES = 128
"""What a piece of a body takes beside its bytes, with its places in lists: one comes with
every frame."""


class KeptBodies:
    """What the uploads of one connection keep."""

    def __init__(self, connections: Connections) -> None:
        self._connections = connections
        self._size = 0
        self._ungranted: deque[tuple[Http2Exchange, int]] = deque()

    def keep(self, exchange: Http2Exchange, size: int) -> bool:
        """Count what an upload keeps; tell if as much more may come. If not, `release` tells.

        Raises TooMuchUploaded.
        """
        taken = size + PIECE_BYTES
        exchange.kept += taken
        self._size += taken
        self._connections.kept_bytes += taken
        if self.has_room:
            return True
        self._connections.note_struck("kept_bytes")
        self._ungranted.append((exchange, size))
        if (
            self._size > CONNECTION_MOST_KEPT_BYTES
            or self._connections.kept_bytes > MOST_KEPT_IN_ALL_BYTES
        ):
            raise TooMuchUploaded
        return False

    def release(self, exchange: Http2Exchange) -> list[tuple[Http2Exchange, int]]:
        """Let go of what an upload kept; return what may be granted now."""
        self._size -= exchange.kept
        self._connections.kept_bytes -= exchange.kept
        exchange.kept = 0
        granted = []
        while self._ungranted and self.has_room:
            granted.append(self._ungranted.popleft())
        return granted

    def find_stalled(self, exchanges: Collection[Http2Exchange]) -> list[Http2Exchange]:
        """Return the uploads of which too little came since this was asked last.

        The body of a page is one too. Other handlers may leave their clients waiting.
        """
        least = 1 if self.has_room else LEAST_PROGRESS_BYTES
        stalled = [
            each
            for each in exchanges
            if (each.kept or each.is_page) and each.came < least and not each.is_whole
        ]
        for exchange in exchanges:
            exchange.came = 0
        return stalled

    @property
    def has_room(self) -> bool:
        """False while uploads wait for each other."""
        return self._size < CONNECTION_KEPT_BYTES and self._connections.kept_bytes < MOST_KEPT_BYTES
