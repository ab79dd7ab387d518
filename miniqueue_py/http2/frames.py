"""Frames that are cut out and written by hand, where a library has its own ideas of them."""

import struct
from collections.abc import Iterator
from typing import NamedTuple

DATA, HEADERS, RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = (
    0x0,
    0x1,
    0x3,
    0x4,
    0x6,
    0x7,
    0x8,
    0x9,
)
END_STREAM = 0x1
PADDED = 0x8

LAST_POSSIBLE_STREAM = (1 << 31) - 1

_HEAD = struct.Struct(">BHBBI")
_TWO = struct.Struct(">II")


class Frame(NamedTuple):
    """A frame as it is on the wire."""

    kind: int
    flags: int
    stream_id: int
    whole: bytes

    @property
    def payload(self) -> bytes:
        return self.whole[_HEAD.size :]

    @property
    def data_size(self) -> int:
        """The size of a DATA frame's data, without its padding."""
        payload = self.payload
        if not self.flags & PADDED or not payload:
            return len(payload)
        return len(payload) - 1 - payload[0]


class FrameTooLong(Exception):
    """A frame came that is longer than we said that we take."""


class Splitter:
    """Cuts what comes into frames."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._buffer = bytearray()

    def split(self, data: bytes) -> Iterator[Frame]:
        """Return the frames that are whole now. Raises FrameTooLong."""
        buffer = self._buffer
        buffer += data
        while len(buffer) >= _HEAD.size:
            high, low, kind, flags, stream_id = _HEAD.unpack_from(buffer)
            size = (high << 16) + low
            if size > self._most:
                raise FrameTooLong
            end = _HEAD.size + size
            if len(buffer) < end:
                return
            whole = bytes(memoryview(buffer)[:end])
            del buffer[:end]
            yield Frame(kind, flags, stream_id & LAST_POSSIBLE_STREAM, whole)


def goaway(last_stream_id: int, code: int) -> bytes:
    return _HEAD.pack(0, 8, GOAWAY, 0, 0) + _TWO.pack(last_stream_id, code)


def is_goaway(frame: Frame) -> bool:
    """Tell if it is one that `read_goaway` can read; words may be behind what it reads."""
    return frame.kind == GOAWAY and not frame.stream_id and len(frame.payload) >= _TWO.size


def read_goaway(frame: Frame) -> tuple[int, int]:
    """Return the last stream and the code."""
    last_stream_id, code = _TWO.unpack_from(frame.payload)
    return last_stream_id & LAST_POSSIBLE_STREAM, code


def window_update(stream_id: int, size: int) -> bytes:
    return _HEAD.pack(0, 4, WINDOW_UPDATE, 0, stream_id) + size.to_bytes(4, "big")
