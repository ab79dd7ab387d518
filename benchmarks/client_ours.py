"""Our client: a publisher that sends one by one or many at once, a subscription with credit."""

import anyio

from benchmarks.crossing import Arrivals, Load, Stopwatch, Tell, promise
from benchmarks.figures import Peer
from miniqueue_py.client import Client

_MANY = 1000


async def cross_ours(name: str, peer: Peer, load: Load, tell: Tell) -> None:
    topics = f"one-{name.rpartition(' ')[2]}", f"many-{name.rpartition(' ')[2]}"
    async with Client(f"https://localhost:{peer.port}", ca=peer.ca) as queue:
        watch = Stopwatch(name, peer.pid)
        with anyio.fail_after(load.limit_seconds):
            await send_one_by_one(queue, topics[0], load)
        tell(watch.read("in, send", len(load.bodies)))

        watch = Stopwatch(name, peer.pid)
        with anyio.fail_after(load.limit_seconds):
            await send_many(queue, topics[1], load)
        tell(watch.read(f"in, send_many of {_MANY:,}", len(load.bodies)))

        for topic in topics:
            watch = Stopwatch(name, peer.pid)
            with anyio.fail_after(load.limit_seconds):
                await consume(queue, topic, load)
            tell(watch.read(f"out, credit {load.credit:,}", len(load.bodies)))


async def send_one_by_one(queue: Client, topic: str, load: Load) -> None:
    async with queue.publisher(topic) as publisher:
        for body in load.bodies:
            await publisher.send(body)
    promise(publisher.confirmed == len(load.bodies), f"{publisher} left messages unconfirmed")


async def send_many(queue: Client, topic: str, load: Load) -> None:
    async with queue.publisher(topic) as publisher:
        for start in range(0, len(load.bodies), _MANY):
            await publisher.send_many(load.bodies[start : start + _MANY])
    promise(publisher.confirmed == len(load.bodies), f"{publisher} left messages unconfirmed")


async def consume(queue: Client, topic: str, load: Load) -> None:
    arrivals = Arrivals(load)
    async with queue.subscribe(topic, credit=load.credit) as deliveries:
        async for delivery in deliveries:
            arrivals.take(delivery.body)
            await delivery.ack()
            if not arrivals.left:
                break
    told = await queue.topic(topic)
    promise(told.acknowledged == len(load.bodies), f"not all was acknowledged: {told}")
