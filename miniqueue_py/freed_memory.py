"""What was freed is given back to the system, which glibc by itself does not do.

A flood of connections, or of uploads, is over in seconds; the pages that it took
stay with the process, because something small lives behind them. Tried: of
284 MB after 5,000 connections 46 were left.

Nobody knows what of the memory in use is free. So it is tried when there is more
than there was, then again, and more seldom each time that it brings little.
"""

import asyncio
import ctypes
import gc
import os
from collections.abc import Callable
from pathlib import Path

LOOK_SECONDS = 5.0
MOST_SECONDS = 600.0
"""Between two trials that bring little."""

WORTH_BYTES = 24 << 20
"""So much more than there was is worth a trial. One takes a millisecond, or some tenths of
a second where it brings hundreds of MB."""

WORTH_SHARE = 0.1

_STATM = Path("/proc/self/statm")
"""Pages: of all, resident, and those of them that files are mapped to, and more."""


class Trimming:
    """When to try, by how much memory there is."""

    def __init__(self, trim: Callable[[], object], resident: Callable[[], int]) -> None:
        self._trim = trim
        self._resident = resident
        self._least = self._left = resident()
        self._pause = LOOK_SECONDS
        self._in_vain = 0
        """Trials in a row that brought little."""
        self._slept = 0.0

    def look(self) -> None:
        """Give back what can be; to be called each LOOK_SECONDS."""
        before = self._resident()
        self._least = min(self._least, before)
        self._slept += LOOK_SECONDS
        if before - self._left > max(WORTH_BYTES, self._left * WORTH_SHARE):
            self._pause, self._in_vain = LOOK_SECONDS, 0
        if before - self._least < WORTH_BYTES or self._slept < self._pause:
            return
        self._trim()
        self._slept = 0.0
        self._left = self._resident()
        is_in_vain = before - self._left < before * WORTH_SHARE
        self._in_vain = self._in_vain + 1 if is_in_vain else 0
        # What grew a moment ago may be free the next time.
        self._pause = min(2 * self._pause, MOST_SECONDS) if self._in_vain > 1 else LOOK_SECONDS


async def give_memory_back() -> None:
    """Look from time to time, until cancelled; where it cannot be done, do nothing."""
    try:
        trim = ctypes.CDLL(None).malloc_trim
        trimming = Trimming(lambda: _collect_and(trim), _resident_bytes)
    except (AttributeError, OSError, TypeError):
        return  # another C library than glibc, or no Linux
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        trimming.look()


def _collect_and(trim: Callable[[int], object]) -> None:
    """Let go of what refers to itself, as connections and their tasks do, and trim.

    In a thread it would hold the loop as well: whoever allocates waits for it.
    """
    gc.collect()
    trim(0)


def _resident_bytes() -> int:
    _, resident, of_files, *_ = map(int, _STATM.read_text().split())
    return (resident - of_files) * os.sysconf("SC_PAGE_SIZE")


def settle_memory() -> None:
    """Keep what start-up made out of every later collection."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
