"""What still comes of requests that were answered: it is read and dropped for a while.

Some clients (httpx, requests) look at the answer only when all is sent, and a
reset hides it.
"""

import asyncio
from collections.abc import Callable

from miniqueue_py.http.servers.http2_exchange import Http2Exchange
from miniqueue_py.http2.codec import NO_ERROR, Codec

MOST_DROPPED_BYTES = 1 << 26
"""What comes of a body whose request was answered is read and dropped up to here."""

LINGER_SECONDS = 10.0
LEAST_DROPPED_BYTES = 1 << 18
"""In that time so much comes, or no more is waited for. A body of 32 MiB may take a minute, and
its client (httpx) sees a reset as no answer."""

_WAKE_UP = b"the end."
"""Of a PING when a client ends a request that was answered before: curl 7.88 looks at what
it got only when something comes, and would wait for ever."""


class Lingering:
    """The streams of a connection whose answers are over, and whose requests are not."""

    def __init__(
        self,
        codec: Codec,
        forget: Callable[[Http2Exchange], bool],
        flush_soon: Callable[[], None],
    ) -> None:
        self.codec = codec
        self._forget = forget
        """Lets a stream go; tells if that had not been done before."""
        self._flush_soon = flush_soon
        self._loop = asyncio.get_running_loop()
        self._timers: dict[Http2Exchange, asyncio.TimerHandle] = {}

    def begin(self, exchange: Http2Exchange) -> None:
        """Wait for the rest of a request, but not for ever."""
        self._timers[exchange] = self._loop.call_later(
            LINGER_SECONDS, self._look, exchange, exchange.dropped
        )

    def discard(self, exchange: Http2Exchange) -> None:
        """Wait no more. A timer would keep all of a connection in memory that is lost."""
        timer = self._timers.pop(exchange, None)
        if timer is not None:
            timer.cancel()

    def drop(self, exchange: Http2Exchange, size: int) -> None:
        """Throw away what comes of it; stop it when it is much."""
        if size:
            self.codec.grant(exchange.stream_id, size)
            exchange.dropped += size
        if exchange.is_whole:
            self.discard(exchange)
            self._forget(exchange)
            self.codec.ping(_WAKE_UP)
        elif exchange.dropped > MOST_DROPPED_BYTES:
            self._end(exchange)

    def _look(self, exchange: Http2Exchange, dropped: int) -> None:
        if exchange.dropped - dropped >= LEAST_DROPPED_BYTES:
            self.begin(exchange)
        else:
            self._end(exchange)

    def _end(self, exchange: Http2Exchange) -> None:
        """Reset a stream whose answer is out and whose request goes on (RFC 9113, 8.1)."""
        self.discard(exchange)
        if self._forget(exchange):
            self.codec.reset(exchange.stream_id, NO_ERROR)
            self._flush_soon()
