"""A TCP proxy on loopback that does harm: by order, or by a random schedule.

It stands between client and broker, and ends no TLS. It runs in a thread with
a loop of its own, beside any client, whatever that runs on. Its port stays
the same while brokers come and go behind it.

A call returns when it has been carried out.
"""

import os
import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from types import TracebackType
from typing import Self

from tests.client.link import Link
from tests.client.mischief import Direction, Mischief
from tests.client.switchboard import Switchboard

_PATIENCE = 5.0

Order = tuple[Callable[[], None], Future[None]]


class Proxy:
    """Joins each connection made to it with one to the broker, and breaks them."""

    def __init__(self, broker_port: int) -> None:
        self._board = Switchboard(broker_port)
        self.port = self._board.port
        self._orders: SimpleQueue[Order] = SimpleQueue()
        self._wake_read, self._wake_write = os.pipe()
        self._has_to_end = False
        self._thread = threading.Thread(target=self._run, name="proxy", daemon=True)

    def __repr__(self) -> str:
        return f"<Proxy {self.port} to {self._board.broker_port}, {self.open_links} links>"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._order(self._end)
        self._thread.join(_PATIENCE)
        assert not self._thread.is_alive(), "the proxy does not end"
        os.close(self._wake_read)
        os.close(self._wake_write)
        assert self.open_sockets == 0

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    @property
    def faults(self) -> Counter[str]:
        """What the schedule did, by kind."""
        return self._board.faults

    @property
    def accepted(self) -> int:
        """How many connections were made to it."""
        return self._board.accepted

    @property
    def bytes_up(self) -> int:
        """How many bytes went to the broker."""
        return self._board.bytes_up

    @property
    def bytes_down(self) -> int:
        """How many bytes went to the client."""
        return self._board.bytes_down

    @property
    def bytes_forwarded(self) -> int:
        return self._board.bytes_up + self._board.bytes_down

    @property
    def open_links(self) -> int:
        """How many connections go through it now."""
        return len(self._board.links)

    @property
    def open_sockets(self) -> int:
        return self._board.open_sockets

    def aim(self, broker_port: int) -> None:
        """Join what comes from now on with a broker at another port."""

        def aim() -> None:
            self._board.broker_port = broker_port

        self._order(aim)

    def cut(self) -> None:
        """Close all connections, on both sides."""
        self._order_for_each(lambda link: self._board.remove(link, Link.close))

    def reset(self) -> None:
        """End all connections with RST, on both sides."""
        self._order_for_each(lambda link: self._board.remove(link, Link.reset))

    def stall(self, direction: Direction = "both") -> None:
        """Forward nothing more on the connections there are, until `resume`."""
        self._order_for_each(lambda link: self._board.stall(link, direction))

    def resume(self) -> None:
        self._order_for_each(Link.resume)

    def trickle(self, count: int, direction: Direction = "both") -> None:
        """Forward the next `count` bytes of each connection one by one."""
        self._order_for_each(lambda link: self._board.trickle(link, direction, count))

    def trickle_new(self, count: int) -> None:
        """Forward the first `count` bytes of each connection to come one by one, both ways."""

        def begin() -> None:
            self._board.single_bytes_of_new = count

        self._order(begin)

    def break_new(self, after_bytes: int | None) -> None:
        """End each connection to come with RST when so many bytes went through; None for never."""

        def begin() -> None:
            self._board.bytes_of_new = after_bytes

        self._order(begin)

    def refuse(self) -> None:
        """Refuse connections until `accept`; those there are go on."""
        self._order(self._board.refuse)

    def accept(self) -> None:
        self._order(self._board.listen)

    def misbehave(self, mischief: Mischief) -> None:
        """Do what the schedule says, until `make_peace`."""

        def begin() -> None:
            self._board.mischief = mischief

        self._order(begin)

    def make_peace(self) -> None:
        """End the schedule, and every fault under way."""
        self._order(self._board.make_peace)

    def _order_for_each(self, what: Callable[[Link], None]) -> None:
        def carry_out() -> None:
            for link in self._board.links[:]:
                what(link)

        self._order(carry_out)

    def _order(self, what: Callable[[], None]) -> None:
        done: Future[None] = Future()
        self._orders.put((what, done))
        os.write(self._wake_write, b"!")
        done.result(_PATIENCE)

    def _end(self) -> None:
        self._board.close()
        self._has_to_end = True

    def _run(self) -> None:
        while not self._has_to_end:
            if self._board.take_turn(self._wake_read):
                os.read(self._wake_read, 1)
                self._carry_out(*self._orders.get())

    def _carry_out(self, what: Callable[[], None], done: Future[None]) -> None:
        try:
            what()
        except BaseException as error:  # noqa: BLE001  it belongs to who gave the order
            done.set_exception(error)
        else:
            done.set_result(None)
