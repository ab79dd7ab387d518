"""What only time tells of an HTTP/2 connection: that nobody is there, or nothing goes on."""

import asyncio
from collections.abc import Callable

from miniqueue_py.http.servers.connections import Connections
from miniqueue_py.http.servers.http2_limits import KEEP_ALIVE
from miniqueue_py.http.servers.http2_requests import Http2Requests

FIRST_SETTINGS_SECONDS = 10.0
"""Between the first byte and the peer's settings, which are its first frame."""

OVERDUE_SECONDS = 60.0
"""A peer is given up that takes nothing of all that it asked for, for as long."""


class Http2Watch:
    """One timer a connection. Each time it looks what has happened since it looked last."""

    def __init__(
        self,
        requests: Http2Requests,
        connections: Connections,
        flush: Callable[[], None],
        abort: Callable[[], None],
    ) -> None:
        self.overdue_since: float | None = None
        """Since when the peer has taken nothing, and is not read therefore."""
        self.is_idle = False
        """The connection was of no use for so long that it is to be closed."""
        self._requests = requests
        self._connections = connections
        self._flush = flush
        self._abort = abort
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> None:
        self._timer = self._loop.call_later(FIRST_SETTINGS_SECONDS, self._check_greeted)

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _check_greeted(self) -> None:
        if self._requests.is_greeted:
            self._go_on()
        else:
            self._give_up("first_settings")

    def _go_on(self) -> None:
        seconds = self._connections.limits.keepalive_seconds
        self._timer = self._loop.call_later(seconds, self._look)

    def _look(self) -> None:
        requests, now = self._requests, self._loop.time()
        if requests.is_asked and not requests.has_heard:
            self._give_up("keepalive")
            return
        if self.overdue_since is not None and now - self.overdue_since > OVERDUE_SECONDS:
            self._give_up("stuck_reader")
            return
        if requests.quiet_for(now) > self._connections.limits.idle_seconds:
            self._connections.note_struck("idle")
            self.is_idle = True
        elif not requests.has_heard:
            requests.is_asked = True
            requests.codec.ping(KEEP_ALIVE)
        requests.has_heard = False
        requests.give_up_stalled()
        self._flush()
        self._go_on()

    def _give_up(self, limit: str) -> None:
        self._connections.note_struck(limit)
        self._abort()
