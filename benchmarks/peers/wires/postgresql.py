"""A table as a queue: INSERT, and SELECT ... FOR UPDATE SKIP LOCKED with its DELETE."""

import re
import struct
from collections.abc import Sequence

from benchmarks.peers.sample import BrokenPromise
from benchmarks.peers.wires.wire import Wire

_INSERTED = re.compile(rb"INSERT 0 (\d+)")
_TAKE = "BEGIN; SELECT id, body FROM {0} ORDER BY id FOR UPDATE SKIP LOCKED LIMIT {1}"


class PostgresqlWire(Wire):
    def __init__(self, topic: str) -> None:
        super().__init__(topic)
        self.is_open = False
        self._credit = 0
        self._ids: list[str] = []
        self._rest = b""

    @staticmethod
    def setup(topic: str) -> bytes:
        table = f"CREATE TABLE {topic} (id bigserial PRIMARY KEY, body bytea NOT NULL)"
        return _startup() + _query(table)

    def begin(self) -> None:
        self.out.append(_startup())

    def publish(self, bodies: Sequence[bytes]) -> None:
        insert = f"INSERT INTO {self.topic} (body) VALUES ('"  # noqa: S608  letters and digits
        self.out += [_query(f"{insert}{body.decode()}')") for body in bodies]

    def publish_group(self, bodies: Sequence[bytes]) -> None:
        rows = ",".join(f"('{body.decode()}')" for body in bodies)
        insert = f"INSERT INTO {self.topic} (body) VALUES {rows}"  # noqa: S608  as above
        self.out.append(_query(insert))

    def subscribe(self, credit: int) -> None:
        self._credit = credit
        self.out.append(_query(_TAKE.format(self.topic, credit)))

    def acknowledge(self) -> None:
        ids = ",".join(self._ids)
        take = _TAKE.format(self.topic, self._credit)
        delete = f"DELETE FROM {self.topic} WHERE id IN ({ids})"  # noqa: S608  numbers of its own
        self.out.append(_query(f"{delete}; COMMIT; {take}"))
        self._ids = []

    def receive(self, data: bytes) -> None:
        data = self._rest + data if self._rest else data
        start, size = 0, len(data)
        while size - start >= 5:
            kind, length = struct.unpack_from("!cI", data, start)
            end = start + 1 + length
            if end > size:
                break
            self._take(kind, data[start + 5 : end])
            start = end
        self._rest = data[start:]

    def _take(self, kind: bytes, payload: bytes) -> None:
        if kind == b"D":
            (length,) = struct.unpack_from("!I", payload, 2)
            self._ids.append(payload[6 : 6 + length].decode())
            if self.bodies is not None:
                self.bodies.append(bytes.fromhex(payload[12 + length :].decode()))
        elif kind == b"C" and (inserted := _INSERTED.match(payload)):
            self.confirmed += int(inserted[1])
        elif kind == b"Z":
            self.is_open = True
            self.delivered += len(self._ids)
        elif kind == b"E":
            raise BrokenPromise(f"PostgreSQL answered {payload[:200]!r}")


def _startup() -> bytes:
    words = struct.pack("!I", 196_608) + b"user\0postgres\0database\0postgres\0\0"
    return struct.pack("!I", len(words) + 4) + words


def _query(text: str) -> bytes:
    return b"Q" + struct.pack("!I", len(text) + 5) + text.encode() + b"\0"
