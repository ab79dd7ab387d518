"""RabbitMQ's AMQP 0-9-1: persistent publishes with confirms, a consumer with prefetch."""

import struct
from collections.abc import Sequence

from benchmarks.peers.sample import BrokenPromise
from benchmarks.peers.wires.wire import Wire

_METHOD, _HEADER, _BODY, _HEARTBEAT = 1, 2, 3, 8
_START, _TUNE, _OPEN_OK, _CHANNEL_OPEN_OK = (10, 10), (10, 30), (10, 41), (20, 11)
_DECLARE_OK, _SELECT_OK, _ACK, _DELIVER = (50, 11), (85, 11), (60, 80), (60, 60)
_EXPECTED_OTHERS = {(60, 11), (60, 21)}  # qos, consume
_CHANNELS = 2047
_LARGEST_FRAME = 131_072
_DURABLE = 2
_PERSISTENT = b"\x10\x00\x02"
"""Property flags that have a delivery mode only, and that mode."""


class AmqpWire(Wire):
    def __init__(self, topic: str) -> None:
        super().__init__(topic)
        self.is_open = False
        self._queue = _short(topic)
        self._publish = _frame(1, _METHOD, _method((60, 40), b"\0\0\0" + self._queue + b"\0"))
        self._low = 0
        """Up to here all are confirmed."""
        self._above: set[int] = set()
        self._rest = b""

    def begin(self) -> None:
        self.out.append(b"AMQP\0\0\x09\x01")

    def publish(self, bodies: Sequence[bytes]) -> None:
        for body in bodies:
            header = struct.pack("!HHQ", 60, 0, len(body)) + _PERSISTENT
            self.out += [self._publish, _frame(1, _HEADER, header), _frame(1, _BODY, body)]

    def subscribe(self, credit: int) -> None:
        self._say((60, 10), struct.pack("!IHB", 0, credit, 0))
        self._say((60, 20), b"\0\0" + self._queue + b"\0\0" + bytes(4))

    def acknowledge(self) -> None:
        self._say(_ACK, struct.pack("!QB", self.delivered, 1))

    def receive(self, data: bytes) -> None:
        data = self._rest + data if self._rest else data
        start, size = 0, len(data)
        while size - start >= 8:
            kind, _, length = struct.unpack_from("!BHI", data, start)
            end = start + 8 + length
            if end > size:
                break
            if kind == _METHOD:
                self._take_method(data[start + 7 : end - 1])
            elif kind == _BODY:
                self.delivered += 1
                if self.bodies is not None:
                    self.bodies.append(data[start + 7 : end - 1])
            elif kind == _HEARTBEAT:
                self.out.append(_frame(0, _HEARTBEAT, b""))
            start = end
        self._rest = data[start:]

    def _take_method(self, payload: bytes) -> None:
        kind = struct.unpack_from("!HH", payload)
        if kind == _DELIVER:
            return
        if kind == _ACK:
            self._take_confirm(*struct.unpack_from("!QB", payload, 4))
        elif kind == _START:
            answer = bytes(4) + _short("PLAIN") + _long(b"\0guest\0guest") + _short("en_US")
            self._say((10, 11), answer, channel=0)
        elif kind == _TUNE:
            self._say((10, 31), struct.pack("!HIH", _CHANNELS, _LARGEST_FRAME, 0), channel=0)
            self._say((10, 40), _short("/") + b"\0\0", channel=0)
        elif kind == _OPEN_OK:
            self._say((20, 10), b"\0")
        elif kind == _CHANNEL_OPEN_OK:
            self._say((50, 10), b"\0\0" + self._queue + bytes([_DURABLE]) + bytes(4))
        elif kind == _DECLARE_OK:
            self._say((85, 10), b"\0")
        elif kind == _SELECT_OK:
            self.is_open = True
        elif kind not in _EXPECTED_OTHERS:
            raise BrokenPromise(f"RabbitMQ answered {payload[:200]!r}")

    def _take_confirm(self, tag: int, has_all_below: int) -> None:
        """Count it; RabbitMQ may confirm out of order."""
        if has_all_below & 1:
            self._low = max(self._low, tag)
            self._above = {other for other in self._above if other > tag}
        else:
            self._above.add(tag)
        while self._low + 1 in self._above:
            self._low += 1
            self._above.discard(self._low)
        self.confirmed = self._low + len(self._above)

    def _say(self, kind: tuple[int, int], arguments: bytes, channel: int = 1) -> None:
        self.out.append(_frame(channel, _METHOD, _method(kind, arguments)))


def _frame(channel: int, kind: int, payload: bytes) -> bytes:
    return struct.pack("!BHI", kind, channel, len(payload)) + payload + b"\xce"


def _method(kind: tuple[int, int], arguments: bytes) -> bytes:
    return struct.pack("!HH", *kind) + arguments


def _short(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()


def _long(text: bytes) -> bytes:
    return struct.pack("!I", len(text)) + text
