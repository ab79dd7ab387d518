"""The requests of one HTTP/2 connection: who asks, who answers, and what each may cost.

It hears the codec and calls the handlers; what these say goes to the codec by
their exchanges. Every step costs the same however many streams are open.
"""

import asyncio
from collections.abc import Callable, Mapping

from miniqueue_py.http.door import Door
from miniqueue_py.http.exchange import ROOM_BYTES, WholeBody
from miniqueue_py.http.servers.buckets import Buckets
from miniqueue_py.http.servers.connections import MOST_UNSENT_BYTES, Connections
from miniqueue_py.http.servers.gone_codec import GONE
from miniqueue_py.http.servers.http2_exchange import NOBODY, Http2Exchange
from miniqueue_py.http.servers.http2_heads import Heads
from miniqueue_py.http.servers.http2_limits import (
    CONNECTION_WINDOW_BYTES,
    CRAMMED_BYTES,
    CRUMB_BYTES,
    KEEP_ALIVE,
    SETTINGS,
)
from miniqueue_py.http.servers.kept_bodies import KeptBodies
from miniqueue_py.http.servers.lingering import Lingering
from miniqueue_py.http.servers.page_queue import CONNECTION_UNSENT_BYTES, PageQueue
from miniqueue_py.http.servers.room_line import RoomLine
from miniqueue_py.http2 import codec as http2
from miniqueue_py.http2.choose import new_codec
from miniqueue_py.http2.codec import Codec


