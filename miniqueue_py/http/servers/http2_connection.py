"""HTTP/2 as the broker serves it: a protocol of asyncio over a codec, and no task.

This half moves bytes. A turn of the loop parses so much of one connection and
begins so many of its requests; then the others have theirs. All that its
exchanges say in a turn leaves in one write. Who asks and is answered is in
http2_requests.py, and what only time tells in http2_watch.py.
"""

import asyncio
from collections import deque
from typing import cast

from miniqueue_py.http.door import Door
from miniqueue_py.http.servers.connections import Connections
from miniqueue_py.http.servers.gone_codec import GONE
from miniqueue_py.http.servers.http2_limits import MAX_STREAMS
from miniqueue_py.http.servers.http2_requests import Http2Requests
from miniqueue_py.http.servers.http2_watch import Http2Watch
from miniqueue_py.http.servers.page_queue import CONNECTION_UNSENT_BYTES
from miniqueue_py.http2.codec import ENHANCE_YOUR_CALM

TURN_BYTES = 1 << 15
"""Parsed in a turn of the loop."""

BEGUN_A_TURN = 50
"""Requests begun in one."""

WRITE_BYTES = 1 << 18
"""Handed to the socket at a time, and what its buffer may hold before it is called full."""

MOST_HEARD_BYTES = 1 << 16
"""Of a peer, while the socket takes nothing more of what it is sent: 2,000 requests."""


