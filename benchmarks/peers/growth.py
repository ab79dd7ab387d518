"""How ours goes with more topics, and with more messages that wait."""

from functools import partial

from benchmarks.peers.brokers.ours import Ours
from benchmarks.peers.peer import Peer
from benchmarks.peers.works import Figures, Scale, Work, rate_of

WAITING_WORKS = ("lock-step", "credit 1000", "publish 12x10")


def topics_measure(count: int) -> str:
    return f"publish 12x10, topics: {count:,}"


def waiting_measure(work: str, count: int) -> str:
    return f"{work}, waiting: {count:,}"


def _topics(peer: Peer, scale: Scale) -> Figures:
    """Publish to so many topics in turn."""
    assert isinstance(peer, Ours)
    for count in scale.topics:
        topics = [f"topic-{count}-{number}" for number in range(count)]
        load = partial(peer.publish_to, topics, 12, 10, scale.seconds)
        yield rate_of(peer, topics_measure(count), load)


def _waiting(peer: Peer, scale: Scale) -> Figures:
    """Consume in both ways, and publish, with so many waiting beside those that are consumed."""
    share = min(scale.most, 500_000 * scale.seconds)
    for count in scale.backlogs:
        topic = f"waiting-{count}"
        peer.fill(topic, count + share)
        loads = (
            partial(peer.consume, topic, 1, scale.seconds, share // 2),
            partial(peer.consume, topic, 1000, scale.seconds, share // 2),
            partial(peer.publish, topic, 12, 10, scale.seconds),
        )
        for work, load in zip(WAITING_WORKS, loads, strict=True):
            yield rate_of(peer, waiting_measure(work, count), load)


GROWTH = (Work("topics", _topics), Work("waiting", _waiting))
