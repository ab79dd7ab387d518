"""Writing to a pipe, a terminal or a file, and knowing what is out.

A pipe that is full is waited for without holding up the event loop. For that it
must not block, and the pipe that was handed in belongs to others, too; so it is
opened once more, under the name that the kernel has for it. So is a terminal,
which takes nothing after Ctrl-S.

What is in a pipe nobody may ever read. So only some messages are in it at a time,
and they are out when the other end has taken them.
"""

import fcntl
import os
import select
import stat
import sys
from bisect import bisect_left, bisect_right
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from termios import FIONREAD
from typing import Self

import anyio
import anyio.lowlevel

FINISH_SECONDS = 1.0
"""For the rest of a piece that a cancellation cut."""


FEWEST_UNTAKEN, MOST_UNTAKEN = 10, 100
"""Messages in a pipe: so many at first, and twice as many each time all were taken."""

END_SECONDS = 1.0
"""For a reader that lives to take the last of all; then it may do so later."""

_SPINS = 30
"""Looks at a pipe before sleeping: a reader that waits has emptied it by then."""

_SLEEP_SECONDS = 0.001, 0.02


async def _never() -> bool:
    return False


class StandardOutput:
    """Where bodies go."""

    def __init__(self, descriptor: int, *, is_pipe: bool = False) -> None:
        self.whole = 0
        """How many pieces of the last `write` are out from end to end."""
        self._descriptor = descriptor
        self._is_pipe = is_pipe
        self._untaken = FEWEST_UNTAKEN if is_pipe else sys.maxsize
        self._written = 0
        """Bytes of those pieces."""

    @classmethod
    @contextmanager
    def open(cls, descriptor: int) -> Iterator[Self]:
        is_pipe = stat.S_ISFIFO(os.fstat(descriptor).st_mode)
        if not is_pipe and not os.isatty(descriptor):
            yield cls(descriptor)
            return
        flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
        again = os.open(f"/proc/self/fd/{descriptor}", flags)
        try:
            yield cls(again, is_pipe=is_pipe)
        finally:
            os.close(again)

    async def write(
        self, pieces: Sequence[bytes], is_end: Callable[[], Awaitable[bool]] = _never
    ) -> None:
        """Write all; when it fails or is cancelled, `whole` says how far it came.

        Returns when a pipe is read empty, or not for END_SECONDS and this is the end.
        Raises BrokenPipeError when nobody reads any more: what is in the pipe then is not
        out. A piece that was cut by a cancellation is finished, if anybody takes it.
        """
        whole = 0
        try:
            while whole < len(pieces):
                some = pieces[whole : whole + self._untaken]
                is_last = whole + len(some) == len(pieces)
                try:
                    await self._write_all(some)
                    if self._is_pipe:
                        await self._wait_taken(is_end if is_last else _never)
                        self._untaken = min(MOST_UNTAKEN, 2 * self._untaken)
                except BrokenPipeError:
                    self._count_taken(some)
                    raise
                finally:
                    whole += self.whole
        finally:
            self.whole = whole

    async def _write_all(self, pieces: Sequence[bytes]) -> None:
        data = memoryview(b"".join(pieces))
        ends = [0, *accumulate(map(len, pieces))]
        self.whole = self._written = written = 0
        try:
            while written < len(data):
                written += await self._write(data[written:])
        except anyio.get_cancelled_exc_class():
            end = ends[bisect_left(ends, written)]
            with anyio.move_on_after(FINISH_SECONDS, shield=True):
                while written < end:
                    written += await self._write(data[written:end])
            raise
        finally:
            self._written = written
            self.whole = bisect_right(ends, written) - 1

    async def _wait_taken(self, is_end: Callable[[], Awaitable[bool]]) -> None:
        """Wait until the other end has read what is in the pipe. Raises BrokenPipeError."""
        before = left = self._unread()
        began, spins, seconds = anyio.current_time(), 0, _SLEEP_SECONDS[0]
        poll = select.poll()
        poll.register(self._descriptor, 0)
        while left > 0:
            if poll.poll(0):
                raise BrokenPipeError
            if anyio.current_time() - began > END_SECONDS and await is_end():
                return
            spins += 1
            if spins < _SPINS:
                await anyio.lowlevel.checkpoint()
            else:
                await anyio.sleep(seconds)
                seconds = min(2 * seconds, _SLEEP_SECONDS[1])
            # Others may write to the same pipe: what it loses counts, not what it has.
            now = self._unread()
            left -= max(0, before - now)
            before = now
            if not now:
                return

    def _count_taken(self, pieces: Sequence[bytes]) -> None:
        """Let `whole` be what was read; what is in the pipe is lost with it."""
        taken = max(0, self._written - self._unread())
        self.whole = bisect_right([0, *accumulate(map(len, pieces))], taken) - 1

    def _unread(self) -> int:
        count = fcntl.ioctl(self._descriptor, FIONREAD, bytes(4))
        return int.from_bytes(count, sys.byteorder)

    async def _write(self, data: memoryview) -> int:
        while True:
            try:
                return os.write(self._descriptor, data)
            except BlockingIOError:
                await anyio.wait_writable(self._descriptor)
            except OSError as error:
                raise OSError(error.errno, error.strerror, "stdout") from error
