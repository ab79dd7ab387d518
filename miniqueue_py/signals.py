"""Which signals ask a program to end, and which ask for nothing."""

import os
import signal
from collections.abc import Sequence

_NEEDLESS = [
    getattr(signal, name) for name in ("SIGUSR1", "SIGUSR2", "SIGPIPE") if hasattr(signal, name)
]
"""Windows has none of them, and no SIGHUP."""


def ending_signals() -> Sequence[signal.Signals]:
    """Return those that end it; SIGHUP, of a terminal that closes, is none under nohup."""
    ending = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        ending.append(signal.SIGHUP)
    return ending


def has_terminal() -> bool:
    """Tell if a terminal that closes sends SIGHUP here; a service has none."""
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_NOCTTY))
    except OSError:
        return False
    return True


def spare_needless_signals() -> None:
    """Let none of these end the process, whoever sends it."""
    for number in _NEEDLESS:
        if signal.getsignal(number) is signal.SIG_DFL:
            # Not SIG_IGN: that would be handed on to what functions of `work` start.
            signal.signal(number, lambda *_: None)
