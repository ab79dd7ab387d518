"""redis-py on streams: XADD in pipelines of 1000, XREADGROUP with the XACK of what came before."""

from typing import Any

from redis.asyncio import Redis

from benchmarks.clients.load import TOPIC, Arrivals, Load, Stopwatch, main, promise

_GROUP, _FIELD = "all", b"b"
_PIPELINE = 1000


async def carry(load: Load, watch: Stopwatch) -> None:
    async with Redis(host="127.0.0.1", port=load.port) as redis:
        await watch.time("in", _publish(redis, load))
        await watch.time("out", _consume(redis, load))
        pending = (await redis.xpending(TOPIC, _GROUP))["pending"]
        promise(pending == 0, f"{pending} were not acknowledged")


async def _publish(redis: Any, load: Load) -> None:
    for start in range(0, len(load.bodies), _PIPELINE):
        pipeline = redis.pipeline(transaction=False)
        for body in load.bodies[start : start + _PIPELINE]:
            pipeline.xadd(TOPIC, {_FIELD: body})
        await pipeline.execute()  # raises what one of them was refused for


async def _consume(redis: Any, load: Load) -> None:
    arrivals = Arrivals(load)
    handled: list[bytes] = []
    while arrivals.left or handled:
        pipeline = redis.pipeline(transaction=False)
        if handled:
            pipeline.xack(TOPIC, _GROUP, *handled)
        if arrivals.left:
            pipeline.xreadgroup(_GROUP, "one", {TOPIC: ">"}, count=load.credit)
        answers = await pipeline.execute()
        if handled:
            promise(answers[0] == len(handled), f"{len(handled)} XACK, {answers[0]} taken")
        handled = []
        if arrivals.left:
            [[_, entries]] = answers[-1]
            for number, fields in entries:
                arrivals.take(fields[_FIELD])
                handled.append(number)


if __name__ == "__main__":
    main(carry)
