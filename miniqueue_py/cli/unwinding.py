"""A command that ends in order at SIGTERM, as it does at Ctrl-C."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NoReturn

_OF_A_SIGNAL = 128


@contextmanager
def unwound_by_sigterm() -> Iterator[None]:
    """Leave the block at SIGTERM as at Ctrl-C, so that no copy is left behind."""

    def leave(number: int, _: object) -> NoReturn:
        sys.exit(_OF_A_SIGNAL + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
