"""The streams of one connection, and the codec that carries them. It does no I/O.

Each has its turn to send, and what it may not send yet stays with it: so no
stream can keep the others from sending. What came is handed to its stream at
once. A GOAWAY ends nothing here: what is open goes on, and what is new goes
over another connection.
"""

from collections.abc import Callable, Iterable, Mapping

from miniqueue_py.client.http2.stream import Stream
from miniqueue_py.http2.choose import new_codec
from miniqueue_py.http2.codec import (
    CANCEL,
    ENABLE_PUSH,
    ERROR_NAMES,
    INITIAL_WINDOW_SIZE,
    MAX_CONCURRENT_STREAMS,
    MAX_FRAME_SIZE,
    REFUSED_STREAM,
)

WINDOW_BYTES = 1 << 23
"""Of an answer, that may come before it is taken."""

CONNECTION_WINDOW_BYTES = 1 << 30
"""Of all answers together: no bound beside that of each."""

MAX_FRAME_BYTES = 1 << 20

WRITE_BYTES = 1 << 20
"""The most that is handed to the socket in one piece."""

TURN_BYTES = 1 << 18
"""A stream sends so much in a row, and then the others have their turn."""

SPARE_STREAMS = 2
"""A connection counts as full so many streams before the server says that it is."""

LAST_STREAM = (1 << 31) - 3
"""With a few to spare, as they are numbered by twos."""

_NUDGE = b"anybody?"

Header = tuple[str, str]


