"""What a peer may send that asks for nothing: so much at once, and so much a second.

These are frames that cost us work and the peer next to nothing. A lawful
client stays far below; past the rate its connection ends.
"""

from collections.abc import Mapping

RATES: Mapping[str, tuple[float, float]] = {
    "pings": (500, 50),
    "settings": (50, 1),
    # A consumer at full speed opens two windows for each 32 KiB that it has read.
    "windows": (20_000, 20_000),
    # CVE-2023-44487. libnghttp2 counts those of the peer alone; here are those too that it
    # made us send: overflown windows, malformed requests, wrong lengths.
    "resets": (1000, 100),
    # Pieces of a body with next to nothing in them, on however many streams. Consumers in
    # lock-step send such, an "ACK" each: as many a second as the broker can deliver at all.
    "crumbs": (20_000, 20_000),
}
"""Of each kind: how many at once, and how many a second."""


class Buckets:
    """Token buckets, one a kind. Counting is cheap; they are looked at once a turn."""

    def __init__(self, now: float) -> None:
        self.counts: dict[str, int] = {}
        """Since they were looked at."""
        self.is_brimming = False
        """More was counted of a kind than was left at the last look: look again. Once it was
        too much indeed, it stays so."""
        self._left = {kind: burst for kind, (burst, _) in RATES.items()}
        self._looked = dict.fromkeys(RATES, now)

    def count(self, kind: str) -> None:
        count = self.counts[kind] = self.counts.get(kind, 0) + 1
        if count > self._left[kind]:
            self.is_brimming = True

    def find_empty(self, now: float) -> str:
        """Take what was counted; return the kind of which that was too much, or ""."""
        empty = ""
        for kind, count in self.counts.items():
            burst, rate = RATES[kind]
            filled = min(burst, self._left[kind] + (now - self._looked[kind]) * rate)
            self._left[kind], self._looked[kind] = filled - count, now
            if count > filled:
                empty = kind
        self.counts.clear()
        self.is_brimming = bool(empty)
        return empty
