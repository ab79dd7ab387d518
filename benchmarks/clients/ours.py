"""Our client: a publisher that sends one by one, and a subscription with credit."""

from benchmarks.clients.load import TOPIC, Arrivals, Load, Stopwatch, main, promise
from miniqueue_py.client import Client


async def carry(load: Load, watch: Stopwatch) -> None:
    async with Client(f"https://localhost:{load.port}", ca=load.ca) as queue:
        await watch.time("in", _send(queue, load))
        await watch.time("out", _consume(queue, load))


async def _send(queue: Client, load: Load) -> None:
    async with queue.publisher(TOPIC) as publisher:
        for body in load.bodies:
            await publisher.send(body)
    promise(publisher.confirmed == len(load.bodies), f"{publisher} left messages unconfirmed")


async def _consume(queue: Client, load: Load) -> None:
    arrivals = Arrivals(load)
    async with queue.subscribe(TOPIC, credit=load.credit) as deliveries:
        async for delivery in deliveries:
            arrivals.take(delivery.body)
            await delivery.ack()
            if not arrivals.left:
                break
    told = await queue.topic(TOPIC)
    promise(told.acknowledged == len(load.bodies), f"not all was acknowledged: {told}")


if __name__ == "__main__":
    main(carry)
