"""nats-py on JetStream: publishes whose acks are not waited for one by one, a pull consumer."""

from asyncio import sleep
from typing import Any

import nats
from nats.js.api import AckPolicy, ConsumerConfig

from benchmarks.clients.load import TOPIC, Arrivals, Load, Stopwatch, main, promise

_FETCH_SECONDS = 30.0
_LOOK_SECONDS = 0.005


async def carry(load: Load, watch: Stopwatch) -> None:
    """Use the stream that is there; the consumer is one of its own, which acknowledges each."""
    connection = await nats.connect(f"nats://127.0.0.1:{load.port}")
    try:
        jetstream = connection.jetstream()
        await watch.time("in", _publish(jetstream, load))
        await watch.time("out", _consume(jetstream, load))
    finally:
        await connection.close()


async def _publish(jetstream: Any, load: Load) -> None:
    confirms = [await jetstream.publish_async(TOPIC, body) for body in load.bodies]
    await jetstream.publish_async_completed()
    for expected, confirm in enumerate(confirms, 1):
        promise((await confirm).seq == expected, f"message {expected} has another number")


async def _consume(jetstream: Any, load: Load) -> None:
    limits = ConsumerConfig(ack_policy=AckPolicy.EXPLICIT, max_ack_pending=load.credit)
    subscription = await jetstream.pull_subscribe(TOPIC, "client", config=limits)
    arrivals = Arrivals(load)
    # An ack has no answer: when they have all been heard is asked below.
    while arrivals.left:
        for message in await subscription.fetch(load.credit, timeout=_FETCH_SECONDS):
            arrivals.take(message.data)
            await message.ack()
    told = await subscription.consumer_info()
    while told.num_ack_pending:
        await sleep(_LOOK_SECONDS)
        told = await subscription.consumer_info()
    promise(told.ack_floor.consumer_seq == len(load.bodies), f"not all was acknowledged: {told}")


if __name__ == "__main__":
    main(carry)
