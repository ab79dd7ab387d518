"""Reading a pipe, a terminal or a file in large blocks, without holding up the event loop.

No thread: one that waits for a terminal cannot be cancelled, and would keep the
process from ending.
"""

import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Self

import anyio
import anyio.lowlevel

from miniqueue_py.errors import MessageTooLong

BLOCK_BYTES = 1 << 18

STDIN = "-"


class Source:
    """Something that is read to its end."""

    def __init__(self, name: str, descriptor: int) -> None:
        self.name = name
        status = os.fstat(descriptor)
        self.is_pipe = stat.S_ISFIFO(status.st_mode)
        self.is_terminal = os.isatty(descriptor)
        self._descriptor = descriptor
        self._makes_wait = True

    def __repr__(self) -> str:
        return f"<Source {self.name}>"

    @classmethod
    @contextmanager
    def open(cls, name: str) -> Iterator[Self]:
        """Open a file, or stdin for "-"; a FIFO at once, whether anybody writes to it or not."""
        if name == STDIN:
            yield cls("stdin", sys.stdin.fileno())
            return
        descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            yield cls(name, descriptor)
        finally:
            os.close(descriptor)

    async def read_all(self, longest: int) -> bytes:
        """Read to the end. Raises MessageTooLong past `longest` bytes."""
        blocks, size = [], 0
        while block := await self.read():
            blocks.append(block)
            size += len(block)
            if size > longest:
                raise MessageTooLong(longest)
        return b"".join(blocks)

    async def read(self) -> bytes:
        """Wait for what comes next, and take what is there; b"" is the end."""
        while True:
            if self._makes_wait:
                try:
                    await anyio.wait_readable(self._descriptor)
                except OSError:  # a plain file, or /dev/null: these never make anybody wait
                    self._makes_wait = False
            else:
                await anyio.lowlevel.checkpoint()
            try:
                return os.read(self._descriptor, BLOCK_BYTES)
            except BlockingIOError:  # somebody else took it
                continue
            except OSError as error:
                raise OSError(error.errno, error.strerror, self.name) from error


class Kind(NamedTuple):
    """What is known of a source that is not opened: a FIFO can be opened once."""

    size: int | None
    """In bytes; None if only its end will tell."""
    may_be_terminal: bool

    @classmethod
    def of(cls, name: str) -> Self:
        status = os.fstat(sys.stdin.fileno()) if name == STDIN else Path(name).stat()
        size = status.st_size if stat.S_ISREG(status.st_mode) else None
        return cls(size, stat.S_ISCHR(status.st_mode))