class Http2Requests:
    """The streams of a connection, and the codec they are on."""

    def __init__(
        self,
        door: Door,
        connections: Connections,
        client: tuple[str, int],
        flush_soon: Callable[[], None],
        scheme: str = "https",
    ) -> None:
        self.door = door
        self.flush_soon = flush_soon
        """Send what was said, at the end of this turn."""
        self.codec: Codec = new_codec(
            self, is_client=False, settings=SETTINGS, connection_window=CONNECTION_WINDOW_BYTES
        )
        self.unsent = 0
        """Bytes of answers that the peer has not taken, when that was last looked at."""
        self.has_sent = False
        """Some of an answer's body was sent since that."""
        self.is_behind = False
        """The peer has much to take: no stream that has something queued is given more."""
        self.is_crammed = False
        """The peer has so much to take that even a short answer has to wait."""
        self.is_greeted = False
        """The peer's settings have come."""
        self.is_goodbye_said = False
        """The peer begins nothing more."""
        self.has_heard = True
        """The peer said something since that was last looked at: whole frames, or a body."""
        self.is_asked = False
        """It was asked for a sign of life, and gave none yet."""
        self._connections = connections
        self._heads = Heads(scheme, client)
        self._loop = asyncio.get_running_loop()
        self._streams: dict[int, Http2Exchange] = {}
        self.rooms = RoomLine()
        self._pages: PageQueue[Http2Exchange] = PageQueue(
            connections, lambda exchange: self.codec.queued(exchange.stream_id)
        )
        self._kept = KeptBodies(connections)
        self._lingering = Lingering(self.codec, self._forget, flush_soon)
        self.buckets = Buckets(self._loop.time())
        self._excess = ""
        self._quiet_since = self._loop.time()
        """When the last request ended, if none is under way."""

    def __len__(self) -> int:
        return len(self._streams)

    def __repr__(self) -> str:
        return f"<Http2Requests, {len(self._streams)} under way>"

    def quiet_for(self, now: float) -> float:
        """Return for how many seconds no request has been under way."""
        return 0.0 if self._streams else now - self._quiet_since

    def find_excess(self) -> str:
        """Return the name of a limit that the peer went past, or ""."""
        if self.buckets.counts and not self._excess:
            self._excess = self.buckets.find_empty(self._loop.time())
        return self._excess

    # What the codec says

    def on_headers(
        self, stream_id: int, headers: tuple[tuple[bytes, bytes], ...], ends: bool
    ) -> None:
        if self.buckets.is_brimming and self.find_excess():
            return  # in the read that went too far; the connection ends behind it
        self.has_heard = True
        # Publishers ask for the same again and again.
        heads = self._heads
        request = heads.last if headers == heads.last_headers else heads.read(headers)
        exchange = self._streams[stream_id] = Http2Exchange(self, stream_id, request)
        exchange.is_whole = ends
        handler = self.door.open(exchange)
        if exchange.is_over:
            return
        exchange.handler = handler
        if ends:
            try:
                handler.on_end()
            except Exception as error:  # noqa: BLE001  the boundary: see Door.fail
                self.door.fail(exchange, handler, error)
        elif not exchange.is_begun and b"expect" in request.first:
            self.codec.inform(stream_id, [(b":status", b"100")])

    def on_data(self, stream_id: int, data: bytes, ends: bool) -> None:
        if self.buckets.is_brimming and self.find_excess():
            return
        self.has_heard = True
        exchange = self._streams.get(stream_id)
        if exchange is None:
            self.codec.grant(stream_id, len(data))
            return
        if ends:
            exchange.is_whole = True
        elif len(data) < CRUMB_BYTES:
            self.buckets.count("crumbs")
        if exchange.is_over:
            self._lingering.drop(exchange, len(data))
            return
        handler = exchange.handler
        exchange.came += len(data)
        try:
            if ends and isinstance(handler, WholeBody):
                self.codec.grant(stream_id, len(data))
                handler.on_end(data)  # most bodies come in one piece
                return
            if data:
                handler.on_body(data)
            if ends and not exchange.is_over:
                handler.on_end()
        except Exception as error:  # noqa: BLE001  the boundary: see Door.fail
            self.door.fail(exchange, handler, error)

    def on_closed(self, stream_id: int, code: int) -> None:  # noqa: ARG002  the codec's word
        self.buckets.count("resets")
        exchange = self._streams.get(stream_id)
        if exchange is not None:
            self._drop(exchange)

    def on_window(self, stream_id: int) -> None:  # noqa: ARG002  the codec's word
        self.has_heard = True
        self.buckets.count("windows")

    def on_settings(self, settings: Mapping[int, int]) -> None:  # noqa: ARG002  likewise
        self.has_heard = True
        self.buckets.count("settings")
        self.is_greeted = True

    def on_ping(self) -> None:
        self.has_heard = True
        self.buckets.count("pings")

    def on_pong(self, data: bytes) -> None:
        self.has_heard = True
        if data == KEEP_ALIVE:
            self.is_asked = False

    def on_goaway(self, last_stream_id: int, code: int) -> None:  # noqa: ARG002  likewise
        self.is_goodbye_said = True

    # What exchanges say

    def finish(self, exchange: Http2Exchange) -> None:
        """Take note that an exchange has said its last word."""
        exchange.is_over = True
        # The two know each other: their memory would wait for the garbage collector, which
        # after a flood may not come for minutes. Tried: 330 MB of bodies stayed.
        exchange.handler = NOBODY
        self.door.close()
        if exchange.kept or exchange.is_page or self.rooms.waiting:
            self._release(exchange)
        if exchange.is_whole:
            self._forget(exchange)
        else:
            self._lingering.begin(exchange)
        self.flush_soon()

    def keep(self, exchange: Http2Exchange, size: int) -> None:
        """Let more of a body come that is kept until it is whole, if there is room for it.

        Raises TooMuchUploaded when all uploads together are more than memory is for.
        """
        if self._kept.keep(exchange, size):
            self.codec.grant(exchange.stream_id, size)
            self.flush_soon()

    def when_room(self, exchange: Http2Exchange, start: Callable[[], None]) -> None:
        """Begin a page when the peer has taken those before it."""
        exchange.is_page = True
        self._pages.add(exchange, start)
        self._pages.begin()

    # What the connection says

    def note_taken(self, *, has_written: bool) -> None:
        """Let those go on who wait for the peer to take what it was sent."""
        pages = self._pages
        has_pages = pages.waiting or pages.untaken
        if not (self.has_sent or self.unsent or self.rooms.waiting or has_pages):
            return
        self.has_sent = False
        unsent = self.codec.queued_in_all()
        self._connections.unsent_bytes += unsent - self.unsent
        self.unsent = unsent
        # What all peers have not taken holds back those alone who are behind.
        self.is_behind = unsent > CONNECTION_UNSENT_BYTES
        self.is_crammed = unsent > CRAMMED_BYTES or (
            unsent > ROOM_BYTES and self._connections.unsent_bytes > MOST_UNSENT_BYTES
        )
        if self.rooms.waiting:
            if has_written:
                self.rooms.begin_round()
            self._tell_room()
        if has_pages:
            pages.note_taken()
            pages.begin()

    def give_up_stalled(self) -> None:
        """Reset uploads of which nothing came since the last look."""
        for exchange in self._kept.find_stalled(self._streams.values()):
            self._connections.note_struck("stalled_upload")
            self.codec.reset(exchange.stream_id, http2.CANCEL)
            self._drop(exchange)

    def leave(self) -> None:
        """Tell every handler that its client has gone."""
        self._connections.unsent_bytes -= self.unsent
        self.unsent = 0
        for exchange in list(self._streams.values()):
            self._drop(exchange)
        self._pages.leave()
        self.codec = self._lingering.codec = GONE

    def _tell_room(self) -> None:
        for exchange in self.rooms.looks():
            most = 0 if self.is_behind else ROOM_BYTES // 4
            if self.is_crammed or self.codec.queued(exchange.stream_id) > most:
                self.rooms.join(exchange)
                continue
            try:
                exchange.handler.on_room()
            except Exception as error:  # noqa: BLE001  the boundary: see Door.fail
                self.door.fail(exchange, exchange.handler, error)
        if self.rooms.has_more:
            self.flush_soon()

    # Ending

    def _forget(self, exchange: Http2Exchange) -> bool:
        """Let a stream go; tell if that had not been done before."""
        if self._streams.pop(exchange.stream_id, None) is None:
            return False
        if not self._streams:
            self._quiet_since = self._loop.time()
        return True

    def _release(self, exchange: Http2Exchange) -> None:
        """Give back what an exchange has taken of what all share."""
        if exchange.kept:
            for waiting, size in self._kept.release(exchange):
                self.codec.grant(waiting.stream_id, size)
        if exchange.is_page:
            self._pages.end(exchange)
        self.rooms.leave(exchange)

    def _drop(self, exchange: Http2Exchange) -> None:
        """Let go of an exchange whose client is not there any more."""
        self._lingering.discard(exchange)
        self._forget(exchange)
        if exchange.is_over:
            return
        exchange.is_over = True
        self.door.close()
        handler, exchange.handler = exchange.handler, NOBODY
        self._release(exchange)
        try:
            handler.on_gone()
        except Exception as error:  # noqa: BLE001  the boundary: see Door.fail
            self.door.fail(exchange, handler, error)
