"""The loop of the proxy: joins connections, moves their bytes, does the faults.

It runs in one thread, and its methods are called there only. `take_turn` is the
only place that waits.
"""

import contextlib
import select
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import assert_never

from tests.client.link import Link, Pipe
from tests.client.mischief import Direction, Fault, Mischief

LOOPBACK = "127.0.0.1"

_MOST_LINKS = 200
_BETWEEN_SINGLE_BYTES = 50e-6

_CAN_READ = select.POLLIN | select.POLLHUP | select.POLLERR
_CAN_WRITE = select.POLLOUT | select.POLLHUP | select.POLLERR

Ready = Mapping[int, int]
"""What can be done with a descriptor, by its number."""

End = Callable[[Link], None]


class Switchboard:
    """The connections that are joined, and the port at which new ones come."""

    def __init__(self, broker_port: int) -> None:
        self.broker_port = broker_port
        self.faults: Counter[str] = Counter()
        self.accepted = 0
        self.bytes_up = 0
        self.bytes_down = 0
        self.links: list[Link] = []
        self.mischief: Mischief | None = None
        self.bytes_of_new: int | None = None
        """How many bytes may go through a connection that is made from now on."""
        self.single_bytes_of_new = 0
        # Bound, and never listening: it keeps the port while connections are refused.
        self._holder = _bound_to(0)
        self.port: int = self._holder.getsockname()[1]
        self._listener: socket.socket | None = None
        self._due: list[tuple[float, Callable[[], None]]] = []
        self.listen()

    @property
    def open_sockets(self) -> int:
        """All that it has, those at its port included."""
        at_port = (self._holder.fileno() >= 0) + (self._listener is not None)
        return at_port + 2 * len(self.links)

    def take_turn(self, wake: int) -> bool:
        """Wait until something can be done, and do it; say whether `wake` can be read."""
        poll = select.poll()
        poll.register(wake, select.POLLIN)
        for number, mask in self._interests().items():
            poll.register(number, mask)
        ready = dict(poll.poll(self._milliseconds_to_wait()))
        if self._listener is not None and self._listener.fileno() in ready:
            self._take_connection(self._listener)
        for link in self.links[:]:
            self._serve(link, ready)
        self._do_what_is_due()
        return wake in ready

    def listen(self) -> None:
        if self._listener is None:
            self._listener = _bound_to(self.port)
            self._listener.listen()

    def refuse(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None

    def do(self, fault: Fault, link: Link) -> None:
        """Do a fault to one connection."""
        self.faults[fault.kind] += 1
        match fault.kind:
            case "cut":
                self.remove(link, Link.close)
            case "reset":
                self.remove(link, Link.reset)
            case "stall":
                self.stall(link, fault.direction)
                self._after(fault.seconds, link.resume)
            case "stall and cut":
                self.stall(link, fault.direction)
                self._after(fault.seconds, lambda: self.remove(link, Link.close))
            case "trickle":
                self.trickle(link, fault.direction, fault.amount)
            case "refuse":
                # Of what use is a refusal to who is connected?
                self.remove(link, Link.reset)
                self.refuse()
                self._after(fault.seconds, self.listen)
            case _:
                assert_never(fault.kind)

    def stall(self, link: Link, direction: Direction) -> None:
        for pipe in _pipes(link, direction):
            pipe.is_stalled = True

    def trickle(self, link: Link, direction: Direction, count: int) -> None:
        for pipe in _pipes(link, direction):
            pipe.singly = count

    def remove(self, link: Link, end: End) -> None:
        if link in self.links:
            self.links.remove(link)
            end(link)

    def make_peace(self) -> None:
        """End the schedule, and every fault under way."""
        self.mischief = self.bytes_of_new = None
        self.single_bytes_of_new = 0
        self._due.clear()
        for link in self.links:
            link.resume()
        self.listen()

    def close(self) -> None:
        for link in self.links[:]:
            self.remove(link, Link.close)
        self.refuse()
        self._holder.close()

    def _interests(self) -> dict[int, int]:
        masks: dict[int, int] = {}
        if self._listener is not None and len(self.links) < _MOST_LINKS:
            masks[self._listener.fileno()] = select.POLLIN
        for pipe in (pipe for link in self.links for pipe in link):
            # A socket that nothing is wanted of is left out: its hang-up would spin the loop.
            if pipe.wants_read:
                number = pipe.source.fileno()
                masks[number] = masks.get(number, 0) | select.POLLIN
            if pipe.wants_write:
                number = pipe.sink.fileno()
                masks[number] = masks.get(number, 0) | select.POLLOUT
        return masks

    def _milliseconds_to_wait(self) -> float | None:
        if not self._due:
            return None
        return max(0.0, min(at for at, _ in self._due) - time.monotonic()) * 1000

    def _take_connection(self, listener: socket.socket) -> None:
        client, _ = listener.accept()
        self.accepted += 1
        try:
            broker = socket.create_connection((LOOPBACK, self.broker_port), timeout=1.0)
        except OSError:
            client.close()
            return
        link = Link(client, broker)
        link.bytes_left = self.bytes_of_new
        self.trickle(link, "both", self.single_bytes_of_new)
        self.links.append(link)

    def _serve(self, link: Link, ready: Ready) -> None:
        try:
            for pipe in link:
                # What came before may have ended the link.
                if link in self.links:
                    self._move(link, pipe, ready)
        except OSError:
            self.remove(link, Link.reset)
        if link.is_over:
            self.remove(link, Link.close)

    def _move(self, link: Link, pipe: Pipe, ready: Ready) -> None:
        can_write = ready.get(pipe.sink.fileno(), 0) & _CAN_WRITE
        if pipe.wants_read and ready.get(pipe.source.fileno(), 0) & _CAN_READ:
            pipe.read()
            can_write = True  # most likely; to ask first would cost another turn
        if pipe.wants_write and can_write:
            was_single = pipe.singly > 0
            self._note(link, pipe, pipe.write())
            if was_single:
                time.sleep(_BETWEEN_SINGLE_BYTES)  # so that the byte is seen alone

    def _note(self, link: Link, pipe: Pipe, count: int) -> None:
        if pipe is link.up:
            self.bytes_up += count
        else:
            self.bytes_down += count
        if link.bytes_left is not None:
            link.bytes_left -= count
            if link.bytes_left <= 0:
                self.remove(link, Link.reset)
        if self.mischief is not None and (fault := self.mischief.note(count)):
            self.do(fault, link)

    def _after(self, seconds: float, what: Callable[[], None]) -> None:
        self._due.append((time.monotonic() + seconds, what))

    def _do_what_is_due(self) -> None:
        now = time.monotonic()
        due = [what for at, what in self._due if at <= now]
        self._due = [(at, what) for at, what in self._due if at > now]
        for what in due:
            what()


def _pipes(link: Link, direction: Direction) -> Iterator[Pipe]:
    if direction != "down":
        yield link.up
    if direction != "up":
        yield link.down


def _bound_to(port: int) -> socket.socket:
    bound = socket.socket()
    with contextlib.ExitStack() as stack:
        stack.callback(bound.close)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((LOOPBACK, port))
        stack.pop_all()
    return bound
