"""h2's connection, with DATA frames that cost little.

h2 copies a DATA frame eight times on its way out and three times on its way
in, and writes each that comes in hexadecimal for a log line which nobody
reads. Here they are put together and taken apart with as few copies as may
be; what they mean (the state of streams, the windows) remains h2's affair,
and so does every other frame.

A frame that comes is not waited for: what is there of a DATA frame is handed
on as if it were one, so large frames need no memory and hold nothing up.

This reaches into h2 4.4.1; a test says when a new version is out to be tried.
"""

import struct

import h2.config
import h2.connection
import h2.frame_buffer
import h2.settings
import h2.windows
from h2.connection import ConnectionInputs
from h2.exceptions import ProtocolError
from h2.stream import StreamInputs
from hyperframe.frame import ContinuationFrame, DataFrame, Frame

KNOWN_H2_VERSION = "4.4.1"

STREAM_WINDOW_BYTES = 1 << 20
"""What a client may send on a stream ahead of its application."""

CONNECTION_WINDOW_BYTES = 16 << 20
"""The same for a connection, and so the most that its unread bodies can cost.

When sixteen streams of one connection are stalled to the brim, the others on
it cannot send either; a client that expects that opens another.
"""

MAX_FRAME_BYTES = 1 << 18
"""The largest frame a client may send. While it sends one, its other streams wait."""

MAX_HEADER_BYTES = 1 << 16
"""What a header block may have, encoded: more cannot be within the announced limit."""

GIVE_BACK_BYTES = 1 << 18
"""The connection's window is opened again in pieces of that size."""

_FIRST_WINDOW_BYTES = 65_535
_HEAD = struct.Struct("!HBBBL")
_HEAD_SIZE = _HEAD.size
_DATA, _END_STREAM, _PADDED = 0, 0x1, 0x8
_ID_MASK = 2**31 - 1


class DataPiece(DataFrame):
    """A DATA frame without padding, or a part of one."""

    def __init__(self, stream_id: int, data: bytes, *, is_last: bool) -> None:
        # Not what the base class has: half of a frame's cost is there.
        self.stream_id = stream_id
        self.data = data
        self.flags = ("END_STREAM",) if is_last else ()  # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"<DataPiece of stream {self.stream_id}>"

    @property
    def flow_controlled_length(self) -> int:
        return len(self.data)


class PieceBuffer(h2.frame_buffer.FrameBuffer):
    """What has come and is not a whole frame yet.

    DATA need not be whole: what is there is handed on, and neighbouring
    frames of one stream as one.
    """

    def __init__(self) -> None:
        super().__init__(server=True)
        self._stream_id = 0
        """Whose DATA frame has begun; none's if 0."""
        self._left = 0
        """How much of it is still to come."""
        self._ends_stream = False

    def __next__(self) -> Frame:
        if not self._stream_id and not self._begin_data():
            return super().__next__()
        stream_id = self._stream_id
        pieces = [self._take_data()]
        while not self._stream_id and not self._ends_stream and self._begin_data(stream_id):
            pieces.append(self._take_data())
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        if not data and self._left:
            raise StopIteration
        is_last = self._ends_stream and not self._stream_id
        return DataPiece(stream_id, data, is_last=is_last)

    def _begin_data(self, of_stream: int = 0) -> bool:
        """Read the header of a plain DATA frame, if one is next (and of that stream)."""
        if len(self._data) < _HEAD_SIZE:
            return False
        high, low, kind, flags, stream_id = _HEAD.unpack_from(self._data)
        # h2 does this when the frame has come: 16 MB of memory for a header.
        self._validate_frame_length(high << 8 | low)
        stream_id &= _ID_MASK
        if kind != _DATA or flags & _PADDED or not stream_id or self._headers_buffer:
            return False
        if of_stream and stream_id != of_stream:
            return False
        del self._data[:_HEAD_SIZE]
        self._stream_id, self._left = stream_id, high << 8 | low
        self._ends_stream = bool(flags & _END_STREAM)
        return True

    def _take_data(self) -> bytes:
        with memoryview(self._data) as view:
            data = bytes(view[: self._left])
        del self._data[: len(data)]
        self._left -= len(data)
        if not self._left:
            self._stream_id = 0
        return data

    def _update_header_buffer(self, f: Frame | None) -> Frame | None:
        if isinstance(f, ContinuationFrame):
            size = len(f.data) + sum(len(frame.data) for frame in self._headers_buffer)
            if size > MAX_HEADER_BYTES:
                raise ProtocolError("a header block is too long")
        return super()._update_header_buffer(f)


class ConnectionWindow(h2.windows.WindowManager):
    """The connection's receive window, opened again in small steps.

    The original waits until half of it is read. When stalled streams hold the
    other half, that never comes.
    """

    def _maybe_update_window(self) -> int | None:
        if self._bytes_processed < min(GIVE_BACK_BYTES, max(self.current_window_size, 1)):
            return None
        increment = min(self._bytes_processed, self.max_window_size - self.current_window_size)
        self._bytes_processed = 0
        self.current_window_size += increment
        return increment


class FastConnection(h2.connection.H2Connection):
    """A server's side of HTTP/2 with wide windows."""

    def __init__(self, config: h2.config.H2Configuration, settings: h2.settings.Settings) -> None:
        super().__init__(config)
        self.local_settings = settings
        self.local_settings.initial_window_size = STREAM_WINDOW_BYTES
        self.local_settings.max_frame_size = MAX_FRAME_BYTES
        self.local_settings.acknowledge()  # a client that does not know yet keeps to less
        self.max_inbound_frame_size = MAX_FRAME_BYTES
        self.incoming_buffer = PieceBuffer()
        self._frame_dispatch_table[DataPiece] = self._receive_data_frame
        self._inbound_flow_control_window_manager = ConnectionWindow(_FIRST_WINDOW_BYTES)

    def initiate_connection(self) -> None:
        super().initiate_connection()
        self.increment_flow_control_window(CONNECTION_WINDOW_BYTES - _FIRST_WINDOW_BYTES)

    @property
    def outgoing_size(self) -> int:
        return len(self._data_to_send)

    def take_outgoing(self) -> bytearray:
        """Return what is to be sent, without a copy."""
        outgoing, self._data_to_send = self._data_to_send, bytearray()
        return outgoing

    def send_body(self, stream_id: int, body: memoryview) -> None:
        """Send what the peer's windows allow, in as many frames as it takes."""
        stream = self.streams[stream_id]
        self.state_machine.process_input(ConnectionInputs.SEND_DATA)
        stream.state_machine.process_input(StreamInputs.SEND_DATA)
        size, limit = len(body), self.max_outbound_frame_size
        for start in range(0, size, limit):
            piece = body[start : start + limit]
            length = len(piece)
            self._data_to_send += _HEAD.pack(length >> 8, length & 0xFF, _DATA, 0, stream_id)
            self._data_to_send += piece
        stream.outbound_flow_control_window -= size
        self.outbound_flow_control_window -= size
