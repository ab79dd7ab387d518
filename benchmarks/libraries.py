"""LevelDB and RocksDB beside each other: `python -m benchmarks libraries --runs 3`.

Each work is done on a new database of each, in turn; every other run goes the
other way round. Publish, streamed and credit go through a broker, over TLS; the
rest calls the engine in this process, so that nothing else is in its figures.
"""

import argparse
import asyncio
import json
import resource
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.peers.h2load import find_h2load, h2load
from benchmarks.peers.sample import percentile
from benchmarks.peers.wires.duplex import Address
from benchmarks.peers.wires.streams import credit_load, stream_load
from miniqueue_py.broker.delivery import ACK
from miniqueue_py.broker.message import Publication
from miniqueue_py.storage.keyvalue.libraries import LIBRARIES
from miniqueue_py.storage.ordered.engine import OrderedStorage
from miniqueue_py.storage.ordered.opening import open_ordered
from miniqueue_py.tls.certificates import make_certificates
from tests.outside.server import RunningBroker

BODY = b"x" * 100
BATCH = 500
ROUNDS, A_ROUND = 10, 50_000
SINGLES = 3_000
"""Publishes that are timed one by one while others fill and drain."""

Figures = dict[str, float]
Work = Callable[[str, Path, argparse.Namespace], Figures]


def broker_loads(scheme: str, directory: Path, options: argparse.Namespace) -> Figures:
    """Measure a broker; it syncs nothing, so that the disk is in no figure."""
    figures: Figures = {}
    certificates = make_certificates(directory / "certs")
    flags = ("-fsync", "never")
    with RunningBroker(directory / "db", certificates, flags, scheme=scheme) as broker:
        address = Address(broker.port, broker.ca)
        if find_h2load() is not None:
            done = h2load(broker.port, ["a"], 12, 10, options.seconds)
            figures["publish, 12 x 10, per s"] = done.rate
        done = stream_load(address, "b", len(BODY), options.seconds, options.waiting)
        figures["streamed publish, per s"] = done.rate
        done = credit_load(address, "b", 1000, options.seconds, done.count)
        figures["consume + ACK, credit 1000, per s"] = done.rate
    return figures


def waiting(scheme: str, directory: Path, options: argparse.Namespace) -> Figures:
    """Let many wait, stop, and start again."""
    certificates = make_certificates(directory / "certs")
    path = directory / "db"
    broker = RunningBroker(path, certificates, ("-fsync", "never"), 60, scheme=scheme)
    with broker:
        idle = broker.rss_bytes()
        address = Address(broker.port, broker.ca)
        stream_load(address, "t", len(BODY), 600, options.waiting)
        filled = broker.rss_bytes()
        broker.terminate()
        broker.wait()
        disk = sum(at.stat().st_size for at in path.iterdir())
        start = time.perf_counter()
        broker.start()
        credit_load(Address(broker.port, broker.ca), "t", 1, 60, 1)
        again = time.perf_counter() - start
        restarted = broker.rss_bytes()
    return {
        "waiting: RSS over idle, MiB": (filled - idle) / 2**20,
        "waiting: RSS over idle after a restart, MiB": (restarted - idle) / 2**20,
        "waiting: disk, B a message": disk / options.waiting,
        "waiting: start to first delivery, ms": again * 1e3,
    }


def rounds(scheme: str, directory: Path, _options: argparse.Namespace) -> Figures:
    """Fill and drain, again and again."""

    async def work() -> Figures:
        storage = _opened(scheme, directory / "db")
        start, cpu = time.perf_counter(), _cpu_seconds()
        for _ in range(ROUNDS):
            for _ in range(A_ROUND // BATCH):
                await storage.append("t", [Publication([BODY] * BATCH)], time.time(), 0.0)
            await _drain(storage, "t")
        wall, cpu = time.perf_counter() - start, _cpu_seconds() - cpu
        await storage._janitor.wait_idle()  # noqa: SLF001  else its space is not given back yet
        disk = sum(at.stat().st_size for at in (directory / "db").iterdir())
        await storage.aclose()
        return {
            "ten rounds of fill and drain, s": wall,
            "ten rounds of fill and drain, CPU s": cpu,
            "ten rounds: disk at the end, MiB": disk / 2**20,
        }

    return asyncio.run(work())


def publish_while_compacting(scheme: str, directory: Path, _options: argparse.Namespace) -> Figures:
    """Time single publishes while another topic is filled and drained."""

    async def work() -> Figures:
        storage = _opened(scheme, directory / "db")
        took: list[float] = []
        large = Publication([BODY * 10] * 100)

        async def churn() -> None:
            while True:
                for _ in range(200):
                    await storage.append("t", [large], time.time(), 0.0)
                await _drain(storage, "t")

        churning = asyncio.create_task(churn())
        for _ in range(SINGLES):
            start = time.perf_counter()
            await storage.append("one", [Publication([BODY])], time.time(), 0.0)
            took.append(time.perf_counter() - start)
        churning.cancel()
        await asyncio.wait([churning])
        await storage.aclose()
        return {
            "publish while it compacts, p50, ms": percentile(took, 0.5) * 1e3,
            "publish while it compacts, p99.9, ms": percentile(took, 0.999) * 1e3,
            "publish while it compacts, longest, ms": max(took) * 1e3,
        }

    return asyncio.run(work())


WORKS: dict[str, Work] = {
    "broker": broker_loads,
    "waiting": waiting,
    "rounds": rounds,
    "compacting": publish_while_compacting,
}


def main(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks libraries", description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--waiting", type=int, default=1_000_000)
    parser.add_argument("--works", nargs="+", choices=WORKS, default=list(WORKS))
    parser.add_argument("--json", type=Path, metavar="FILE")
    options = parser.parse_args(words)
    schemes = [library.scheme for library in LIBRARIES]
    samples: dict[str, dict[str, list[float]]] = {}
    for run in range(options.runs):
        for name in options.works:
            for scheme in schemes if run % 2 == 0 else schemes[::-1]:
                with tempfile.TemporaryDirectory(prefix="miniqueue-benchmark-") as directory:
                    figures = WORKS[name](scheme, Path(directory), options)
                for what, figure in figures.items():
                    samples.setdefault(what, {}).setdefault(scheme, []).append(figure)
    if options.json is not None:
        options.json.write_text(json.dumps(samples, indent=1))
    print(table(samples, schemes))


def table(samples: dict[str, dict[str, list[float]]], schemes: Sequence[str]) -> str:
    """Return the medians, and what RocksDB has of LevelDB's within each run, as Markdown."""
    first, second = schemes
    lines = [f"| | {first} | {second} | {second} / {first} |", "|---|---:|---:|---:|"]
    for what, of in samples.items():
        ratios = [b / a for a, b in zip(of[first], of[second], strict=True) if a]
        ratio = f"{statistics.median(ratios):.2f} ({min(ratios):.2f}-{max(ratios):.2f})"
        medians = [_figure(statistics.median(of[scheme])) for scheme in schemes]
        lines.append(f"| {what} | {' | '.join(medians)} | {ratio} |")
    return "\n".join(lines)


def _figure(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _opened(scheme: str, path: Path) -> OrderedStorage:
    storage = open_ordered(path, scheme=scheme, fsync="never", fsync_interval_seconds=1.0)
    storage.watch(lambda _topic: None)
    return storage


async def _drain(storage: OrderedStorage, topic: str) -> None:
    while deliveries := storage.lease(topic, BATCH, 1 << 30, time.time()):
        storage.settle(deliveries, ACK)
        await storage.settled()


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
