"""What this machine can do at all, with no broker: the floor under every figure.

By the same clients as the broker's. *Echo*: a TLS server that sends back what
it gets, which is as fast as a lock-step consumer could ever be served from
Python. *Bare*: an application that stores nothing. One request a message is
measured on Hypercorn as it ships, with its request limit raised; streams are
measured on it as the broker runs it.
"""

import argparse
import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.figures import UNLIMITED, Figures, Peer, Plan
from benchmarks.frames import trusting
from benchmarks.h2load import h2load_publish
from benchmarks.processor import Meter
from benchmarks.streams import credit_load, stream_load
from miniqueue_py.certificate_paths import certificate_paths
from miniqueue_py.certificates import make_certificates

_ROUND_TRIPS = 20_000


def measure_floor(program: str | None, arguments: argparse.Namespace) -> list[Figures]:
    """Measure echo, bare streams, and bare publishes where h2load is at hand."""
    figures = []
    with tempfile.TemporaryDirectory(prefix="miniqueue-benchmark-") as directory:
        make_certificates(Path(directory))
        with _serving("echo", directory) as peer:
            meter = Meter(peer)
            figures.append(meter.read_into(uvloop.run(_measure_echo(peer))))
        if program is not None:
            with _serving("plain", directory) as peer:
                figures += _measure_publishes(program, peer, arguments.seconds)
        with _serving("ours", directory) as peer:
            figures += _measure_streams(peer, arguments)
    return figures


def _measure_publishes(program: str, peer: Peer, seconds: int) -> Iterator[Figures]:
    for plan in (Plan(seconds, lanes=1), Plan(seconds, lanes=10)):
        meter = Meter(peer)
        line = meter.read_into(h2load_publish(program, peer.port, "bare", plan))
        yield replace(line, work=f"bare {plan}")


def _measure_streams(peer: Peer, arguments: argparse.Namespace) -> Iterator[Figures]:
    plan = Plan(arguments.seconds, limit=UNLIMITED)
    meter = Meter(peer)
    line = meter.read_into(stream_load(peer, "bare", arguments.size, plan))
    yield replace(line, work=f"bare {line.work}")
    for credit in arguments.credit:
        meter = Meter(peer)
        line = meter.read_into(credit_load(peer, "bare", credit, plan, are_numbered=False))
        yield replace(line, work=f"bare {line.work}")


class _Asker(asyncio.Protocol):
    def __init__(self) -> None:
        self.latencies: list[float] = []
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._ask()

    def data_received(self, _data: bytes) -> None:
        self.latencies.append(time.perf_counter() - self._asked_at)
        if len(self.latencies) >= _ROUND_TRIPS:
            self.done.set_result(None)
        else:
            self._ask()

    def _ask(self) -> None:
        self._asked_at = time.perf_counter()
        self._transport.write(b"0123456789012345678901234567")


async def _measure_echo(peer: Peer) -> Figures:
    start = time.perf_counter()
    _, asker = await asyncio.get_running_loop().create_connection(
        _Asker, "127.0.0.1", peer.port, ssl=trusting(peer.ca), server_hostname="localhost"
    )
    await asyncio.wait_for(asker.done, 60)
    return Figures("TLS echo", _ROUND_TRIPS, time.perf_counter() - start, asker.latencies)


@contextmanager
def _serving(what: str, directory: str) -> Iterator[Peer]:
    command = [sys.executable, "-m", "benchmarks.bare", what, directory]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            port = int(process.stdout.readline() if process.stdout else "")
            yield Peer(port, certificate_paths(Path(directory)).authority, process.pid)
        finally:
            process.kill()
