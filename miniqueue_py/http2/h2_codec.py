"""The codec on h2, in Python alone; no file but `h2_*.py` imports that.

It is for where ngh2 has no wheel: much slower, and the same to a receiver, but
that a malformed head ends the connection and not the stream.
"""

from collections.abc import Mapping

import h2.exceptions

from miniqueue_py.errors import ConnectionLost
from miniqueue_py.http2 import frames
from miniqueue_py.http2.codec import (
    FRAME_SIZE_ERROR,
    MAX_FRAME_SIZE,
    NO_ERROR,
    PROTOCOL_ERROR,
    Headers,
    Receiver,
)
from miniqueue_py.http2.frames import FrameTooLong, Splitter
from miniqueue_py.http2.h2_engine import FRAME_BYTES, NO_BOUND, new_engine
from miniqueue_py.http2.h2_reading import Reader, Violation
from miniqueue_py.http2.h2_sending import Sender

_PREFACE_BYTES = 24


class H2Codec:
    """One connection's frames, on h2."""

    def __init__(
        self,
        receiver: Receiver,
        *,
        is_client: bool,
        settings: Mapping[int, int],
        connection_window: int,
    ) -> None:
        self.is_broken = False
        self._is_client = is_client
        self._engine = new_engine(settings, connection_window, is_client=is_client)
        self._preface_left = 0 if is_client else _PREFACE_BYTES
        self._splitter = Splitter(settings.get(MAX_FRAME_SIZE, FRAME_BYTES))
        self._sender = Sender(self._engine)
        self._streams = self._sender.streams
        self._reader = Reader(self._engine, self._sender, receiver, settings, is_client=is_client)

    def __repr__(self) -> str:
        role = "client" if self._is_client else "server"
        return f"<H2Codec of a {role}{', broken' if self.is_broken else ''}>"

    # Bytes.

    @property
    def wants_take(self) -> bool:
        if not self.is_broken:
            self._sender.gather(1)
        return not self._sender.has_sent_all

    def feed(self, data: bytes) -> None:
        if self.is_broken:
            return
        try:
            for frame in self._splitter.split(self._past_preface(data)):
                self._reader.read(frame)
        except Violation as violation:
            self._break(violation.code)
        except FrameTooLong:
            self._break(FRAME_SIZE_ERROR)
        except h2.exceptions.ProtocolError:
            self._break(None)  # h2 has its GOAWAY ready

    def dispatch(self, most_headers: int) -> bool:
        return self._reader.dispatch(most_headers)

    def take(self, most: int) -> bytes:
        if not self.is_broken:
            self._sender.gather(most)
        data = self._sender.take(most)
        if self._sender.has_sent_all:
            self._reader.guard.note_all_sent()
            self.is_broken |= self._reader.has_goaway and not self._streams
        return data

    # Streams.

    def open(self, headers: Headers, *, ends: bool = False) -> int:
        if self.is_broken or self._reader.has_goaway:
            raise ConnectionLost("it takes no new requests")
        head = list(headers)
        try:
            stream_id = self._engine.get_next_available_stream_id()
            self._engine.send_headers(stream_id, head, end_stream=ends)
        except h2.exceptions.ProtocolError as error:
            raise ConnectionLost(str(error)) from error
        stream = self._sender.add(stream_id)
        stream.has_head = True
        stream.has_ended = ends
        stream.was_told = True
        if (b":method", b"HEAD") in head:
            stream.body_left = NO_BOUND  # whatever its answer declares, no body comes
        return stream_id

    def respond(self, stream_id: int, headers: Headers, *, ends: bool = False) -> None:
        stream = self._streams.get(stream_id)
        if stream is not None and not stream.has_head:
            self._engine.send_headers(stream_id, list(headers), end_stream=ends)
            stream.has_head = True
            if ends:
                self._sender.note_our_end(stream)

    def inform(self, stream_id: int, headers: Headers) -> None:
        stream = self._streams.get(stream_id)
        if stream is not None and not stream.has_head:
            self._engine.send_headers(stream_id, list(headers))

    def send(self, stream_id: int, data: bytes, *, ends: bool = False) -> None:
        stream = self._streams.get(stream_id)
        if stream is not None and stream.has_head and not (stream.is_ending or stream.has_ended):
            self._sender.send(stream, data, ends=ends)

    def reset(self, stream_id: int, code: int) -> None:
        stream = self._streams.get(stream_id)
        if stream is not None:
            self._engine.reset_stream(stream_id, code)
            self._sender.forget(stream)
            self._reader.silence(stream_id)

    def grant(self, stream_id: int, size: int) -> None:
        if not self.is_broken:
            self._reader.acknowledge(stream_id, size)

    def queued(self, stream_id: int) -> int:
        stream = self._streams.get(stream_id)
        return 0 if stream is None else len(stream.outgoing)

    def queued_in_all(self) -> int:
        return 0 if self.is_broken else self._sender.queued

    # The connection.

    def ping(self, data: bytes) -> None:
        if not self.is_broken:
            self._engine.ping(data)

    def end(self, code: int = NO_ERROR) -> None:
        if not self.is_broken:
            self._sender.gather(NO_BOUND)
            self._break(code)

    # Inside.

    def _past_preface(self, data: bytes) -> bytes:
        """Return what is behind a client's preface. Raises Violation."""
        if self._preface_left:
            preface, data = data[: self._preface_left], data[self._preface_left :]
            self._preface_left -= len(preface)
            try:
                self._engine.receive_data(preface)
            except h2.exceptions.ProtocolError as error:  # of this, h2 makes no GOAWAY
                raise Violation(PROTOCOL_ERROR) from error
        return data

    def _break(self, code: int | None) -> None:
        """Be of no use from now on; h2 has said why, if there is no code."""
        self._sender.say(b"" if code is None else frames.goaway(self._reader.highest, code))
        self.is_broken = True
        self._reader.clear()
        self._streams.clear()
