"""Single keys from a terminal, which is afterwards as it was."""

import os
import termios
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import anyio

_LOCAL_MODES, _CHARACTERS = 3, 6
"""Where these stand in what termios tells."""

_MOST_KEYS = 64


@contextmanager
def single_keys(terminal: int) -> Iterator[None]:
    """Hand keys over as they are pressed, and do not show them.

    Ctrl-C stays a signal. Ctrl-Z does nothing: it would leave the shell with a
    screen that is not its own.
    """
    before = termios.tcgetattr(terminal)
    now = termios.tcgetattr(terminal)
    now[_LOCAL_MODES] &= ~(termios.ICANON | termios.ECHO)
    now[_CHARACTERS][termios.VSUSP] = b"\x00"
    termios.tcsetattr(terminal, termios.TCSANOW, now)
    try:
        yield
    finally:
        # What was typed meanwhile is not for the shell.
        termios.tcsetattr(terminal, termios.TCSAFLUSH, before)


async def read_keys(terminal: int) -> AsyncIterator[str]:
    """Yield keys until the terminal is gone."""
    while True:
        await anyio.wait_readable(terminal)
        try:
            keys = os.read(terminal, _MOST_KEYS)
        except OSError:
            return
        if not keys:
            return
        for key in keys.decode(errors="replace"):
            yield key
