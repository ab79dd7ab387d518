"""What goes out by a connection of HTTP/1.1: one write a turn, and who waits for room."""

import asyncio
from collections.abc import Callable

from miniqueue_py.http.exchange import ROOM_BYTES
from miniqueue_py.http.servers.connections import Connections


class Http1Output:
    """The side of a transport that is written to."""

    transport: asyncio.Transport

    def __init__(self, connections: Connections, on_room: Callable[[], None]) -> None:
        self._loop = asyncio.get_running_loop()
        self._connections = connections
        self._on_room = on_room
        self.is_unread = False
        """The client does not take what is written to it."""
        self.is_in_turn = False
        """Somebody flushes when the turn is over."""
        self._gathered: list[bytes] = []
        self.size = 0
        """Of what leaves at the end of the turn."""
        self.holds_page = False
        """What is sent is an answer that was made as a whole."""
        self._unsent = self._untaken_page = 0
        """So much of what the client does not take is counted with that of all clients."""
        self._is_room_wanted = False

    def begin(self, transport: asyncio.Transport) -> None:
        transport.set_write_buffer_limits(high=ROOM_BYTES, low=ROOM_BYTES // 4)
        self.transport = transport

    @property
    def queued(self) -> int:
        """Bytes that the client has not taken."""
        queued = self.size + self.transport.get_write_buffer_size()
        if queued > ROOM_BYTES:
            self._is_room_wanted = True
        return queued

    def write(self, data: bytes) -> None:
        """Send so much, in this turn."""
        if not (self.is_in_turn or self._gathered):
            self._loop.call_soon(self.flush)
        self._gathered.append(data)
        self.size += len(data)

    def add(self, data: bytes) -> None:
        """Send so much when the caller flushes."""
        self._gathered.append(data)
        self.size += len(data)

    def flush(self) -> None:
        """Hand over what was gathered."""
        gathered = self._gathered
        if gathered:
            data = gathered[0] if len(gathered) == 1 else b"".join(gathered)
            gathered.clear()
            self.size = 0
            self.transport.write(data)
        if self._is_room_wanted and not self.is_unread:
            # It was queued in this turn, and the transport has taken it: it tells of nothing.
            self._loop.call_soon(self._give_room)

    def pause(self) -> None:
        self.is_unread = self._is_room_wanted = True
        self._count_unsent(self.transport.get_write_buffer_size())

    def resume(self) -> None:
        self.is_unread = False
        self._count_unsent(0)
        self._give_room()

    def end(self) -> None:
        self._count_unsent(0)
        self._gathered.clear()

    def _give_room(self) -> None:
        if self._is_room_wanted and not self.is_unread:
            self._is_room_wanted = False
            self._on_room()

    def _count_unsent(self, size: int) -> None:
        untaken_page = size if self.holds_page else 0
        self._connections.unsent_bytes += size - self._unsent
        self._connections.untaken_page_bytes += untaken_page - self._untaken_page
        self._unsent, self._untaken_page = size, untaken_page
