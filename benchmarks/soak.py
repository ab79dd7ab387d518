"""Minutes of random faults between client and broker: `python -m benchmarks soak --minutes 10`.

The run of tests/client/faults.py, for as long as one likes: publishers and
consumers behind a proxy that cuts, stalls, resets, trickles and refuses, and a
broker that is ended, with kill -9 or by SIGTERM, and started again. At its end
every message has to be acknowledged, stored once, and nothing of the client may
be left.
"""

import argparse
import gc
import logging
import random
import sys
import tempfile
import time
from collections.abc import Collection, Sequence
from pathlib import Path

import anyio

from miniqueue_py.tls.certificates import make_certificates
from tests.client.faults import Plan, Run
from tests.client.leaks import living_tasks, open_sockets, rss_bytes
from tests.client.proxy import Proxy
from tests.outside.server import RunningBroker

_ROOM_A_MINUTE = 200_000
_LOOK_EVERY = 30.0
_WARM_AFTER = 60.0
"""Seconds until the memory is what it stays."""


class Soak:
    """One run, and what is seen of it from time to time."""

    def __init__(self, proxy: Proxy) -> None:
        self.rss: list[tuple[float, int]] = []
        self.most_tasks = 0
        self._proxy = proxy
        self._begun = time.monotonic()
        self._next_look = 0.0

    def look(self, run: Run) -> None:
        """Print a line now and then."""
        elapsed = time.monotonic() - self._begun
        if elapsed < self._next_look:
            return
        self._next_look = elapsed + _LOOK_EVERY
        gc.collect()
        tasks, rss = len(living_tasks()), rss_bytes()
        self.most_tasks = max(self.most_tasks, tasks)
        self.rss.append((elapsed, rss))
        ledger = run.ledger
        print(
            f"{elapsed:5.0f} s  {ledger.begun:8,} published  {ledger.deliveries:8,} delivered  "
            f"{self._proxy.faults.total():5} faults  {run.kills:3} kills  {run.drains:3} drains  "
            f"{self._proxy.accepted:5} connections  {tasks:3} tasks  "
            f"{len(open_sockets()):3} sockets  {rss / 2**20:5.1f} MiB",
            flush=True,
        )


def main(words: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks soak",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--minutes", type=float, default=10.0, help="of faults (10)")
    parser.add_argument("--backend", choices=["asyncio", "trio"], default="asyncio")
    parser.add_argument("--seed", help="of a run that is to be done again")
    arguments = parser.parse_args(words)
    logging.getLogger("miniqueue.client").setLevel(logging.ERROR)  # it is away all the time
    seed = arguments.seed or str(random.getrandbits(32))
    print(f"{arguments.minutes:g} minutes of random faults, ", end="")
    print(f"the client on {arguments.backend}, seed {seed}\n")
    before = open_sockets()
    anyio.run(_soak, arguments, random.Random(seed), backend=arguments.backend)
    gc.collect()
    _expect_none("sockets", open_sockets() - before)


async def _soak(arguments: argparse.Namespace, choices: random.Random) -> None:
    minutes = arguments.minutes
    plan = Plan(seconds=60 * minutes, room=int(_ROOM_A_MINUTE * minutes) + 10_000)
    before = living_tasks()
    with tempfile.TemporaryDirectory(prefix="miniqueue-soak-") as directory:
        certificates = make_certificates(Path(directory))
        flags = ("-fsync", "never", "-period", "20ms", "-drain", "2s")
        with (
            RunningBroker(Path(directory, "db"), certificates, flags) as broker,
            Proxy(broker.port) as proxy,
        ):
            soak = Soak(proxy)
            run = Run(plan, broker, proxy, certificates.authority, "soak", choices)
            await run.go(soak.look)
            _print_figures(run, proxy, soak)
    _expect_none("tasks", living_tasks() - before)


def _expect_none(what: str, left: Collection[object]) -> None:
    print(f"{what + ' left':25} {len(left):8}")
    if left:
        sys.exit(f"{what} were left behind: {left}")


def _print_figures(run: Run, proxy: Proxy, soak: Soak) -> None:
    ledger = run.ledger
    print()
    for kind, count in sorted(proxy.faults.items()):
        print(f"fault: {kind:18} {count:8,}")
    print(f"kill -9 and restart       {run.kills:8,}")
    print(f"SIGTERM and restart       {run.drains:8,}")
    print(f"connections               {proxy.accepted:8,}")
    print(f"clients opened            {run.visits:8,}, and {run.failed_visits:,} that could not")
    print(f"bytes through the proxy   {proxy.bytes_forwarded:8,}")
    print(f"published                 {ledger.confirmed:8,}, each stored once")
    print(f"deliveries                {ledger.deliveries:8,}")
    print(f"given back, or lost       {run.left:8,}")
    print(f"delivered after their ACK {ledger.duplicates:8,}")
    print(f"acknowledged              {ledger.done:8,}, every one")
    warm = [rss for at, rss in soak.rss if at >= _WARM_AFTER] or [rss for _, rss in soak.rss]
    shown = (warm[0], warm[len(warm) // 2], warm[-1])
    print("memory after a minute, in the middle, at the end: ", end="")
    print(", ".join(f"{rss / 2**20:.1f} MiB" for rss in shown))
    print(f"most tasks                {soak.most_tasks:8}")
