"""beanstalkd: put, reserve and delete, as many ahead of their answers as there is credit."""

import re
from collections.abc import Sequence

from benchmarks.peers.sample import BrokenPromise
from benchmarks.peers.wires.wire import Wire

_HELD_SECONDS = 3600
_RESERVED = re.compile(rb"RESERVED (\d+) \d+\r\n([^\r]*)\r\n")


class BeanstalkdWire(Wire):
    def __init__(self, topic: str) -> None:
        super().__init__(topic)
        self._ids: list[bytes] = []
        self._is_consumer = False
        self._rest = b""

    def publish(self, bodies: Sequence[bytes]) -> None:
        self.out += [b"put 0 0 %d %d\r\n%b\r\n" % (_HELD_SECONDS, len(b), b) for b in bodies]

    def subscribe(self, credit: int) -> None:
        self._is_consumer = True
        self.out.append(b"reserve\r\n" * credit)

    def acknowledge(self) -> None:
        self.out += [b"delete %b\r\nreserve\r\n" % id_ for id_ in self._ids]
        self._ids = []

    def receive(self, data: bytes) -> None:
        data = self._rest + data if self._rest else data
        if self._is_consumer:
            self._rest = self._take_jobs(data)
            return
        end = data.rfind(b"\r\n") + 2 if b"\r\n" in data else 0
        count = data.count(b"INSERTED ", 0, end)
        if count != data.count(b"\r\n", 0, end):
            raise BrokenPromise(f"beanstalkd answered {data[:200]!r}")
        self.confirmed += count
        self._rest = data[end:]

    def _take_jobs(self, data: bytes) -> bytes:
        if b"NOT_FOUND" in data or b"DEADLINE_SOON" in data or b"BAD_FORMAT" in data:
            raise BrokenPromise(f"beanstalkd answered {data[:200]!r}")
        start = 0
        for job in _RESERVED.finditer(data):
            self._ids.append(job[1])
            if self.bodies is not None:
                self.bodies.append(job[2])
            self.delivered += 1
            start = job.end()
        return data[start:]
