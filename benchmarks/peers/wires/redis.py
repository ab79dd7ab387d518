"""Redis streams: XADD, and XREADGROUP with the XACK of what came before."""

import re
from collections.abc import Sequence

from benchmarks.peers.sample import BrokenPromise
from benchmarks.peers.wires.wire import Wire

_GROUP = b"all"
_ADD = b"*5\r\n$4\r\nXADD\r\n$%d\r\n%b\r\n$1\r\n*\r\n$1\r\nb\r\n$%d\r\n%b\r\n"
_READ = b"XREADGROUP GROUP %b one COUNT %d BLOCK 60000 STREAMS %b >\r\n"
_BATCH = re.compile(rb"\*1\r\n\*2\r\n\$\d+\r\n[^\r]+\r\n\*(\d+)\r\n")
_ENTRY = re.compile(rb"\*2\r\n\$\d+\r\n(\d+-\d+)\r\n\*2\r\n\$1\r\nb\r\n\$\d+\r\n([^\r]*)\r\n")


class RedisWire(Wire):
    def __init__(self, topic: str) -> None:
        super().__init__(topic)
        self._key = topic.encode()
        self._credit = 0
        self._lines = 0
        self._expected = 0
        self._ids: list[bytes] = []
        self._rest = b""

    @staticmethod
    def setup(topic: str) -> bytes:
        return b"XGROUP CREATE %b %b 0 MKSTREAM\r\n" % (topic.encode(), _GROUP)

    def publish(self, bodies: Sequence[bytes]) -> None:
        key = self._key
        self.out += [_ADD % (len(key), key, len(body), body) for body in bodies]

    def subscribe(self, credit: int) -> None:
        self._credit = credit
        self.out.append(_READ % (_GROUP, credit, self._key))

    def acknowledge(self) -> None:
        words = [b"XACK", self._key, _GROUP, *self._ids]
        parts = [b"$%d\r\n%b\r\n" % (len(word), word) for word in words]
        self.out.append(b"*%d\r\n%b" % (len(words), b"".join(parts)))
        self._ids = []
        self.subscribe(self._credit)

    def receive(self, data: bytes) -> None:
        data = self._rest + data if self._rest else data
        if data[:1] == b"-" or b"\r\n-" in data:
            raise BrokenPromise(f"Redis answered {data[:200]!r}")
        if self._credit:
            self._rest = self._take_entries(data)
        else:
            end = data.rfind(b"\r\n") + 2 if b"\r\n" in data else 0
            self._rest = data[end:]
            # An answer is two lines: the length of an id, and the id.
            self._lines += data.count(b"\r\n", 0, end)
            self.confirmed = self._lines // 2

    def _take_entries(self, data: bytes) -> bytes:
        start = 0
        if not self._expected:
            batch = _BATCH.search(data)
            if batch is None:
                return data
            self._expected, start = int(batch[1]), batch.end()
        for entry in _ENTRY.finditer(data, start):
            self._ids.append(entry[1])
            if self.bodies is not None:
                self.bodies.append(entry[2])
            start = entry.end()
        if len(self._ids) == self._expected:
            self.delivered += self._expected
            self._expected = 0
        return data[start:]
