"""The open streams of an h2 connection, and what they send: as windows allow, and in turn.

What is to be sent is collected here behind everything that was said before, so
that frames written by hand keep their place among h2's.
"""

from miniqueue_py.http2.h2_engine import FRAME_BYTES, Engine
from miniqueue_py.http2.turns import Sending, Turns


class Sender:
    """Knows the streams that are open, and fills what `take` gives out."""

    def __init__(self, engine: Engine) -> None:
        self.streams: dict[int, Sending] = {}
        self.turns = Turns()
        self.queued = 0
        """Bytes of all bodies that are not sent."""
        self._engine = engine
        self._out = bytearray()

    # Streams.

    def add(self, stream_id: int) -> Sending:
        stream = self.streams[stream_id] = Sending(stream_id)
        self._engine.open_streams += 1
        self._engine.forget_closed()
        return stream

    def forget(self, stream: Sending) -> None:
        if self.streams.pop(stream.stream_id, None) is not None:
            self.queued -= len(stream.outgoing)
            self._engine.open_streams -= 1
            self.turns.forget(stream)

    def note_our_end(self, stream: Sending) -> None:
        stream.has_ended = True
        if stream.peer_has_ended:
            self.forget(stream)

    def note_their_end(self, stream: Sending) -> None:
        stream.peer_has_ended = True
        if stream.has_ended:
            self.forget(stream)

    # Bytes.

    def send(self, stream: Sending, data: bytes, *, ends: bool) -> None:
        stream.outgoing += data
        self.queued += len(data)
        stream.is_ending = ends
        if stream.outgoing:
            self.turns.join(stream)
        elif ends:  # an end alone needs no window, and waits for none
            self._engine.end_stream(stream.stream_id)
            self.note_our_end(stream)

    def say(self, frame: bytes) -> None:
        """Send a frame that h2 does not know of."""
        self._collect()
        self._out += frame

    def take(self, most: int) -> bytes:
        data = bytes(self._out[:most])
        del self._out[:most]
        return data

    @property
    def has_sent_all(self) -> bool:
        return not self._out

    def gather(self, most: int) -> None:
        """Make ready what there is to say, and frames of bodies until there is so much."""
        self._collect()
        while self.turns and len(self._out) < most:
            stream = self.turns.next()
            if stream.outgoing and self._engine.outbound_flow_control_window <= 0:
                self.turns.give_back(stream)
                break
            self._send_piece(stream)
            self._collect()

    def _send_piece(self, stream: Sending) -> None:
        stream_id, outgoing = stream.stream_id, stream.outgoing
        if not outgoing:
            return  # it was reset while it stood in line
        room = min(
            len(outgoing),
            FRAME_BYTES,
            self._engine.max_outbound_frame_size,
            self._engine.local_flow_control_window(stream_id),
        )
        if room <= 0:
            self.turns.block(stream)
            return
        piece = bytes(outgoing[:room])
        del outgoing[:room]
        self.queued -= room
        ends = stream.is_ending and not outgoing
        self._engine.send_data(stream_id, piece, end_stream=ends)
        if ends:
            self.note_our_end(stream)
        elif outgoing:
            self.turns.join(stream)

    def _collect(self) -> None:
        self._out += self._engine.data_to_send()
