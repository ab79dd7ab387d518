"""What is measured: each work on a broker of its own, that was just started.

A work yields one figure or several. What they are called, and whether more of
it is better, is said in `MEASURES`.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

from benchmarks.peers.peer import FILL_SECONDS, TOPIC, Peer
from benchmarks.peers.sample import BrokenPromise, Done, Meter, percentile
from benchmarks.peers.server import disk_bytes

PERCENTILES = {"p50": 0.5, "p99": 0.99, "p99.9": 0.999}
_MICROSECONDS, _MILLISECONDS = 1e6, 1e3


@dataclass(frozen=True)
class Scale:
    """How long, and with how many messages."""

    seconds: int = 4
    latency_seconds: int = 10
    waiting: int = 1_000_000
    """Messages of `backlog`."""
    most: int = 2_000_000
    """Messages that wait for a consumer, where there is no other number."""
    topics: Sequence[int] = (1, 100, 10_000)
    backlogs: Sequence[int] = (0, 1_000_000, 10_000_000)

    def with_seconds(self, seconds: int) -> "Scale":
        return replace(self, seconds=seconds, latency_seconds=max(seconds, self.latency_seconds))

    def with_most(self, messages: int) -> "Scale":
        """Have nobody meet more messages than that."""
        return replace(
            self,
            waiting=min(self.waiting, messages),
            most=min(self.most, messages),
            backlogs=sorted({min(count, messages) for count in self.backlogs}),
        )


QUICK = Scale(1, 1, 20_000, 200_000, (1, 100), (0, 20_000))


@dataclass(frozen=True)
class Figure:
    """What a work found out, and who made the load for it."""

    work: str
    value: float
    generator: str = ""
    generator_share: float | None = None
    server_share: float | None = None


Figures = Iterator[Figure]


@dataclass(frozen=True)
class Work:
    """A name to ask for it by, and what does it."""

    name: str
    measure: Callable[[Peer, Scale], Figures]
    needs: str = ""
    """What a peer may say that it cannot."""


def rate_of(peer: Peer, measure: str, load: Callable[[], Done]) -> Figure:
    """Do a load with a look at both sides' processors."""
    meter = Meter(peer.server)
    done = load()
    generator, server = meter.shares()
    if not done.count:
        raise BrokenPromise(f"nothing was done in {done.seconds:.1f} s")
    return Figure(measure, done.rate, done.generator, generator, server)


def _fill(peer: Peer, count: int, seconds: float = FILL_SECONDS) -> int:
    """Have messages wait, as many as come in that time, and return how many they are."""
    filled = peer.fill(TOPIC, count, seconds)
    if not filled:
        raise BrokenPromise("nothing waits, so there is nothing to measure")
    return filled


def _publish(peer: Peer, scale: Scale) -> Figures:
    for lanes in (1, 10):
        load = partial(peer.publish, TOPIC, 12, lanes, scale.seconds)
        yield rate_of(peer, f"publish 12x{lanes}", load)


def _stream(peer: Peer, scale: Scale) -> Figures:
    yield rate_of(peer, "stream 100 B", lambda: peer.stream(TOPIC, 100, scale.seconds))


def _lock_step(peer: Peer, scale: Scale) -> Figures:
    count = _fill(peer, min(scale.most, 15_000 * scale.seconds))
    yield rate_of(peer, "lock-step", lambda: peer.consume(TOPIC, 1, scale.seconds, count))


def _credit(credit: int) -> Work:
    def measure(peer: Peer, scale: Scale) -> Figures:
        # What a slow one has filled in that time is enough for it.
        count = _fill(peer, min(scale.most, 500_000 * scale.seconds), 5 * scale.seconds)
        yield rate_of(
            peer, f"credit {credit}", lambda: peer.consume(TOPIC, credit, scale.seconds, count)
        )

    return Work(f"credit-{credit}", measure, "credit")


def _latency(rate: int) -> Work:
    def measure(peer: Peer, scale: Scale) -> Figures:
        meter = Meter(peer.server)
        done = peer.latency(TOPIC, rate, scale.latency_seconds)
        generator, server = meter.shares()
        for name, share in PERCENTILES.items():
            value = percentile(done.latencies, share) * _MICROSECONDS
            yield Figure(f"latency {rate}/s {name}", value, done.generator, generator, server)

    return Work(f"latency-{rate}", measure, "latency")


def _backlog(peer: Peer, scale: Scale) -> Figures:
    """Measure what waits: its memory, its disk, and the restart with it."""
    before = peer.server.rss_bytes(), peer.server.own_bytes(), disk_bytes(peer.directory)
    count = _fill(peer, scale.waiting)
    after = peer.server.rss_bytes(), peer.server.own_bytes(), disk_bytes(peer.directory)
    for name, less, more in zip(("memory", "own memory", "disk"), before, after, strict=True):
        yield Figure(name, max(0, more - less) / count)
    yield Figure("restart", peer.seconds_to_first_delivery() * _MILLISECONDS)


WORKS = (
    Work("publish", _publish),
    Work("stream", _stream, "stream"),
    Work("lock-step", _lock_step),
    _credit(100),
    _credit(1000),
    _latency(100),
    _latency(1000),
    Work("backlog", _backlog),
)
