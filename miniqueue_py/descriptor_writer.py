"""Writing to a descriptor that somebody else drains, without ever waiting for them.

A pipe whose reader stalls, or a terminal after Ctrl-S, takes no more, and who
writes to it waits: in an event loop everything would. So a thread writes, and
what comes meanwhile is kept, up to a bound. Past it lines are dropped and
counted, and that is said in their place once the kept ones are out.

The descriptor itself stays as it is: O_NONBLOCK would be set for all that share
it, such as the shell in the same terminal.
"""

import io
import os
import select
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from typing import TYPE_CHECKING, BinaryIO, TextIO, cast

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

MOST_KEPT_BYTES = 1 << 20

FINISH_SECONDS = 1.0
"""For what is kept when the program ends."""

_AT_ONCE_BYTES = select.PIPE_BUF
"""A write of no more is not mixed with those of others to the same pipe."""


DroppedLine = Callable[[int], str]
"""Tells of so many lines, in the form of those that are written."""


def _dropped_line(count: int) -> str:
    lines = "1 line was" if count == 1 else f"{count:,} lines were"
    return f"miniqueue: {lines} dropped: nobody read them"


class _Piece:
    """What was written at once; `lines` is how many are lost if it is."""

    __slots__ = ("data", "lines")

    def __init__(self, data: bytes, lines: int | None = None) -> None:
        self.data = data
        self.lines = data.count(b"\n") if lines is None else lines


class DescriptorWriter(io.RawIOBase):
    """What is written is out soon, in order; or it is dropped, and counted.

    `dropped_line` makes what is written in the place of so many lines; "" is nothing.
    """

    def __init__(
        self,
        descriptor: int,
        most_kept_bytes: int = MOST_KEPT_BYTES,
        dropped_line: DroppedLine = _dropped_line,
    ) -> None:
        self._dropped_line = dropped_line
        self._descriptor = descriptor
        self._most_kept_bytes = most_kept_bytes
        # Its lock can be taken twice: whatever is written by a finalizer, in the
        # middle of another write, must not wait for that.
        self._news = threading.Condition()
        self._kept: deque[_Piece] = deque()
        self._kept_bytes = 0
        """Of these and of what is being written."""
        self._is_dropping = False
        self._dropped = 0
        """Lines, since the last were kept."""
        self._thread: threading.Thread | None = None

    def __repr__(self) -> str:
        return f"<DescriptorWriter to {self._descriptor}, {self._kept_bytes} bytes kept>"

    def write(self, data: "ReadableBuffer", /) -> int:
        """Keep it, or count it; this never waits."""
        piece = _Piece(bytes(data))
        with self._news:
            if not self._kept_bytes:
                self._tell_dropped()  # it failed, and may go on now
            if self._is_dropping or self._kept_bytes + len(piece.data) > self._most_kept_bytes:
                self._drop(piece)
                if not self._kept_bytes:
                    self._tell_dropped()
            else:
                self._keep(piece)
        return len(piece.data)

    def wait_written(self, seconds: float) -> bool:
        """Wait until all that is kept is out, for so long at most; tell if it is."""
        with self._news:
            return self._news.wait_for(lambda: not self._kept_bytes, seconds)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def _keep(self, piece: "_Piece") -> None:
        self._kept.append(piece)
        self._kept_bytes += len(piece.data)
        if self._thread is None:
            # A daemon: one that waits for a reader must not keep the program.
            self._thread = threading.Thread(target=self._run, name="log", daemon=True)
            self._thread.start()
        self._news.notify_all()

    def _drop(self, piece: "_Piece") -> None:
        self._is_dropping = True
        self._dropped += piece.lines

    def _tell_dropped(self) -> None:
        if self._is_dropping:
            count = max(1, self._dropped)
            self._is_dropping, self._dropped = False, 0
            if line := self._dropped_line(count):
                self._keep(_Piece(line.encode(errors="backslashreplace") + b"\n", count))

    def _run(self) -> None:
        while True:
            with self._news:
                self._news.wait_for(lambda: self._kept)
                pieces = self._next_pieces()
            data = b"".join(each.data for each in pieces)
            is_out = self._write_out(data)
            with self._news:
                self._kept_bytes -= len(data)
                if not is_out:
                    for each in pieces:
                        self._drop(each)
                elif not self._kept:
                    self._tell_dropped()
                self._news.notify_all()

    def _next_pieces(self) -> list["_Piece"]:
        pieces = [self._kept.popleft()]
        size = len(pieces[0].data)
        while self._kept and size + len(self._kept[0].data) <= _AT_ONCE_BYTES:
            pieces.append(self._kept.popleft())
            size += len(pieces[-1].data)
        return pieces

    def _write_out(self, data: bytes) -> bool:
        """Write all of it, for as long as that takes; tell if it is out."""
        left = memoryview(data)
        while left:
            try:
                left = left[os.write(self._descriptor, left) :]
            except BlockingIOError:  # somebody who shares it made it so
                select.select((), (self._descriptor,), ())
            except OSError:  # nobody reads it any more, or its disk is full
                return False
        return True


@contextmanager
def unblocked_stderr(dropped_line: DroppedLine = _dropped_line) -> Iterator[TextIO]:
    """Let nothing that is written to sys.stderr in the block wait; yield what stands in for it."""
    with _unblocked(sys.stderr, dropped_line) as text, redirect_stderr(text):
        yield text


@contextmanager
def unblocked_stdout(dropped_line: DroppedLine) -> Iterator[None]:
    """Let nothing that is printed in the block wait; say on stderr what was dropped."""

    def say(count: int) -> str:
        # Never in between: what is printed there is for somebody's program.
        sys.stderr.write(dropped_line(count) + "\n")
        sys.stderr.flush()
        return ""

    with _unblocked(sys.stdout, say) as text, redirect_stdout(text):
        yield


@contextmanager
def _unblocked(stream: TextIO, dropped_line: DroppedLine) -> Iterator[TextIO]:
    """Yield what writes where the stream does; give it a moment at the end."""
    stream.flush()
    try:
        descriptor = stream.fileno()
    except io.UnsupportedOperation:  # it is in memory, such as that of a test
        yield stream
        return
    writer = DescriptorWriter(descriptor, dropped_line=dropped_line)
    text = io.TextIOWrapper(
        # Without a buffer in between, which would refuse what a finalizer prints.
        cast("BinaryIO", writer),
        encoding=stream.encoding,
        errors="backslashreplace",
        line_buffering=True,
    )
    try:
        yield text
    finally:
        text.flush()
        writer.wait_written(FINISH_SECONDS)
