"""The three descriptors that every process expects, whoever started it.

What was closed is opened again. Else a socket gets its number, and is written
to or closed by whoever means stdout.
"""

import io
import os
import sys
from typing import TYPE_CHECKING, BinaryIO, cast

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_ENDS = (os.O_WRONLY, os.O_RDONLY, os.O_WRONLY)
"""So that it fails who reads the stdin that is not there, or writes to the stdout.

What is said on stderr is dropped.
"""


def open_closed_streams() -> None:
    """Open whatever of the descriptors 0 to 2 is closed."""
    for number, end in enumerate(_ENDS):
        try:
            os.fstat(number)
        except OSError:
            # The lowest number that is free is this one.
            os.set_inheritable(os.open(os.devnull, end), True)
    # Python has None for those that were closed when it began.
    sys.stdin = sys.stdin or os.fdopen(0, closefd=False)
    sys.stderr = sys.stderr or os.fdopen(2, "w", closefd=False)


def make_stdout_robust() -> None:
    """Let what is wrong with stdout say so, and escape what its encoding lacks.

    If Python made it and nobody else.
    """
    before = sys.__stdout__
    if sys.stdout is not before:
        return
    raw = _Stdout(1, "w", closefd=False)
    if before is None:
        sys.stdout = io.TextIOWrapper(io.BufferedWriter(raw))
        return
    is_buffered = isinstance(before.buffer, io.BufferedWriter)
    sys.stdout = io.TextIOWrapper(
        # Python does without a buffer under PYTHONUNBUFFERED, and so do we.
        io.BufferedWriter(raw) if is_buffered else cast("BinaryIO", raw),
        encoding=before.encoding,
        errors="backslashreplace",
        line_buffering=before.line_buffering,
        write_through=not is_buffered,
    )


def drop_output() -> None:
    """Send what Python still holds nowhere: it would try once more, and fail again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


class _Stdout(io.FileIO):
    def write(self, data: "ReadableBuffer", /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            raise OSError(error.errno, error.strerror, "stdout") from error
