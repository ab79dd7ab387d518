"""Bounded waits for what a test says must come true, in tests that do not await."""

import time
from collections.abc import Callable

from miniqueue_py import SyncClient, Topic

PATIENCE = 10.0

_AGAIN = 0.005


def wait_until(is_true: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + PATIENCE
    while not is_true():
        assert time.monotonic() < until, f"{what}: not within {PATIENCE} s"
        time.sleep(_AGAIN)


def wait_counts(queue: SyncClient, topic: str, **counts: int) -> None:
    """Ask for a topic's page again and again, until it counts this."""

    def is_counted() -> bool:
        page: Topic = queue.topic(topic)
        return all(getattr(page, name) == count for name, count in counts.items())

    wait_until(is_counted, f"{topic} has {counts}")


def take(queue: SyncClient, topic: str, count: int) -> list[bytes]:
    """Receive and acknowledge so many messages; say what was in them."""
    bodies: list[bytes] = []
    with queue.subscribe(topic) as deliveries:
        while len(bodies) < count:
            delivery = deliveries.receive(timeout=PATIENCE)
            assert delivery is not None, f"{len(bodies)} of {count} came"
            bodies.append(delivery.body)
            delivery.ack()
    return bodies
