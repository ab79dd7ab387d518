"""Measure a broker on loopback: `python -m benchmarks [WORK]`.

publish: one message a request. stream: lines of one long request. consume: ACK
in lock-step. credit: consume with many in flight. latency: from publish to
delivery. floor: what this machine can do with no broker. client: our client beside
nats-py and redis-py, see `python -m benchmarks client -h`. dialects: the other systems' APIs,
see `python -m benchmarks dialects -h`. soak: minutes of random faults, see
`python -m benchmarks soak -h`.

Client and broker share the machine's cores. Figures of two machines say
little beside each other; ratios within one run hold.
"""

import argparse
import sys
from collections.abc import Iterator

import uvloop

from benchmarks import client, dialects, soak
from benchmarks.broker import running_broker
from benchmarks.figures import UNLIMITED, Figures, Peer, Plan, print_table
from benchmarks.floor import measure_floor
from benchmarks.h2load import find_h2load, h2load_publish
from benchmarks.latency import latency_load
from benchmarks.load import consume_load, publish_load
from benchmarks.processor import Meter
from benchmarks.references import REFERENCES
from benchmarks.streams import credit_load, stream_load

_PRELOADED = 100_000
_PRELOADED_FOR_CREDIT = 2_000_000
_PRELOAD_SECONDS = 30


def main() -> None:
    if sys.argv[1:2] == ["client"]:
        client.main(sys.argv[2:])
        return
    if sys.argv[1:2] == ["dialects"]:
        dialects.main(sys.argv[2:])
        return
    if sys.argv[1:2] == ["soak"]:
        soak.main(sys.argv[2:])
        return
    arguments = parse_arguments()
    if arguments.work == "floor":
        print("without a broker, over TLS\n")
        print_table(measure_floor(find_h2load(), arguments), {})
        return
    with running_broker(arguments.fsync) as broker:
        peer = Peer(broker.port, broker.ca, broker.pid)
        figures = list(measure(peer, arguments))
        rss = broker.rss_bytes()
    print(f"-fsync {arguments.fsync}, over TLS; ", end="")
    print(f"messages of 10 bytes, in stream and credit of {arguments.size}\n")
    print_table(figures, REFERENCES)
    print(f"\nbroker's memory at the end: {rss / 2**20:.0f} MiB")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    works = ["publish", "consume", "stream", "credit", "latency", "all", "floor"]
    parser.add_argument("work", nargs="?", choices=works, default="all")
    parser.add_argument("--fsync", choices=["never", "always", "interval"], default="never")
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument(
        "--size",
        type=int,
        default=100,
        help="bytes of a message of stream and credit, the newline not counted (100)",
    )
    parser.add_argument(
        "--credit", type=int, nargs="+", default=[100, 1000], help="of the consumer (100 1000)"
    )
    parser.add_argument(
        "--generator",
        choices=["h2load", "own"],
        default="h2load" if find_h2load() else "own",
        help="of the publishes; h2load where it is installed",
    )
    return parser.parse_args()


def measure(peer: Peer, arguments: argparse.Namespace) -> Iterator[Figures]:
    """Do the work that was asked for, in the table's order."""
    work, seconds = arguments.work, arguments.seconds
    if work in {"publish", "all"}:
        yield measure_publish(peer, arguments, lanes=1)
        yield measure_publish(peer, arguments, lanes=10)
    if work in {"consume", "all"}:
        yield measure_consume(peer, seconds)
    if work in {"stream", "all"}:
        plan = Plan(seconds, limit=UNLIMITED)
        meter = Meter(peer)
        yield meter.read_into(stream_load(peer, "stream", arguments.size, plan))
    if work in {"credit", "all"}:
        for credit in arguments.credit:
            yield measure_credit(peer, arguments, credit)
    if work in {"latency", "all"}:
        meter = Meter(peer)
        yield meter.read_into(uvloop.run(latency_load(peer, "latency", seconds)))


def measure_publish(peer: Peer, arguments: argparse.Namespace, lanes: int) -> Figures:
    topic = f"publish{lanes}"
    plan = Plan(arguments.seconds, lanes=lanes)
    program = find_h2load()
    meter = Meter(peer)
    if arguments.generator == "h2load" and program is not None:
        return meter.read_into(h2load_publish(program, peer.port, topic, plan))
    return meter.read_into(uvloop.run(publish_load(peer, topic, plan)))


def measure_consume(peer: Peer, seconds: int) -> Figures:
    """Fill a topic for a while, then take from it what there is, one by one."""
    filling = Plan(2 * seconds, lanes=10, limit=_PRELOADED)
    loaded = uvloop.run(publish_load(peer, "consume", filling))
    meter = Meter(peer)
    return meter.read_into(
        uvloop.run(consume_load(peer, "consume", Plan(seconds, limit=loaded.count)))
    )


def measure_credit(peer: Peer, arguments: argparse.Namespace, credit: int) -> Figures:
    """Fill a topic by a stream, then take from it what there is, many in flight."""
    topic = f"credit{credit}"
    filling = Plan(_PRELOAD_SECONDS, limit=_PRELOADED_FOR_CREDIT)
    loaded = stream_load(peer, topic, arguments.size, filling)
    meter = Meter(peer)
    return meter.read_into(
        credit_load(peer, topic, credit, Plan(arguments.seconds, limit=loaded.count))
    )


if __name__ == "__main__":
    main()
