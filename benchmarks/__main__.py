"""Measure a broker on loopback: `python -m benchmarks [publish|consume|all|floor]`.

Client and broker share the machine's cores. Figures of two machines say
little beside each other; ratios within one run hold.
"""

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvloop

from benchmarks.figures import Figures, Plan, print_table
from benchmarks.floor import measure_floor
from benchmarks.h2load import find_h2load, h2load_publish
from benchmarks.load import consume_load, publish_load
from miniqueue_py.certificates import make_certificates
from tests.outside.server import RunningBroker

_PRELOADED = 100_000

_GO = "MiniQueue in Go, without fsync,"
REFERENCES = {
    "hypercorn": {
        "publish 12 x 1": f"prototype 5,400; {_GO} 24,500",
        "publish 12 x 10": f"prototype 6,600; {_GO} 38,700",
        "consume": f"prototype 17,600; {_GO} 15,500",
    },
    "granian": {
        "publish 12 x 1": f"prototype 30,500, fsync always 20,900; {_GO} 24,500",
        "publish 12 x 10": f"prototype 50,700, fsync always 34,400; {_GO} 38,700",
        "consume": f"prototype 37,700, fsync always 13,600; {_GO} 15,500",
    },
}


def main() -> None:
    arguments = parse_arguments()
    if arguments.work == "floor":
        print("without a broker, over TLS\n")
        print_table(measure_floor(find_h2load(), arguments.seconds), {})
        return
    figures: list[Figures] = []
    with running_broker(arguments.server, arguments.fsync) as broker:
        if arguments.work in {"publish", "all"}:
            figures += [measure_publish(broker, arguments, lanes) for lanes in (1, 10)]
        if arguments.work in {"consume", "all"}:
            figures.append(measure_consume(broker, arguments.seconds))
        rss = broker.rss_bytes()
    print(f"{arguments.server}, -fsync {arguments.fsync}, 10-byte messages over TLS\n")
    print_table(figures, REFERENCES[arguments.server])
    print(f"\nbroker's memory at the end: {rss / 2**20:.0f} MiB")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument(
        "work", nargs="?", choices=["publish", "consume", "all", "floor"], default="all"
    )
    parser.add_argument("--server", choices=["hypercorn", "granian"], default="hypercorn")
    parser.add_argument("--fsync", choices=["never", "always", "interval"], default="never")
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument(
        "--generator",
        choices=["h2load", "own"],
        default="h2load" if find_h2load() else "own",
        help="of the publishes; h2load where it is installed",
    )
    return parser.parse_args()


@contextmanager
def running_broker(server: str, fsync: str) -> Iterator[RunningBroker]:
    with tempfile.TemporaryDirectory(prefix="miniqueue-benchmark-") as directory:
        certificates = make_certificates(Path(directory))
        flags = ("-fsync", fsync)
        with RunningBroker(Path(directory, "db"), certificates, server, flags) as broker:
            yield broker


def measure_publish(broker: RunningBroker, arguments: argparse.Namespace, lanes: int) -> Figures:
    topic = f"publish{lanes}"
    plan = Plan(arguments.seconds, lanes=lanes)
    program = find_h2load()
    if arguments.generator == "h2load" and program is not None:
        return h2load_publish(program, broker.port, topic, plan)
    return uvloop.run(publish_load(broker, topic, plan))


def measure_consume(broker: RunningBroker, seconds: int) -> Figures:
    """Fill a topic for a while, then take from it what there is, one by one."""
    filling = Plan(2 * seconds, lanes=10, limit=_PRELOADED)
    loaded = uvloop.run(publish_load(broker, "consume", filling))
    return uvloop.run(consume_load(broker, "consume", Plan(seconds, limit=loaded.count)))


if __name__ == "__main__":
    main()
