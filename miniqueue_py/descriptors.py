"""How many files and connections this process may have open, and how many are for clients."""

import resource

KEPT_DESCRIPTORS = 1200
"""That connections do not get: LevelDB has up to 1,000 tables open, and there are the log,
listeners, and handshakes that are under way."""


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
    return max(1, allowed - KEPT_DESCRIPTORS)
