"""The broker as a program, on a disk that is slow, or stalls.

Started in the place of `miniqueue_py`. An fsync takes SECONDS more, and does
not return while there is a file named `stall` beside the database.
"""

import time
from pathlib import Path

from miniqueue_py.cli.main import main
from miniqueue_py.storage.keyvalue.log_sync import LogSync
from miniqueue_py.storage.ordered import opening

PROGRAM = "tests.outside.slow_disk"

SECONDS = 0.1


class SlowSync(LogSync):
    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self._stall = stall_of(path)

    def __call__(self) -> None:
        super().__call__()
        time.sleep(SECONDS)
        while self._stall.exists():
            time.sleep(0.01)


def stall_of(directory: Path) -> Path:
    """The file that stalls the disk of a database."""
    return directory.with_name("stall")


if __name__ == "__main__":
    opening.LogSync = SlowSync  # type: ignore[attr-defined]
    main()
