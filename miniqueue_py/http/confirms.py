"""What of a streamed publish is durable, counted in its order, and how much of that was told.

Counting waits for nobody. The client is told the newest count whenever it has
room for one.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
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

    def __init__(self, on_failed: Callable[[BaseException, int], None]) -> None:
        self.durable = 0
        self.is_closed = False
        """Nothing more will be added."""
        self._on_failed = on_failed
        self._told = 0
        self._begun: deque[_Begun] = deque()
        """What is not durable yet, in its order."""
        self._unconfirmed_bytes = 0
        self._has_news = asyncio.Event()
        self._has_room = asyncio.Event()
        self._is_counted = asyncio.Event()
        """Nothing more will become durable."""

    def __repr__(self) -> str:
        return f"<Confirms, {self.durable} durable, {self._told} told>"

    @property
    def has_untold(self) -> bool:
        return self.durable > self._told

    def go_on_from(self, count: int) -> None:
        """Count from there, and tell it at once."""
        self.durable = count
        self._told = count - 1
        self._has_news.set()

    def add(
        self, stored: "asyncio.Future[Sequence[Stored]]", messages: int, size: int, line: int
    ) -> None:
        """Count messages, of so many bytes and from that line on, as soon as they are durable."""
        self._begun.append(_Begun(stored, messages, size, line))
        self._unconfirmed_bytes += size
        stored.add_done_callback(self._count)

    def close(self) -> None:
        """Take note that nothing more will be added. Idempotent."""
        self.is_closed = True
        self._look_if_counted()

    async def wait_room(self, most_bytes: int) -> None:
        """Return when not more than so many bytes wait to be durable."""
        while self._unconfirmed_bytes > most_bytes:
            self._has_room.clear()
            await self._has_room.wait()

    async def wait_counted(self) -> None:
        """Return when nothing more will become durable."""
        await self._is_counted.wait()

    async def tell(self, send: Callable[[bytes], Awaitable[None]]) -> None:
        """Send how much is durable, whenever more is, until all is.

        While the client reads nothing, sending waits, and counting does not.
        """
        while True:
            self._has_news.clear()
            durable = self.durable
            if durable > self._told:
                await send(published_line(durable))
                self._told = durable
            elif self._is_counted.is_set():
                return
            else:
                await self._has_news.wait()
                await asyncio.sleep(0)  # what becomes durable meanwhile is told in the same line

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
            self._unconfirmed_bytes -= size
        self._has_room.set()
        self._look_if_counted()

    def _look_if_counted(self) -> None:
        if self.is_closed and not self._begun:
            self._is_counted.set()
        self._has_news.set()
