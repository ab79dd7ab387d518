"""How long a connection of HTTP/1.1 waits for its client.

There is one timer for each connection. It is set earlier when something begins
to be owed, and never on the way of a request that came whole: when it goes
off, it looks at what is owed by then.
"""

import asyncio
from typing import Protocol

from miniqueue_py.http.servers.connections import Connections
from miniqueue_py.http.servers.http1_heads import Unservable
from miniqueue_py.http.servers.http1_limits import (
    BODY_SECONDS,
    DROP_SECONDS,
    HEAD_SECONDS,
    LEAST_DROPPED_BYTES,
    SILENT_SECONDS,
    UNREAD_SECONDS,
)

_SLOW = {"head": "head", "stalled_upload": "body"}
"""What did not come in time, by the limit that struck; the client is told."""


class Owing(Protocol):
    """What is asked about a connection, and told to it."""

    transport: asyncio.Transport
    dropped: int

    @property
    def is_body_owed(self) -> bool: ...

    @property
    def is_answering(self) -> bool: ...

    def refuse(self, error: Unservable) -> None: ...


class Patience:
    """The timer of a connection, and since when what is owed."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, connection: Owing, connections: Connections
    ) -> None:
        self._connections = connections
        self._idle_seconds = connections.limits.idle_seconds
        self._loop = loop
        self._connection = connection
        self._timer: asyncio.TimerHandle | None = None
        self.heard_at = loop.time()
        """When something came, or an answer ended."""
        self.head_since: float | None = None
        """When a head came in part that is not whole."""
        self.drop_until: float | None = None
        """How long the rest of a request is read that was answered, unless much of it comes."""
        self._dropped = 0
        """What had been of it when that was last decided."""
        self._unread = 0
        self._unread_since = 0.0

    def begin(self) -> None:
        self._look_in(self._idle_seconds)

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def begin_head(self) -> None:
        """Take note that a head has come in part."""
        if self.head_since is None:
            self.head_since = self._loop.time()
            self._look_in(HEAD_SECONDS)

    def await_body(self) -> None:
        """Take note that a body has not come whole."""
        self._look_in(BODY_SECONDS if self.drop_until is None else SILENT_SECONDS)

    def begin_dropping(self) -> None:
        """Take note that what comes is for nobody."""
        if self.drop_until is None:
            self._allow_dropping(self._loop.time())
            self._look_in(SILENT_SECONDS)

    def _allow_dropping(self, now: float) -> None:
        self.drop_until = now + DROP_SECONDS
        self._dropped = self._connection.dropped

    def await_reader(self) -> None:
        """Take note that the client does not take what it is sent."""
        self._unread = 0
        self._look_in(UNREAD_SECONDS)

    def _look_in(self, seconds: float) -> None:
        when = self._loop.time() + seconds
        if self._timer is None or self._timer.when() > when:
            self.end()
            self._timer = self._loop.call_at(when, self._look)

    def _look(self) -> None:
        self._timer = None
        now = self._loop.time()
        connection = self._connection
        if self.head_since is not None:
            due, limit = self.head_since + HEAD_SECONDS, "head"
        elif self.drop_until is not None:
            if now >= self.drop_until and connection.dropped - self._dropped >= LEAST_DROPPED_BYTES:
                self._allow_dropping(now)
            due, limit = min(self.drop_until, self.heard_at + SILENT_SECONDS), ""
        elif connection.is_body_owed:
            due, limit = self.heard_at + BODY_SECONDS, "stalled_upload"
        elif connection.is_answering:
            due, limit = now + UNREAD_SECONDS, ""  # it may end with much of it unread
        elif unread := connection.transport.get_write_buffer_size():
            if unread != self._unread:
                self._unread, self._unread_since = unread, now
            due, limit = self._unread_since + UNREAD_SECONDS, "stuck_reader"
        else:
            due, limit = self.heard_at + self._idle_seconds, "idle"
        if now < due:
            self._timer = self._loop.call_at(due, self._look)
        else:
            self._give_up(limit)

    def _give_up(self, limit: str) -> None:
        if limit:
            self._connections.note_struck(limit)
        if limit in _SLOW:
            text = f"the {_SLOW[limit]} of the request did not come in time"
            self._connection.refuse(Unservable(408, text, is_in_head=limit == "head"))
        elif self._connection.transport.get_write_buffer_size():
            self._connection.transport.abort()
        else:
            self._connection.transport.close()