class Http2Connection(asyncio.Protocol):
    """One connection, between its socket and its codec."""

    def __init__(
        self,
        door: Door,
        connections: Connections,
        client: tuple[str, int],
        *,
        scheme: str = "https",
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.lost = self._loop.create_future()
        """Done when the connection is over."""
        self._connections = connections
        self._address = client[0]
        self._requests = Http2Requests(door, connections, client, self._flush_soon, scheme)
        self._codec = self._requests.codec
        self._watch = Http2Watch(self._requests, connections, self._flush, self.abort)
        self._transport = cast("asyncio.Transport", None)
        self._unparsed: deque[bytes] = deque()
        self._has_more = False
        """The codec has something to tell that was too much for a turn."""
        self._is_in_turn = self._is_flushing = False
        self._is_reading = True
        self._is_blocked = False
        """The socket takes no more at present."""
        self._heard_blocked = 0
        """Bytes that were parsed since then."""
        self._is_held = False
        """What was read waits for the socket: the peer does not take what it asked for."""
        self._is_struck = False
        """It was counted why the connection ends."""
        self._is_draining = self._is_closed = False

    def __repr__(self) -> str:
        return f"<Http2Connection of {self._address}, {self._requests!r}>"

    # What the socket says

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=WRITE_BYTES)
        self._connections.add(self, self._address)
        self._watch.begin()
        self._flush()

    def data_received(self, data: bytes) -> None:
        if self._has_more or self._unparsed:
            self._unparsed.append(data)
        else:
            self._parse(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's name
        self._is_closed = True
        self._unparsed.clear()
        self._watch.end()
        self._requests.leave()
        self._codec = GONE
        self._connections.discard(self)
        if not self.lost.done():
            self.lost.set_result(None)
        # It refers to this protocol: TLS's 50 KB would wait for the garbage collector.
        self._transport = cast("asyncio.Transport", None)

    def pause_writing(self) -> None:
        self._is_blocked = True
        self._heard_blocked = 0

    def resume_writing(self) -> None:
        self._is_blocked = False
        self._flush()
        if self._is_held and not self._is_blocked:
            self._is_held = False
            self._loop.call_soon(self._go_on)
        self._set_reading()

    # Reading, a turn at a time

    def _parse(self, data: bytes) -> None:
        if len(data) > TURN_BYTES:
            self._unparsed.appendleft(data[TURN_BYTES:])
            data = data[:TURN_BYTES]
        if self._is_blocked:
            self._heard_blocked += len(data)
        self._codec.feed(data)
        self._dispatch()

    def _dispatch(self) -> None:
        self._is_in_turn = True
        try:
            self._has_more = self._codec.dispatch(BEGUN_A_TURN)
        finally:
            self._is_in_turn = False
        buckets = self._requests.buckets
        if (buckets.counts or buckets.is_brimming) and (limit := self._requests.find_excess()):
            # Nothing more of what it sent is looked at.
            self._note_struck(limit)
            self._unparsed.clear()
            self._has_more = False
            self._codec.end(ENHANCE_YOUR_CALM)
        if self._has_more or self._unparsed:
            self._is_held = self._is_overdue
            if not self._is_held:
                self._loop.call_soon(self._go_on)
        self._flush()
        if self._is_blocked or self._has_more or self._unparsed or not self._is_reading:
            self._set_reading()

    def _go_on(self) -> None:
        if self._is_closed:
            return
        if self._has_more:
            self._dispatch()
        elif self._unparsed:
            self._parse(self._unparsed.popleft())

    def _set_reading(self) -> None:
        """Read when all that was read is done with, and the peer takes what it is sent."""
        is_overdue = self._is_overdue
        is_wanted = not (self._has_more or self._unparsed or is_overdue)
        if is_wanted == self._is_reading or self._is_closed:
            return
        self._is_reading = is_wanted
        self._watch.overdue_since = self._loop.time() if is_overdue else None
        if is_wanted:
            self._transport.resume_reading()
        else:
            self._transport.pause_reading()

    @property
    def _is_overdue(self) -> bool:
        """True while the peer asks for more and takes nothing of what it has been sent."""
        requests = self._requests
        return self._is_blocked and (
            requests.unsent > CONNECTION_UNSENT_BYTES
            or len(requests) > MAX_STREAMS // 2
            # Answers without a body and resets are in no sum, and pile up all the same.
            or self._heard_blocked > MOST_HEARD_BYTES
        )

    # Writing, once a turn

    def _flush_soon(self) -> None:
        if not (self._is_in_turn or self._is_flushing):
            self._is_flushing = True
            self._loop.call_soon(self._flush)

    def _flush(self) -> None:
        """Hand to the socket what was said, as much as it takes."""
        self._is_flushing = False
        if self._is_closed:
            return
        has_written = False
        while not self._is_blocked and (data := self._codec.take(WRITE_BYTES)):
            self._transport.write(data)
            has_written = True
            if len(data) < WRITE_BYTES // 2:  # far from full, so there was no more: do not ask
                break
        self._requests.note_taken(has_written=has_written)
        if self._codec.is_broken and not self._requests.is_goodbye_said:
            self._note_struck("protocol")
        is_over = self._is_draining or self._requests.is_goodbye_said or self._watch.is_idle
        if self._codec.is_broken or (is_over and not len(self._requests)):
            self._close()

    # Ending

    def _note_struck(self, limit: str) -> None:
        if not self._is_struck:
            self._is_struck = True
            self._connections.note_struck(limit)

    def drain(self) -> None:
        """Close when what is under way is answered. Idempotent.

        GOAWAY comes then. Earlier it would be politer (RFC 9113, section 6.8), but h2, and
        so httpx, takes it for the end of every stream.
        """
        self._is_draining = True
        self._flush_soon()

    def abort(self) -> None:
        """End at once. Idempotent."""
        if not self.lost.done():
            self._transport.abort()

    def _close(self) -> None:
        """Say goodbye, and close behind what is on its way."""
        self._codec.end()
        while data := self._codec.take(WRITE_BYTES):
            self._transport.write(data)
        self._is_closed = True
        if self._is_struck:
            self._requests.leave()  # TLS's goodbye may take long; what is held comes back now
        if self._is_struck and self._is_blocked:
            # Who broke a rule and takes nothing would be waited for, and read, for 30 s more.
            self._transport.abort()
        else:
            self._transport.close()
