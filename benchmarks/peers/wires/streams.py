"""Whole streams: a publish of as many lines as the windows allow, and a consumer with credit.

What would make a figure a lie ends the run: a message that was not confirmed, a
delivery out of its order, a line that is no delivery.
"""

import re
import time
from contextlib import closing

from benchmarks.peers.loads import make_bodies
from benchmarks.peers.sample import BrokenPromise, Done
from benchmarks.peers.wires.duplex import STREAM_ID, Address, Duplex
from benchmarks.peers.wires.frames import DATA, frame

_LONGEST_PAYLOAD = 1 << 20
_CONFIRM, _DELIVERY = b'{"published":', b'{"msg":'
_ID = re.compile(rb'"id": ?(\d+)')


class Confirms:
    """How many messages the broker has said are safe."""

    def __init__(self) -> None:
        self.count = 0
        self._rest = b""

    def take(self, chunk: bytes) -> None:
        *lines, self._rest = (self._rest + chunk).split(b"\n")
        for line in lines:
            if not line.startswith(_CONFIRM):
                raise BrokenPromise(f"the broker answered {line!r}")
        if lines:
            self.count = int(lines[-1][len(_CONFIRM) : -1])


class Deliveries:
    """How many deliveries have come, counted without a look at each.

    Their ids are consecutive, so the last one says how many lines there ought
    to be. One line more, or fewer, and something else came than deliveries.
    """

    def __init__(self) -> None:
        self.count = 0
        self._rest = b""

    def take(self, chunk: bytes) -> bool:
        """Count the lines that are complete; tell if there are new ones."""
        end = chunk.rfind(b"\n")
        if end < 0:
            self._rest += chunk
            return False
        begin = chunk.rfind(b"\n", 0, end) + 1
        last = chunk[begin:end] if begin else self._rest + chunk[:end]
        self.count += chunk.count(b"\n")
        if not self._is_last(last):
            lines = (self._rest + chunk[:end]).split(b"\n")
            strange = [line for line in lines if b'"id"' not in line]
            raise BrokenPromise(f"line {self.count} is {last!r}; no deliveries: {strange[:3]}")
        self._rest = chunk[end + 1 :]
        return True

    def _is_last(self, line: bytes) -> bool:
        id_ = _ID.search(line)
        return line.startswith(_DELIVERY) and id_ is not None and int(id_[1]) == self.count


def stream_load(address: Address, topic: str, size: int, seconds: float, limit: int) -> Done:
    """Publish lines over one stream; the time is from the first byte to the last confirm.

    The count is exact: the last frame is cut to it.
    """
    confirms, sent = Confirms(), 0
    with closing(Duplex(address, f"/publish/{topic}/batch", "text/plain")) as duplex:
        # No more than half the window: a server may keep that much of it back.
        room = min(duplex.max_frame, duplex.initial_window // 2, _LONGEST_PAYLOAD)
        lines = max(1, room // (size + 1))
        data_frame, data_size = _frame_of(size, lines)
        start = time.perf_counter()
        while sent + lines <= limit and time.perf_counter() < start + seconds:
            duplex.send_frame(data_frame, data_size)
            sent += lines
            confirms.take(duplex.take())
        if 0 < limit - sent < lines and time.perf_counter() < start + seconds:
            duplex.send_frame(*_frame_of(size, limit - sent))
            sent = limit
        duplex.end()
        while confirms.count < sent and not duplex.ended:
            confirms.take(duplex.receive())
        elapsed = time.perf_counter() - start
        while not duplex.ended:
            confirms.take(duplex.receive())
    if confirms.count != sent:
        raise BrokenPromise(f"{sent} messages were sent, {confirms.count} confirmed")
    return Done(sent, elapsed)


def credit_load(address: Address, topic: str, credit: int, seconds: float, limit: int) -> Done:
    """Take and acknowledge what is there, one command for all that a read brought.

    The time ends with the broker's answer: by then it has read every command.
    """
    deliveries = Deliveries()
    with closing(Duplex(address, f"/subscribe/{topic}")) as duplex:
        start = time.perf_counter()
        duplex.send_data(b'"INIT %d"' % credit)
        while deliveries.count < limit and time.perf_counter() < start + seconds:
            if deliveries.take(duplex.receive()):
                duplex.send_data(b'"ACK ..%d"' % deliveries.count)
            if duplex.ended:
                raise BrokenPromise(f"the broker ended after delivery {deliveries.count}")
        duplex.end()
        acknowledged = deliveries.count
        # What was on its way meanwhile does not count; an error line would show here.
        while not duplex.ended:
            deliveries.take(duplex.receive())
        elapsed = time.perf_counter() - start
    return Done(acknowledged, elapsed)


def _frame_of(size: int, lines: int) -> tuple[bytes, int]:
    """Make a DATA frame of so many lines, no two of its first thousand alike; and its size."""
    kinds = make_bodies(size)
    payload = b"".join(kinds[i % len(kinds)] + b"\n" for i in range(lines))
    return frame(DATA, 0, STREAM_ID, payload), len(payload)
