"""What comes on an h2 connection: what of it h2 may have, and what is told of it.

h2 is given one frame at a time, and not those that it makes too much of: a
GOAWAY ends all streams for it, a body of a wrong length the connection, and so
does DATA that was on its way when its stream ended.
"""

from collections import deque
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import h2.events

from miniqueue_py.http2 import frames, limits
from miniqueue_py.http2.codec import (
    ENHANCE_YOUR_CALM,
    MAX_CONCURRENT_STREAMS,
    PROTOCOL_ERROR,
    REFUSED_STREAM,
    Headers,
    Receiver,
)
from miniqueue_py.http2.frame_guard import FrameGuard
from miniqueue_py.http2.frames import Frame
from miniqueue_py.http2.h2_engine import NO_BOUND, Engine
from miniqueue_py.http2.h2_sending import Sender
from miniqueue_py.http2.turns import Sending


class Violation(Exception):
    """What came ends the connection."""

    def __init__(self, code: int) -> None:
        super().__init__(f"error {code:#x}")
        self.code = code


class _News(NamedTuple):
    """Something to tell the receiver."""

    stream_id: int
    tell: Callable[[], object]
    begins: bool = False
    size: int = 0
    """Of a body's piece: if it is not told, so much is granted."""


class Reader:
    """Turns frames into news, and tells them."""

    def __init__(
        self,
        engine: Engine,
        sender: Sender,
        receiver: Receiver,
        settings: Mapping[int, int],
        *,
        is_client: bool,
    ) -> None:
        self.guard = FrameGuard(counts_resets=not is_client)
        self.has_goaway = False
        self.highest = 0
        """The last stream of the peer's that was told."""
        self._engine = engine
        self._sender = sender
        self._streams = sender.streams
        self._receiver = receiver
        self._is_client = is_client
        self._most_streams = settings.get(MAX_CONCURRENT_STREAMS, NO_BOUND)
        self._is_greeted = False
        self._news: deque[_News] = deque()
        self._silenced: set[int] = set()
        """Streams of which nothing more is told, while there is something in `_news`."""

    def dispatch(self, most_headers: int) -> bool:
        news = self._news
        while news:
            stream_id, tell, begins, size = news.popleft()
            if stream_id in self._silenced:
                self.acknowledge(stream_id, size)
                continue
            tell()
            most_headers -= begins
            if most_headers <= 0:
                break
        if not news:
            self._silenced.clear()
        return bool(news)

    def silence(self, stream_id: int) -> None:
        """Tell nothing more of a stream; what came on it is granted."""
        if self._news:
            self._silenced.add(stream_id)

    def acknowledge(self, stream_id: int, size: int) -> None:
        if size:
            self._engine.acknowledge_received_data(size, stream_id)

    def clear(self) -> None:
        self._news.clear()

    # Frames.

    def read(self, frame: Frame) -> None:
        """Give a frame to h2, unless it is one that h2 makes too much of. Raises Violation.

        And what h2 raises, which then has its GOAWAY ready.
        """
        kind = frame.kind
        if not self._is_greeted:
            if kind != frames.SETTINGS:
                raise Violation(PROTOCOL_ERROR)
            self._is_greeted = True
        if not self.guard.bears(frame):
            raise Violation(ENHANCE_YOUR_CALM)
        if kind == frames.RST_STREAM and self._is_idle(frame.stream_id):
            raise Violation(PROTOCOL_ERROR)
        if frames.is_goaway(frame):
            self._read_goaway(*frames.read_goaway(frame))
        elif kind != frames.DATA or self._takes_data(frame):
            for event in self._engine.receive_data(frame.whole):
                self._note(event)

    def _read_goaway(self, last_stream_id: int, code: int) -> None:
        self.has_goaway = True
        self._news.append(_News(0, partial(self._receiver.on_goaway, last_stream_id, code)))
        if self._is_client:
            for stream in list(self._streams.values()):
                if stream.stream_id > last_stream_id:
                    self._sender.forget(stream)
                    self._note_closed(stream, REFUSED_STREAM)

    def _takes_data(self, frame: Frame) -> bool:
        """Tell if h2 may have it; else drop it and give the connection's window back."""
        stream = self._streams.get(frame.stream_id)
        if stream is None:
            if frame.stream_id == 0 or self._is_idle(frame.stream_id):
                return True
        elif stream.body_left is None or self._fits(stream, frame):
            return True
        else:
            self._break_stream(stream, PROTOCOL_ERROR)
        if frame.payload:
            self._sender.say(frames.window_update(0, len(frame.payload)))
        return False

    def _is_idle(self, stream_id: int) -> bool:
        engine = self._engine
        return stream_id > max(engine.highest_inbound_stream_id, engine.highest_outbound_stream_id)

    def _fits(self, stream: Sending, frame: Frame) -> bool:
        """Tell if a piece of a body keeps to the declared length."""
        left = (stream.body_left or 0) - frame.data_size
        stream.body_left = left
        return left == 0 if frame.flags & frames.END_STREAM else left >= 0

    # What h2 makes of a frame.

    def _note(self, event: h2.events.Event) -> None:
        receiver = self._receiver
        match event:
            case h2.events.DataReceived():
                self._note_data(event)
            case h2.events.RequestReceived() | h2.events.ResponseReceived():
                self._note_head(event.stream_id, event.headers, ends=event.stream_ended is not None)
            case h2.events.TrailersReceived(stream_id=stream_id):
                self._news.append(_News(stream_id, partial(receiver.on_data, stream_id, b"", True)))
            case h2.events.StreamEnded(stream_id=stream_id) if stream_id in self._streams:
                self._sender.note_their_end(self._streams[stream_id])
            case h2.events.StreamReset(stream_id=stream_id) if stream_id in self._streams:
                stream = self._streams[stream_id]
                self._sender.forget(stream)
                self._note_closed(stream, int(event.error_code or 0))
            case h2.events.WindowUpdated(stream_id=stream_id):
                self._sender.turns.unblock(stream_id)
                self._news.append(_News(0, partial(receiver.on_window, stream_id)))
            case h2.events.RemoteSettingsChanged(changed_settings=changed):
                self._sender.turns.unblock_all()
                settings = {int(each.setting): each.new_value for each in changed.values()}
                self._news.append(_News(0, partial(receiver.on_settings, settings)))
                self._news.append(_News(0, partial(receiver.on_window, 0)))
            case h2.events.PingReceived():
                self._news.append(_News(0, receiver.on_ping))
            case h2.events.PingAckReceived(ping_data=data):
                self._news.append(_News(0, partial(receiver.on_pong, data)))
            case _:
                pass  # interim responses, acknowledgements, priorities, unknown frames

    def _note_head(self, stream_id: int, headers: Headers, *, ends: bool) -> None:
        head = tuple((bytes(name), bytes(value)) for name, value in headers)
        if len(head) > limits.MOST_HEADER_FIELDS:
            raise Violation(ENHANCE_YOUR_CALM)
        if self._is_client:
            stream = self._streams.get(stream_id)
            if stream is None:
                return
        else:
            stream = self._sender.add(stream_id)
            if len(self._streams) > self._most_streams:
                self._break_stream(stream, REFUSED_STREAM)
                return
        if stream.body_left is None:
            stream.body_left = _declared_length(head)
        self._news.append(
            _News(
                stream_id, partial(self._tell_head, stream, head, ends), begins=not self._is_client
            )
        )

    def _tell_head(
        self, stream: Sending, head: tuple[tuple[bytes, bytes], ...], ends: bool
    ) -> None:
        stream.was_told = True
        if not self._is_client:
            self.highest = stream.stream_id
        self._receiver.on_headers(stream.stream_id, head, ends)

    def _note_data(self, event: h2.events.DataReceived) -> None:
        stream_id, data = event.stream_id, event.data
        padding = event.flow_controlled_length - len(data)
        if padding:
            self.acknowledge(stream_id, padding)
        tell = partial(self._receiver.on_data, stream_id, data, event.stream_ended is not None)
        self._news.append(_News(stream_id, tell, size=len(data)))

    def _note_closed(self, stream: Sending, code: int) -> None:
        if not stream.was_told:
            self.silence(stream.stream_id)  # it was reset in the read that began it
        self._news.append(_News(0, partial(self._receiver.on_closed, stream.stream_id, code)))

    def _break_stream(self, stream: Sending, code: int) -> None:
        """Reset a stream for what came on it."""
        self._engine.reset_stream(stream.stream_id, code)
        self._sender.forget(stream)
        self._note_closed(stream, code)
        if not self.guard.bears_reset():
            raise Violation(ENHANCE_YOUR_CALM)


def _declared_length(head: tuple[tuple[bytes, bytes], ...]) -> int | None:
    for name, value in head:
        if name == b"content-length":
            return int(value)  # h2 has seen that it is a number
    return None
