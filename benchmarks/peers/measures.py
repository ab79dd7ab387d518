"""What a figure is called for its readers, its unit, and whether less of it is better."""

from dataclasses import dataclass

A_SECOND = "a second"


@dataclass(frozen=True)
class Measure:
    title: str
    unit: str = A_SECOND
    is_less_better: bool = False


MEASURES = {
    "publish 12x1": Measure("publish, 12 connections x 1"),
    "publish 12x10": Measure("publish, 12 connections x 10"),
    "stream 100 B": Measure("streamed publish, 100 B, 1 connection"),
    "lock-step": Measure("consume + ACK, lock-step, 1 consumer"),
    "credit 100": Measure("consume + ACK, credit or batch 100"),
    "credit 1000": Measure("consume + ACK, credit or batch 1000"),
    **{
        f"latency {rate}/s {name}": Measure(f"latency at {rate:,}/s, {name}", "us", True)
        for rate in (100, 1000)
        for name in ("p50", "p99", "p99.9")
    },
    "memory": Measure("memory (RSS) a waiting message", "B", True),
    "own memory": Measure("memory without mapped files a waiting message", "B", True),
    "disk": Measure("disk a waiting message of 100 B", "B", True),
    "restart": Measure("restart to first delivery, all waiting", "ms", True),
    "client in": Measure("client library in, confirmed"),
    "client out": Measure("client library out, credit or batch 1000"),
    "HTTP/1.1 publish, TLS": Measure("publish over HTTP/1.1 in TLS"),
    "ZapQ enqueue": Measure("ZapQ, enqueue"),
    "ZapQ dequeue": Measure("ZapQ, dequeue"),
    "CoraMQ enqueue": Measure("CoraMQ, enqueue"),
    "CoraMQ dequeue": Measure("CoraMQ, dequeue"),
    "CoraMQ dequeue, acknowledge": Measure("CoraMQ, dequeued and acknowledged"),
    "ZoldyQ enqueue": Measure("ZoldyQ, enqueue"),
    "ZoldyQ dequeue": Measure("ZoldyQ, dequeue"),
    "tasks enqueue": Measure("tasks, enqueue"),
}

THROUGHPUT = (
    "publish 12x1",
    "publish 12x10",
    "stream 100 B",
    "lock-step",
    "credit 100",
    "credit 1000",
)
WAITING = ("memory", "own memory", "disk", "restart")
HTTP1 = tuple(list(MEASURES)[list(MEASURES).index("HTTP/1.1 publish, TLS") :])
"""Those that ours has beside an older checkout only."""


def measure_of(name: str) -> Measure:
    """Return what is known of a measure; those of growth have numbers in their names."""
    return MEASURES.get(name) or Measure(name)
