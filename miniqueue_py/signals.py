"""Which signals ask a program to end, and which ask for nothing."""

import signal
from collections.abc import Sequence

_NEEDLESS = (signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE)


def ending_signals() -> Sequence[signal.Signals]:
    """Return those that end it; SIGHUP, of a terminal that closes, is none under nohup."""
    ending = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        ending.append(signal.SIGHUP)
    return ending


def spare_needless_signals() -> None:
    """Let none of these end the process, whoever sends it."""
    for number in _NEEDLESS:
        if signal.getsignal(number) is signal.SIG_DFL:
            # Not SIG_IGN: that would be handed on to what functions of `work` start.
            signal.signal(number, lambda *_: None)
