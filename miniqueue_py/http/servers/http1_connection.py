"""A connection of HTTP/1.1: a protocol of asyncio over llhttp, and no task.

Requests are answered one by one in their order; what comes behind the one that
is being answered is not begun, so that nothing is done for a client that leaves
meanwhile. A turn of the loop parses so many bytes and begins so many requests;
all that is said in it leaves in one write.
"""

import asyncio
from typing import cast

from miniqueue_py.http.door import Door
from miniqueue_py.http.exchange import ROOM_BYTES
from miniqueue_py.http.problems import problem
from miniqueue_py.http.servers.connections import Connections
from miniqueue_py.http.servers.http1_exchange import NOBODY, Http1Exchange, error_answer
from miniqueue_py.http.servers.http1_heads import Unservable
from miniqueue_py.http.servers.http1_limits import (
    MOST_AHEAD_BYTES,
    MOST_DROPPED_BYTES,
    MOST_UNGRANTED_BYTES,
    TURN_BYTES,
    TURN_REQUESTS,
)
from miniqueue_py.http.servers.http1_output import Http1Output
from miniqueue_py.http.servers.http1_parser import Head, Http1Parser
from miniqueue_py.http.servers.http1_patience import Patience
from miniqueue_py.http.servers.websocket_connection import switch


