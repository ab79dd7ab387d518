"""MiniQueue's wire: a request a message, and a subscription in lock-step, over HTTP/2."""

import json
import re
import struct
from base64 import b64decode
from collections.abc import Sequence

from benchmarks.peers.sample import BrokenPromise
from benchmarks.peers.wires.frames import (
    ACKNOWLEDGED,
    DATA,
    END_HEADERS,
    END_STREAM,
    GOAWAY,
    HEADERS,
    PING,
    RST_STREAM,
    SETTINGS,
    frame,
    greeting,
    is_refusal,
    post_block,
)
from benchmarks.peers.wires.wire import Wire

_ERROR = re.compile(rb'"error"')
# Go's decoder knows that a string has ended when something follows.
_INIT, _ACK = b'"INIT"\n', b'"ACK"\n'


class Http2Wire(Wire):
    """Publishes on streams of their own, or one subscription on stream 1.

    No window is kept: what is under way at a time is far below HTTP/2's first one.
    """

    def __init__(self, topic: str) -> None:
        super().__init__(topic)
        self._publish_block = post_block(f"/publish/{topic}")
        self._subscription: int | None = None
        self._next_id = 1
        self._rest = b""
        self._line = b""

    def begin(self) -> None:
        self.out.append(greeting())

    def publish(self, bodies: Sequence[bytes]) -> None:
        for body in bodies:
            number, self._next_id = self._next_id, self._next_id + 2
            self.out.append(frame(HEADERS, END_HEADERS, number, self._publish_block))
            self.out.append(frame(DATA, END_STREAM, number, body))

    def subscribe(self, credit: int) -> None:
        """Ask for one at a time: MiniQueue knows no other way."""
        if credit != 1:
            raise ValueError("lock-step has one message in flight")
        self._subscription, self._next_id = self._next_id, self._next_id + 2
        block = post_block(f"/subscribe/{self.topic}")
        self.out.append(frame(HEADERS, END_HEADERS, self._subscription, block))
        self.out.append(frame(DATA, 0, self._subscription, _INIT))

    def acknowledge(self) -> None:
        assert self._subscription is not None
        self.out.append(frame(DATA, 0, self._subscription, _ACK))

    def receive(self, data: bytes) -> None:
        data = self._rest + data if self._rest else data
        start, size = 0, len(data)
        while size - start >= 9:
            head, flags, stream_id = struct.unpack_from("!IBI", data, start)
            end = start + 9 + (head >> 8)
            if end > size:
                break
            self._take(head & 0xFF, flags, stream_id, data[start + 9 : end])
            start = end
        self._rest = data[start:]

    def _take(self, kind: int, flags: int, stream_id: int, payload: bytes) -> None:
        if kind == DATA and payload:
            self._take_data(payload)
        elif kind == HEADERS and is_refusal(payload):
            raise BrokenPromise(f"a request was refused, headers {payload[:40]!r}")
        elif kind in {SETTINGS, PING}:
            if not flags & ACKNOWLEDGED:
                answer = payload if kind == PING else b""
                self.out.append(frame(kind, ACKNOWLEDGED, 0, answer))
        elif kind in {RST_STREAM, GOAWAY}:
            raise BrokenPromise(f"stream {stream_id} was ended by force, {payload[:40]!r}")
        if kind in {DATA, HEADERS} and flags & END_STREAM:
            if stream_id == self._subscription:
                raise BrokenPromise(f"the subscription was ended with {payload!r}")
            self.confirmed += 1

    def _take_data(self, payload: bytes) -> None:
        if self._subscription is None:
            return  # the body of a publish's answer
        self._line += payload
        if not self._line.endswith(b"\n"):
            return  # the rest of the line comes with the next frame
        if _ERROR.search(self._line):
            raise BrokenPromise(f"the broker answered {self._line!r}")
        self.delivered += 1
        if self.bodies is not None:
            self.bodies.append(b64decode(json.loads(self._line)["msg"]))
        self._line = b""
