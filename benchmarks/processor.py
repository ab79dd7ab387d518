"""Processor time of client and broker, so that a figure shows which of them it measures."""

import os
import time
from dataclasses import replace
from pathlib import Path

from benchmarks.figures import Figures, Peer

_TICKS = os.sysconf("SC_CLK_TCK")


class Meter:
    """What both sides use from its making to its reading."""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._start = time.perf_counter()
        self._client = client_seconds()
        self._broker = process_seconds(peer.pid)

    def read_into(self, figures: Figures) -> Figures:
        """Return the figures with the shares of one core beside them."""
        elapsed = time.perf_counter() - self._start
        return replace(
            figures,
            client_share=(client_seconds() - self._client) / elapsed,
            broker_share=(process_seconds(self._peer.pid) - self._broker) / elapsed,
        )


def client_seconds() -> float:
    """Add up this process and the load generators that have ended; a broker has not."""
    return sum(os.times()[:4])


def process_seconds(pid: int) -> float:
    """Return user and system time of all threads of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS
