"""Bounded waits for what a test says must come true."""

from collections.abc import Callable

import anyio

from miniqueue_py.client import Client, Topic
from miniqueue_py.errors import TopicNotFound

PATIENCE = 10.0

_AGAIN = 0.005


async def wait_until(is_true: Callable[[], bool], what: str, seconds: float = PATIENCE) -> None:
    with anyio.move_on_after(seconds):
        while True:
            if is_true():
                return
            await anyio.sleep(_AGAIN)
    raise AssertionError(f"{what}: not within {seconds} s")


async def wait_counts(queue: Client, topic: str, seconds: float = PATIENCE, **counts: int) -> Topic:
    """Ask for a topic's page again and again, until it counts this."""
    seen: Topic | None = None
    with anyio.move_on_after(seconds):
        while True:
            try:
                seen = await queue.topic(topic)
            except TopicNotFound:
                seen = None
            if seen is not None and all(getattr(seen, name) == counts[name] for name in counts):
                return seen
            await anyio.sleep(_AGAIN)
    raise AssertionError(f"{counts} did not come true: {seen}")


async def publish_all(queue: Client, topic: str, *bodies: bytes) -> None:
    async with queue.publisher(topic) as publisher:
        for body in bodies:
            await publisher.send(body)


async def take(queue: Client, topic: str, count: int, credit: int = 100) -> list[bytes]:
    """Receive and acknowledge so many messages; say what was in them."""
    bodies: list[bytes] = []
    with anyio.fail_after(PATIENCE):
        async with queue.subscribe(topic, credit=credit) as deliveries:
            while len(bodies) < count:
                delivery = await deliveries.receive()
                bodies.append(delivery.body)
                await delivery.ack()
    return bodies
