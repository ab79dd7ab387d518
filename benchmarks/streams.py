"""Whole streams: a publish of as many lines as the windows allow, and a consumer with credit.

What would make a figure a lie ends the run: a message that was not confirmed, a
delivery out of its order, a line that is no delivery.
"""

import random
import re
import string
import time
from contextlib import closing

from benchmarks.duplex import STREAM_ID, Duplex
from benchmarks.figures import Figures, Peer, Plan
from benchmarks.frames import DATA, frame

_LONGEST_PAYLOAD = 1 << 20
_CONFIRM, _DELIVERY = b'{"published":', b'{"msg":'
_ID = re.compile(rb'"id": ?(\d+)')


class BrokenPromise(Exception):
    """The broker answered something that a figure must not hide."""


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

    def __init__(self, are_numbered: bool) -> None:
        self.count = 0
        self._are_numbered = are_numbered
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
        if self._are_numbered and not self._is_last(last):
            lines = (self._rest + chunk[:end]).split(b"\n")
            strange = [line for line in lines if b'"id"' not in line]
            raise BrokenPromise(f"line {self.count} is {last!r}; no deliveries: {strange[:3]}")
        self._rest = chunk[end + 1 :]
        return True

    def _is_last(self, line: bytes) -> bool:
        id_ = _ID.search(line)
        return line.startswith(_DELIVERY) and id_ is not None and int(id_[1]) == self.count


def stream_load(peer: Peer, topic: str, size: int, plan: Plan) -> Figures:
    """Publish lines over one stream; the time is from the first byte to the last confirm."""
    confirms, sent = Confirms(), 0
    with closing(Duplex(peer, f"/publish/{topic}/batch", "text/plain")) as duplex:
        # No more than half the window: a server may keep that much of it back.
        room = min(duplex.max_frame, duplex.initial_window // 2, _LONGEST_PAYLOAD)
        payload, lines = make_lines(size, room)
        pieces = [payload[start : start + room] for start in range(0, len(payload), room)]
        frames = [(frame(DATA, 0, STREAM_ID, piece), len(piece)) for piece in pieces]
        start = time.perf_counter()
        while sent < plan.limit and time.perf_counter() < start + plan.seconds:
            for data_frame, data_size in frames:
                duplex.send_frame(data_frame, data_size)
            sent += lines
            confirms.take(duplex.take())
        duplex.end()
        while confirms.count < sent and not duplex.ended:
            confirms.take(duplex.receive())
        elapsed = time.perf_counter() - start
        while not duplex.ended:
            confirms.take(duplex.receive())
    if confirms.count != sent:
        raise BrokenPromise(f"{sent} messages were sent, {confirms.count} confirmed")
    return Figures(f"stream {size} B", sent, elapsed)


def credit_load(
    peer: Peer, topic: str, credit: int, plan: Plan, *, are_numbered: bool = True
) -> Figures:
    """Take and acknowledge what is there, one command for all that a read brought.

    The time ends with the broker's answer: by then it has read every command.
    """
    deliveries = Deliveries(are_numbered)
    with closing(Duplex(peer, f"/subscribe/{topic}")) as duplex:
        start = time.perf_counter()
        duplex.send_data(b'"INIT %d"' % credit)
        while deliveries.count < plan.limit and time.perf_counter() < start + plan.seconds:
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
    return Figures(f"consume credit {credit}", acknowledged, elapsed)


def make_lines(size: int, room: int) -> tuple[bytes, int]:
    """Make as many lines of `size` bytes and a newline as have room, and at least one.

    No two are alike, so that no compression makes them cheaper than they are.
    """
    letters, dice = string.ascii_letters + string.digits, random.Random(size)
    count = max(1, room // (size + 1))
    lines = ["".join(dice.choices(letters, k=size)) for _ in range(count)]
    return "".join(f"{line}\n" for line in lines).encode(), count
