"""What a peer may ask of a codec, and how often."""

import time
from collections.abc import Callable

MOST_HEADER_FIELDS = 100
"""What servers commonly take."""

MOST_HEADER_BYTES = 1 << 16
"""Decoded: an HPACK bomb is long here while it is short on the wire."""

MOST_CONTINUATIONS = 8
"""Enough for MOST_HEADER_BYTES in frames of 16 KiB, with room to spare."""

MOST_QUEUED_ACKS = 4_000
"""Answers to PING and SETTINGS that a peer may leave unread. There are 3,600 in the bytes that
the broker parses at a time, and it counts them by kind; this is for who does not."""

MOST_SETTINGS = 32
"""Entries of one frame; six are known."""

RESETS = (3_000, 100)
"""Of the peer's, burst and rate a second: a browser that gives a page up stays far below. The
broker's own bucket, for resets of either side, is smaller and says what struck."""

GLITCHES = (3_000, 100)
"""Of the peer's, likewise: what is odd and not forbidden, and malformed requests."""


class Bucket:
    """Tokens that come back at a rate: a peer may do a thing so often, and then it is too much."""

    def __init__(
        self, burst: int, rate: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._burst = burst
        self._rate = rate
        self._clock = clock
        self._tokens = float(burst)
        self._seen_at = clock()

    def __repr__(self) -> str:
        return f"<Bucket, {self._tokens:.0f} of {self._burst} left>"

    def take(self) -> bool:
        """Take a token, and tell if there was one."""
        now = self._clock()
        came = (now - self._seen_at) * self._rate
        self._tokens = min(self._burst, self._tokens + came) - 1
        self._seen_at = now
        return self._tokens >= 0
