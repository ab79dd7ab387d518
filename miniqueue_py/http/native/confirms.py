"""What of a streamed publish is durable, counted in its order, and how much of that was told."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import NamedTuple

from miniqueue_py.broker.message import Stored
from miniqueue_py.protocol.lines import published_line


class _Begun(NamedTuple):
    stored: "asyncio.Future[Sequence[Stored]]"
    messages: int
    size: int
    line: int
    """The number of its first line."""


class Confirms:
    """The count of messages that are durable, and all before them."""

    def __init__(
        self, on_counted: Callable[[], None], on_failed: Callable[[BaseException, int], None]
    ) -> None:
        self.durable = 0
        self.unconfirmed_bytes = 0
        """What was added and is not durable yet."""
        self._on_counted = on_counted
        self._on_failed = on_failed
        self._told = 0
        self._begun: deque[_Begun] = deque()
        """What is not durable yet, in its order."""

    def __repr__(self) -> str:
        return f"<Confirms, {self.durable} durable, {self._told} told>"

    @property
    def is_complete(self) -> bool:
        """True when nothing more will become durable of what was added."""
        return not self._begun

    def go_on_from(self, count: int) -> None:
        """Count from there; that is news."""
        self.durable = count
        self._told = count - 1

    def add(
        self, stored: "asyncio.Future[Sequence[Stored]]", messages: int, size: int, line: int
    ) -> None:
        """Count messages, of so many bytes and from that line on, as soon as they are durable."""
        self._begun.append(_Begun(stored, messages, size, line))
        self.unconfirmed_bytes += size
        stored.add_done_callback(self._count)

    def tell(self) -> bytes:
        """Return the line that tells how much is durable, if more is than was told."""
        if self.durable == self._told:
            return b""
        self._told = self.durable
        return published_line(self.durable)

    def _count(self, _: object) -> None:
        """Count what is durable by now, until something never will be."""
        while self._begun and self._begun[0].stored.done():
            stored, messages, size, line = self._begun.popleft()
            failure = stored.exception()
            if failure is not None:
                self._begun.clear()  # what follows does not count
                self._on_failed(failure, line)
                break
            self.durable += messages
            self.unconfirmed_bytes -= size
        self._on_counted()
