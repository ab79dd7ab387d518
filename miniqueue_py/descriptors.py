"""How many files and connections this process may have open, and how many are for clients."""

import resource
from pathlib import Path

KEPT_DESCRIPTORS = 200
"""That connections do not get, beside those in use at the start: the store opens files of its
own. With few allowed it is a quarter of them: LevelDB keeps no more than a fifth open."""


def open_the_files_we_may() -> None:
    """Have room for as many connections as the system allows, not for a shell's 1024.

    With no descriptor left the store could open no file, and it is for operators to
    say how many there are.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


def most_connections() -> int:
    """Return how many clients may be connected at once, whatever they do."""
    allowed, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    in_use = sum(1 for _ in Path("/dev/fd").iterdir())
    return max(1, allowed - in_use - min(KEPT_DESCRIPTORS, allowed // 4))
