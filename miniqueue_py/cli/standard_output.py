"""Writing to a pipe, a terminal or a file, and knowing what is out.

A pipe that is full is waited for without holding up the event loop. For that it
must not block, and the pipe that was handed in belongs to others, too; so it is
opened once more, under the name that the kernel has for it.
"""

import os
import stat
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import accumulate
from typing import Self

import anyio

FINISH_SECONDS = 1.0
"""For the rest of a piece that a cancellation cut."""


class StandardOutput:
    """Where bodies go."""

    def __init__(self, descriptor: int) -> None:
        self.whole = 0
        """How many pieces of the last `write` are out from end to end."""
        self._descriptor = descriptor

    @classmethod
    @contextmanager
    def open(cls, descriptor: int) -> Iterator[Self]:
        if not stat.S_ISFIFO(os.fstat(descriptor).st_mode):
            yield cls(descriptor)
            return
        again = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK)
        try:
            yield cls(again)
        finally:
            os.close(again)

    async def write(self, pieces: Sequence[bytes]) -> None:
        """Write all; when it fails or is cancelled, `whole` says how far it came.

        Raises BrokenPipeError when nobody reads any more. A piece that was cut
        by a cancellation is finished, if anybody takes it.
        """
        data = memoryview(b"".join(pieces))
        ends = [0, *accumulate(map(len, pieces))]
        self.whole = written = 0
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
            self.whole = bisect_right(ends, written) - 1

    async def _write(self, data: memoryview) -> int:
        while True:
            try:
                return os.write(self._descriptor, data)
            except BlockingIOError:
                await anyio.wait_writable(self._descriptor)
            except OSError as error:
                raise OSError(error.errno, error.strerror, "stdout") from error
