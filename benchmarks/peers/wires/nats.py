"""NATS JetStream: publishes with an inbox for their acks, and a pull consumer."""

import itertools
import json
import re
from collections.abc import Sequence

from benchmarks.peers.sample import BrokenPromise
from benchmarks.peers.wires.wire import Wire

_CONSUMER = "all"
_MESSAGE = re.compile(rb"MSG \S+ \d+ (\$JS\.ACK\.\S+) \d+\r\n([^\r]*)\r\n")
_WAIT_NANOSECONDS = 60 * 10**9
_numbers = itertools.count(1)


class NatsWire(Wire):
    def __init__(self, topic: str) -> None:
        super().__init__(topic)
        self._inbox = b"_INBOX.%d" % next(_numbers)
        self._next = b""
        self._credit = 0
        self._got = 0
        self._last = b""
        self._rest = b""

    @staticmethod
    def setup(topic: str) -> bytes:
        """Make the stream and its consumer, which acknowledges all up to a message."""
        stream = {"name": topic, "subjects": [topic], "storage": "file", "num_replicas": 1}
        stream |= {"retention": "limits", "max_msgs": -1, "max_bytes": -1}
        config = {"durable_name": _CONSUMER, "ack_policy": "all", "max_ack_pending": 10_000}
        consumer = {"stream_name": topic, "config": config}
        return b"".join(
            (
                b'CONNECT {"verbose":false}\r\n',
                b"SUB made 1\r\n",
                _request(f"$JS.API.STREAM.CREATE.{topic}", stream),
                _request(f"$JS.API.CONSUMER.DURABLE.CREATE.{topic}.{_CONSUMER}", consumer),
            )
        )

    def begin(self) -> None:
        self.out.append(b'CONNECT {"verbose":false}\r\nSUB %b 1\r\n' % self._inbox)

    def publish(self, bodies: Sequence[bytes]) -> None:
        head = b"PUB %b %b " % (self.topic.encode(), self._inbox)
        self.out += [b"%b%d\r\n%b\r\n" % (head, len(body), body) for body in bodies]

    def subscribe(self, credit: int) -> None:
        self._credit = credit
        asked = json.dumps({"batch": credit, "expires": _WAIT_NANOSECONDS}).encode()
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self.topic}.{_CONSUMER}".encode()
        self._next = b"PUB %b %b %d\r\n%b\r\n" % (subject, self._inbox, len(asked), asked)
        self.out.append(self._next)

    def acknowledge(self) -> None:
        self.out.append(b"PUB %b 4\r\n+ACK\r\n" % self._last + self._next)

    def receive(self, data: bytes) -> None:
        data = self._rest + data if self._rest else data
        if self._credit:
            self._rest = self._take_messages(data)
            return
        end = data.rfind(b"\r\n") + 2 if b"\r\n" in data else 0
        self._check(data)
        self.confirmed += data.count(b'"seq":', 0, end)
        self._rest = data[end:]

    def _take_messages(self, data: bytes) -> bytes:
        start = 0
        for message in _MESSAGE.finditer(data):
            self._last = message[1]
            self._got += 1
            if self.bodies is not None:
                self.bodies.append(message[2])
            start = message.end()
        while self._got >= self._credit:
            self._got -= self._credit
            self.delivered += self._credit
        self._check(data[start:])
        return data[start:]

    def _check(self, data: bytes) -> None:
        if b'"error"' in data or b"-ERR" in data or b"NATS/1.0 " in data:
            raise BrokenPromise(f"NATS answered {data[:200]!r}")
        if b"PING\r\n" in data:
            self.out.append(b"PONG\r\n")


def _request(subject: str, body: object) -> bytes:
    text = json.dumps(body)
    return f"PUB {subject} made {len(text)}\r\n{text}\r\n".encode()
