"""Whose turn it is to send: as much as the windows allow, and never too much in a row."""

import h2.connection

from miniqueue_py.client.stream import Stream

TURN_BYTES = 1 << 18
"""A stream sends so much in a row, and then the others have their turn."""


class Turns:
    """The streams of a connection that may have something to send."""

    def __init__(self, http2: h2.connection.H2Connection) -> None:
        self._http2 = http2
        self._sending: dict[int, Stream] = {}
        """In the order of their turns."""
        self._blocked: dict[int, Stream] = {}
        """Those that have something, and that the server gives no room."""

    def join(self, stream: Stream) -> None:
        """Stand in line, unless it does."""
        self._sending.setdefault(stream.number, stream)

    def unblock(self) -> None:
        """Take note that the server has given room to somebody."""
        blocked, self._blocked = self._blocked, {}
        self._sending.update(blocked)

    def forget(self, number: int) -> None:
        self._sending.pop(number, None)
        self._blocked.pop(number, None)

    def clear(self) -> None:
        self._sending.clear()
        self._blocked.clear()

    def take_all(self) -> list[Stream]:
        """Give each its turn, and return those that have sent all they ever will."""
        sending, self._sending = self._sending, {}
        return [stream for stream in sending.values() if self._take_from(stream)]

    def _take_from(self, stream: Stream) -> bool:
        left = TURN_BYTES
        while left > 0:
            if stream.source is not None and len(stream.outgoing) < left:
                stream.outgoing += stream.source()
            if not stream.outgoing:
                break
            room = min(
                left,
                len(stream.outgoing),
                self._http2.local_flow_control_window(stream.number),
                self._http2.max_outbound_frame_size,
            )
            if room <= 0:
                self._blocked[stream.number] = stream
                return False
            piece = bytes(memoryview(stream.outgoing)[:room])
            del stream.outgoing[:room]
            self._http2.send_data(stream.number, piece)
            left -= room
        if left <= 0:
            self._sending[stream.number] = stream
        elif stream.is_ending:
            self._http2.end_stream(stream.number)
            stream.has_sent_all = True
        return stream.has_sent_all