class Streams:
    """The codec's receiver. `on_output` is called when `take` has something."""

    def __init__(
        self, authority: str, on_output: Callable[[], None], on_change: Callable[[], None]
    ) -> None:
        self.is_greeted = False
        self.is_leaving = False
        """The server takes no more streams."""
        self._authority = authority
        self._on_output = on_output
        self._on_change = on_change
        self._open: dict[int, Stream] = {}
        self._sending: dict[int, Stream] = {}
        """Those that may have something to send, in the order of their turns."""
        self._blocked: dict[int, Stream] = {}
        """Those that have something, and that the server gives no room."""
        self._most_open = LAST_STREAM
        self._last_number = 0
        self.codec = new_codec(
            self,
            is_client=True,
            settings={
                ENABLE_PUSH: 0,
                INITIAL_WINDOW_SIZE: WINDOW_BYTES,
                MAX_FRAME_SIZE: MAX_FRAME_BYTES,
            },
            connection_window=CONNECTION_WINDOW_BYTES,
        )

    def __repr__(self) -> str:
        return f"{len(self._open)} streams{', leaving' if self.is_leaving else ''}"

    @property
    def has_room(self) -> bool:
        """Tell if another stream may be opened now."""
        most = max(1, self._most_open - SPARE_STREAMS)
        return not self.is_leaving and len(self._open) < most and self._last_number < LAST_STREAM

    @property
    def are_ending(self) -> bool:
        """Tell if any is on its way to its end."""
        return any(each.is_ending for each in self._open.values())

    def open(self, method: str, path: str, headers: Iterable[Header]) -> Stream:
        """Begin a request. Raises ConnectionLost."""
        fields = (
            (":method", method),
            (":scheme", "https"),
            (":path", path),
            (":authority", self._authority),
            *headers,
        )
        number = self.codec.open([(name.encode(), value.encode()) for name, value in fields])
        stream = Stream(
            number, self._wake, self._open_window, self._drop, room_step=WINDOW_BYTES // 4
        )
        stream.nudge = self._nudge
        self._open[number] = stream
        self._last_number = number
        self._on_output()
        return stream

    def _nudge(self) -> None:
        self.codec.ping(_NUDGE)
        self._on_output()

    def fail_all(self, cause: str) -> None:
        streams, self._open = self._open, {}
        self._sending.clear()
        self._blocked.clear()
        for stream in streams.values():
            stream.fail(cause)

    # Sending.

    def take(self) -> bytes:
        """Return what there is to send now."""
        while True:
            has_handed_in = self._hand_in()
            data = self.codec.take(WRITE_BYTES)
            if data:
                return data
            if not has_handed_in:
                # Nothing can leave of what these have left: they wait for a window.
                self._blocked |= self._sending
                self._sending.clear()
                return b""

    def _hand_in(self) -> bool:
        """Give each stream its turn that has nothing left of its last one; tell if any had."""
        sending, self._sending = self._sending, {}
        has_handed_in = False
        for number, stream in sending.items():
            if self.codec.queued(number):
                self._sending[number] = stream
                continue
            data, ends = stream.next_piece(TURN_BYTES)
            if data or ends:
                self.codec.send(number, data, ends=ends)
                has_handed_in = True
            if ends:
                self._forget_if_over(stream)
            elif data:
                self._sending[number] = stream
        return has_handed_in

    def _wake(self, stream: Stream) -> None:
        number = stream.number
        if not stream.has_sent_all and number in self._open and number not in self._blocked:
            self._sending[number] = stream
            self._on_output()

    # What the codec tells.

    def on_headers(
        self, stream_id: int, headers: tuple[tuple[bytes, bytes], ...], ends: bool
    ) -> None:
        stream = self._open.get(stream_id)
        if stream is not None:
            known = {name.decode(): value.decode(errors="replace") for name, value in headers}
            stream.take_answer(int(known[":status"]), known)
            if ends:
                self._end(stream)

    def on_data(self, stream_id: int, data: bytes, ends: bool) -> None:
        stream = self._open.get(stream_id)
        if stream is None:
            self.codec.grant(stream_id, len(data))
            return
        if data:
            stream.take_data(data)
        if ends:
            self._end(stream)

    def on_closed(self, stream_id: int, code: int) -> None:
        stream = self._open.get(stream_id)
        if stream is not None:
            self._forget(stream)
            name = ERROR_NAMES[code] if code < len(ERROR_NAMES) else f"error {code}"
            cause = f"the broker reset the request by {name}"
            stream.fail(cause, is_refused=code == REFUSED_STREAM)

    def on_window(self, stream_id: int) -> None:
        if stream_id == 0:
            self._sending |= self._blocked
            self._blocked.clear()
        elif stream_id in self._blocked:
            self._sending[stream_id] = self._blocked.pop(stream_id)

    def on_settings(self, settings: Mapping[int, int]) -> None:
        self.is_greeted = True
        self._most_open = settings.get(MAX_CONCURRENT_STREAMS, self._most_open)
        self._on_change()

    def on_ping(self) -> None:
        """Do nothing: the codec answers."""

    def on_pong(self, data: bytes) -> None:
        """Do nothing: that something came is all that was asked for."""

    def on_goaway(self, last_stream_id: int, code: int) -> None:
        del last_stream_id, code  # those above it are told as closed
        self.is_leaving = True
        self._on_output()  # with no stream left, the codec is of no use behind its last word

    def _open_window(self, number: int, size: int) -> None:
        """Let the server send as much again as was taken."""
        self.codec.grant(number, size)
        if self.codec.wants_take:
            self._on_output()

    # Ending.

    def _end(self, stream: Stream) -> None:
        stream.take_end()
        self._forget_if_over(stream)

    def _drop(self, stream: Stream) -> None:
        """Reset a stream that somebody gave up."""
        if stream.number in self._open:
            self.codec.reset(stream.number, CANCEL)
            self._forget(stream)

    def _forget_if_over(self, stream: Stream) -> None:
        if stream.has_sent_all and stream.has_ended:
            self._forget(stream)

    def _forget(self, stream: Stream) -> None:
        for streams in (self._open, self._sending, self._blocked):
            streams.pop(stream.number, None)
        stream.make_all_room()
        self._on_output()
        self._on_change()