class Http1Connection(asyncio.Protocol):
    """One connection, from its first bytes to its end."""

    transport: asyncio.Transport

    def __init__(
        self, door: Door, connections: Connections, client: tuple[str, int], *, scheme: str
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self.lost = self._loop.create_future()
        """Done when the connection is over."""
        self.is_draining = False
        self.door = door
        self.connections = connections
        self.client = client
        self.scheme = scheme
        self.output = Http1Output(connections, self._give_room)
        self._patience = Patience(self._loop, self, connections)
        self._parser = Http1Parser()
        self._exchange: Http1Exchange | None = None
        self._ungranted = self.dropped = 0
        """What came of a request that was answered, or of none."""
        self._is_last = False
        """No request is begun any more."""
        self._is_deaf = False
        """Nothing is parsed any more: what comes is dropped."""
        self._is_turn_due = False
        self._is_switched = False
        """It is a WebSocket, which ends it."""

    def __repr__(self) -> str:
        return f"<Http1Connection of {self.client[0]}, {self._exchange!r}>"

    # What the transport tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.output.begin(self.transport)
        self._patience.begin()
        self.connections.add(self, self.client[0])

    def data_received(self, data: bytes) -> None:
        self._patience.heard_at = self._loop.time()
        if self._is_deaf:
            self._drop(len(data))
            return
        self._parser.add(data)
        if self._is_turn_due:
            self._hold_back()
        else:
            self._turn()

    def eof_received(self) -> None:
        """Take a client that says nothing more for one that is gone; the transport closes."""
        self._leave()
        self.output.flush()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002  asyncio's name
        self._leave()
        self._parser.clear()
        self._patience.end()
        self.output.end()
        self.connections.discard(self)
        if not self.lost.done():
            self.lost.set_result(None)

    def pause_writing(self) -> None:
        self.output.pause()
        self._patience.await_reader()

    def resume_writing(self) -> None:
        self.output.resume()
        self._turn_soon()

    # What the server wants

    def abort(self) -> None:
        """End at once."""
        self.transport.abort()

    def drain(self) -> None:
        """Answer what is being answered, begin nothing more, and close. Idempotent."""
        self.is_draining = self._is_last = True
        if self._exchange is None and not self._is_switched:
            self._turn_soon()

    # What exchanges say

    def finish(self, exchange: Http1Exchange) -> None:
        """Take note that an answer has ended."""
        self._forget(exchange)
        exchange.handler = NOBODY  # they refer to each other: the collector had to look for them
        if not exchange.is_kept:
            self._is_last = True
        if not self._parser.is_whole:
            self.dropped = 0
            self._patience.begin_dropping()
        if not self.output.is_in_turn:
            self._patience.heard_at = self._loop.time()
            self._turn()

    def grant(self, size: int) -> None:
        """Take note that a handler has used so much of a body."""
        was_held = self._ungranted > MOST_UNGRANTED_BYTES
        self._ungranted -= size
        if was_held and self._ungranted <= MOST_UNGRANTED_BYTES:
            self._patience.heard_at = self._loop.time()
            self._turn_soon()

    # A turn

    def _turn_soon(self) -> None:
        if not self._is_turn_due:
            self._is_turn_due = True
            self._loop.call_soon(self._take_turn)

    def _take_turn(self) -> None:
        self._is_turn_due = False
        if not self.lost.done():
            self._turn()

    def _turn(self) -> None:
        self.output.is_in_turn = True
        try:
            self._parse()
        except Unservable as error:
            self.connections.note_struck("protocol")
            self.refuse(error)
        self.output.is_in_turn = False
        if self.output.size:
            self.output.flush()
        if self._is_last and self._exchange is None:
            self.part()
        elif not self._parser.is_whole:
            self._patience.await_body()
        self._hold_back()

    def _parse(self) -> None:
        parser, left, begun = self._parser, TURN_BYTES, 0
        while unparsed := parser.unparsed:
            if begun == TURN_REQUESTS or left <= 0 or self.output.size > ROOM_BYTES:
                self._turn_soon()
                return
            if not parser.is_whole:
                if self._ungranted > MOST_UNGRANTED_BYTES and self._exchange is not None:
                    return
                self._give_body(parser.next_body(left))
            elif self._exchange is not None or self._is_last or self.output.is_unread:
                return
            elif (head := parser.next_head()) is not None:
                self._begin(head)
                begun += 1
            elif parser.has_partial_head:
                self._patience.begin_head()
                return
            left -= unparsed - parser.unparsed

    def _hold_back(self) -> None:
        """Read no further than somebody will look at soon."""
        transport = self.transport
        is_wanted = self._parser.unparsed <= MOST_AHEAD_BYTES
        if is_wanted is not transport.is_reading() and not transport.is_closing():
            if is_wanted:
                transport.resume_reading()
            else:
                transport.pause_reading()

    def _give_room(self) -> None:
        if self._exchange is not None:
            self._exchange.call(self._exchange.handler.on_room)

    # One request

    def _begin(self, head: Head) -> None:
        self._patience.head_since = None
        if head.is_websocket:
            self._patience.end()
            self._is_switched = True
            switch(self, head, self._parser.take())
            return
        exchange = self._exchange = Http1Exchange(self, head)
        self._ungranted = 0
        self.output.holds_page = False
        handler = self.door.open(exchange)
        if exchange.is_over:
            return
        exchange.handler = handler
        if self._parser.is_whole:
            exchange.call(handler.on_end)
        else:
            exchange.tell_to_go_on()

    def _give_body(self, body: bytes) -> None:
        exchange = self._exchange
        if exchange is None:
            self._drop(len(body))
        else:
            if body:
                self._ungranted += len(body)
                exchange.call(exchange.handler.on_body, body)
            if self._parser.is_whole and not exchange.is_over:
                exchange.call(exchange.handler.on_end)
        if self._parser.is_whole:
            self._patience.drop_until = None

    def _forget(self, exchange: Http1Exchange) -> None:
        self._exchange = None
        self.door.close()
        if exchange.kept:
            self.connections.kept_bytes -= exchange.kept

    # What is owed, and ends

    @property
    def is_body_owed(self) -> bool:
        """True while the client is to send, and is not kept from that by a handler at work."""
        exchange = self._exchange
        if exchange is None or exchange.is_begun or self._parser.is_whole:
            return False
        # One that waits for memory gives its place up in the end.
        return exchange.kept > 0 or self._ungranted <= MOST_UNGRANTED_BYTES

    @property
    def is_answering(self) -> bool:
        return self._exchange is not None

    def refuse(self, error: Unservable) -> None:
        """Say what is wrong, if it will be understood, and listen no more."""
        exchange = self._exchange
        # Else it would be taken for a part of the answer, or for the answer to a next request.
        is_sayable = error.is_in_head or (exchange is not None and not exchange.is_begun)
        self._leave()
        if is_sayable:
            self.output.write(error_answer(*problem(error.status, error.text)))
        self._turn_soon()

    def _leave(self) -> None:
        """Do nothing more for the client, and tell whoever was answering."""
        self._is_last = self._is_deaf = True
        self._parser.clear()
        self._patience.head_since = None
        exchange = self._exchange
        if exchange is not None:
            exchange.is_over = True
            self._forget(exchange)
            exchange.call(exchange.handler.on_gone)

    def part(self) -> None:
        """Close, once the client can have read what was said to it.

        Bytes that nobody reads make a closed connection a reset one, which may
        take from the client what it was sent.
        """
        if self.transport.is_closing():
            return
        if self._parser.is_whole and not self._is_deaf:
            self.transport.close()
            self._patience.await_reader()
        else:
            self._patience.begin_dropping()
            if self.transport.can_write_eof():
                self.transport.write_eof()

    def _drop(self, size: int) -> None:
        self.dropped += size
        if self.dropped > MOST_DROPPED_BYTES:
            self.transport.close()
            self._patience.await_reader()
