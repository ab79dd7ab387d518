"""Who of one connection waits until its peer has taken most of what it was sent.

Each time the peer has taken something all of them are looked at, some in a
turn: a peer may have shut 10,000 windows, and open the last of them.
"""

from collections import OrderedDict
from collections.abc import Iterator

from miniqueue_py.http.servers.http2_exchange import Http2Exchange

LOOKS_A_TURN = 50


class RoomLine:
    """Exchanges whose handlers wait for `on_room`."""

    def __init__(self) -> None:
        self.waiting: OrderedDict[Http2Exchange, None] = OrderedDict()
        """Not to be changed elsewhere; asked in every turn, so it is no property."""
        self._to_look = 0
        """At how many of them, since the peer took something."""

    def join(self, exchange: Http2Exchange) -> None:
        """Wait, at the end, unless it waits already."""
        self.waiting[exchange] = None

    def leave(self, exchange: Http2Exchange) -> None:
        """Wait no longer. Idempotent."""
        self.waiting.pop(exchange, None)

    def begin_round(self) -> None:
        """Look at all who wait now, in this turn and the next."""
        self._to_look = len(self.waiting)

    def looks(self) -> Iterator[Http2Exchange]:
        """Yield those to look at in this turn; each has left, and may join again."""
        count = min(self._to_look, LOOKS_A_TURN)
        self._to_look -= count
        for _ in range(count):
            if self.waiting:
                yield self.waiting.popitem(last=False)[0]

    @property
    def has_more(self) -> bool:
        """True when the next turn has somebody to look at."""
        return self._to_look > 0 and bool(self.waiting)
