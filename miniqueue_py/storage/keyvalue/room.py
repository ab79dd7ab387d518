"""Whether the disk has room for more messages."""

import os
import weakref
from pathlib import Path
from time import monotonic

from miniqueue_py.storage.keyvalue.sizes import WRITE_BUFFER_BYTES

RESERVE_BYTES = 16 * WRITE_BUFFER_BYTES
"""Kept free for what consuming writes. A compaction needs the room of its inputs once
more, and those may be all the young tables: LevelDB holds writers back at twelve."""

_TOLD_IS_GOOD_SECONDS = 0.005


class Room:
    """Tells if the disk has room for more messages.

    Some is kept back: a store that runs into the end of its disk can neither
    delete nor compact, while one that stops taking messages early drains, gives
    space back, and takes messages again.

    What the disk says is good for some milliseconds: asking costs as much as a
    tenth of a publish, and in that time nobody fills what is kept back.
    """

    def __init__(self, path: Path) -> None:
        self._directory = os.open(path, os.O_RDONLY)
        weakref.finalize(self, os.close, self._directory)
        self._spare = 0
        """Bytes that may still be taken without asking, until then."""
        self._until = 0.0

    def __call__(self, size: int) -> bool:
        """Return True when `size` bytes more leave the reserve alone."""
        size *= 2
        now = monotonic()
        if size >= self._spare or now >= self._until:
            disk = os.statvfs(self._directory)
            reserve = min(RESERVE_BYTES, disk.f_blocks * disk.f_frsize // 2)
            self._spare = disk.f_bavail * disk.f_frsize - reserve
            self._until = now + _TOLD_IS_GOOD_SECONDS
            if size >= self._spare:
                return False
        self._spare -= size
        return True
