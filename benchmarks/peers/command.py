"""Brokers beside each other: `python -m benchmarks peers`.

Ours with both fsync policies, and whichever of MiniQueue, NATS JetStream,
Redis, beanstalkd, RabbitMQ and PostgreSQL this machine has, all with
persistence on. Each work is done by one after the other, each in a process and
a directory of its own, and all of that several times; what is compared was
measured in the same run.

Brokers and load generators share the machine's cores. Figures of two machines
say little beside each other; ratios within one run hold.
"""

import argparse
import signal
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from benchmarks.peers.brokers.beanstalkd import Beanstalkd
from benchmarks.peers.brokers.miniqueue import Miniqueue
from benchmarks.peers.brokers.nats import Nats
from benchmarks.peers.brokers.ours import Checkout, Ours
from benchmarks.peers.brokers.postgresql import Postgresql
from benchmarks.peers.brokers.rabbitmq import Rabbitmq
from benchmarks.peers.brokers.redis import Redis
from benchmarks.peers.clients import CLIENTS, has_client
from benchmarks.peers.growth import GROWTH
from benchmarks.peers.http1 import HTTP1
from benchmarks.peers.measures import measure_of
from benchmarks.peers.peer import Missing, Peer
from benchmarks.peers.report import Contestant, Failure, Report
from benchmarks.peers.sample import Sample
from benchmarks.peers.tables import render, write_page
from benchmarks.peers.works import QUICK, WORKS, Scale, Work

_POLICIES = ("never", "always")
_OTHERS = ("miniqueue", "nats", "redis", "beanstalkd", "rabbitmq", "postgresql")
_ALL_WORKS = (*WORKS, *CLIENTS, *HTTP1, *GROWTH)


def main(words: Sequence[str]) -> None:
    arguments = parse(words)
    for number in (signal.SIGINT, signal.SIGTERM):  # a shell's background job ignores the first
        signal.signal(number, signal.default_int_handler)
    report = Report.read(arguments.read) if arguments.read else _measure(arguments)
    print(render(report))
    pictures: Sequence[Path] = ()
    if arguments.plots is not None:
        from benchmarks.peers.plots import plot_all  # noqa: PLC0415  matplotlib is an extra

        pictures = plot_all(report, arguments.plots)
    if arguments.page is not None:
        write_page(arguments.page, report, pictures)


def parse(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks peers",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    names = ["ours", "before", *_OTHERS]
    add("--only", nargs="+", choices=names, default=names, help="who takes part (all)")
    add("--fsync", nargs="+", choices=_POLICIES, default=_POLICIES, help="of ours (both)")
    works = [work.name for work in _ALL_WORKS]
    add("--works", nargs="+", choices=works, default=works, help="what is measured (all)")
    add("--miniqueue", type=Path, metavar="PATH", help="MiniQueue's binary, built from its source")
    add("--baseline", type=Path, metavar="PATH", help="another checkout of ours, measured beside")
    add("--baseline-python", default=sys.executable, metavar="PATH", help="its interpreter")
    add("--runs", type=int, default=3, help="of everything (3)")
    add("--seconds", type=int, help="of each load (4)")
    add("--messages", type=int, help="at most in a broker, for a small trial")
    add("--quick", action="store_true", help="a second each, and no large backlog")
    add("--json", type=Path, metavar="FILE", help="keep the figures")
    add("--read", type=Path, metavar="FILE", help="measure nothing, take what --json has kept")
    add("--page", type=Path, metavar="FILE", help="put tables and plots between the page's markers")
    add("--plots", type=Path, metavar="DIR", help="draw them, with matplotlib")
    return parser.parse_args(words)


def _measure(arguments: argparse.Namespace) -> Report:
    scale = _scale(arguments)
    report = Report.begin(Checkout("ours").commit(), asdict(scale))
    peers = _present(_contestants(arguments), report)
    works = [work for work in _ALL_WORKS if work.name in arguments.works]
    try:
        for run in range(1, arguments.runs + 1):
            for work in works:
                # Every other run the other way round, so that a drift is nobody's gain.
                for peer in peers if run % 2 else reversed(peers):
                    if _takes_part(peer, work):
                        _do(report, run, work, peer, scale)
    finally:
        if arguments.json is not None:
            report.write(arguments.json)
    return report


def _scale(arguments: argparse.Namespace) -> Scale:
    scale = QUICK if arguments.quick else Scale()
    if arguments.seconds is not None:
        scale = scale.with_seconds(arguments.seconds)
    return scale if arguments.messages is None else scale.with_most(arguments.messages)


def _contestants(arguments: argparse.Namespace) -> Iterator[Peer]:
    ours = [Checkout("ours")]
    if arguments.baseline is not None:
        # Not resolved: an interpreter of a virtual environment is a link.
        python = Path(arguments.baseline_python).absolute()
        ours.append(Checkout("before", arguments.baseline.resolve(), str(python)))
    for checkout in ours:
        if checkout.name in arguments.only:
            yield from (Ours(checkout, policy) for policy in arguments.fsync)
    others = Miniqueue(arguments.miniqueue), Nats(), Redis(), Beanstalkd(), Rabbitmq(), Postgresql()
    for name, peer in zip(_OTHERS, others, strict=True):
        if name in arguments.only:
            yield peer


def _present(peers: Iterator[Peer], report: Report) -> list[Peer]:
    """Sort out who is not there, and say what would bring them."""
    present = []
    for peer in peers:
        try:
            version = peer.version()
        except Missing as missing:
            report.left_out[peer.name] = str(missing)
            print(f"{peer.name} is left out: {missing}")
        else:
            cannot = dict(peer.cannot)
            told = Contestant(peer.name, version, peer.settings, peer.batch, cannot)
            report.contestants.append(told)
            present.append(peer)
    return present


def _takes_part(peer: Peer, work: Work) -> bool:
    """Tell if a work concerns a peer at all."""
    if work in HTTP1:
        return isinstance(peer, Ours)
    if work in GROWTH:
        return isinstance(peer, Ours) and peer.checkout.name == "ours"
    if work in CLIENTS:
        return has_client(peer)
    return work.needs not in peer.cannot


def _do(report: Report, run: int, work: Work, peer: Peer, scale: Scale) -> None:
    """Have a broker do a work, and go on with the next when it cannot."""
    with tempfile.TemporaryDirectory(prefix="miniqueue-benchmark-") as directory:
        try:
            peer.start(Path(directory))
            for figure in work.measure(peer, scale):
                sample = Sample(run, peer.name, **vars(figure))
                report.samples.append(sample)
                _show(sample)
        except Exception as error:  # noqa: BLE001  kept in the report
            text = f"{type(error).__name__}: {error}".splitlines()[0][:300]
            report.failures.append(Failure(run, peer.name, work.name, text))
            print(f"run {run}  {peer.name:18} {work.name}: {text}", flush=True)
        finally:
            peer.stop()


def _show(sample: Sample) -> None:
    unit = measure_of(sample.work).unit
    shares = [
        f"{name} {share:.0%}"
        for name, share in (
            (sample.generator, sample.generator_share),
            ("server", sample.server_share),
        )
        if share is not None
    ]
    line = f"run {sample.run}  {sample.contestant:18} {sample.work:34} {sample.value:14,.1f} {unit}"
    print("  ".join([line, *shares]), flush=True)
