"""One connection through the proxy: two sockets, and a pipe for each direction.

Nothing here waits: the proxy's loop says when a socket can be read or written.
A pipe holds at most one chunk, so a side that does not read holds the other
back, as TCP itself would.
"""

import contextlib
import socket
import struct
from collections.abc import Iterator

_CHUNK = 1 << 16
_AT_ONCE = struct.pack("ii", 1, 0)
"""For SO_LINGER: close with RST."""


class Pipe:
    """Bytes on their way in one direction."""

    def __init__(self, source: socket.socket, sink: socket.socket) -> None:
        self.source = source
        self.sink = sink
        self.is_stalled = False
        self.singly = 0
        """So many bytes are sent one by one."""
        self._waiting = b""
        self._has_ended = False
        self._is_shut = False

    @property
    def wants_read(self) -> bool:
        return not (self.is_stalled or self._waiting or self._has_ended)

    @property
    def wants_write(self) -> bool:
        return bool(self._waiting) and not self.is_stalled

    @property
    def is_over(self) -> bool:
        """The source ended, and the sink was told so."""
        return self._is_shut

    def read(self) -> None:
        self._waiting = self.source.recv(_CHUNK)
        if not self._waiting:
            self._has_ended = True
            self._shut()

    def write(self) -> int:
        """Send what the sink takes now; say how many bytes that were."""
        size = 1 if self.singly else len(self._waiting)
        try:
            sent = self.sink.send(self._waiting[:size])
        except BlockingIOError:
            return 0
        self._waiting = self._waiting[sent:]
        self.singly = max(0, self.singly - sent)
        return sent

    def _shut(self) -> None:
        self._is_shut = True
        with contextlib.suppress(OSError):
            self.sink.shutdown(socket.SHUT_WR)


class Link:
    """A client's socket and the broker's, joined."""

    def __init__(self, client: socket.socket, broker: socket.socket) -> None:
        self.bytes_left: int | None = None
        """How many may still go through it, both ways together, before it breaks."""
        self.client = client
        self.broker = broker
        self.up = Pipe(client, broker)
        self.down = Pipe(broker, client)
        for end in (client, broker):
            end.setblocking(False)
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __iter__(self) -> Iterator[Pipe]:
        yield self.up
        yield self.down

    @property
    def is_over(self) -> bool:
        return self.up.is_over and self.down.is_over

    def resume(self) -> None:
        self.up.is_stalled = self.down.is_stalled = False

    def close(self) -> None:
        """End it with FIN on both sides."""
        for end in (self.client, self.broker):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_WR)
                # What came and was not read would make it a RST.
                while end.recv(_CHUNK):
                    pass
            end.close()

    def reset(self) -> None:
        """End it with RST on both sides."""
        for end in (self.client, self.broker):
            end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)
            end.close()
