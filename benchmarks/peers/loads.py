"""The loads, over any broker's wire: publishers, a consumer, and a message on its way.

Each is bounded in count and in time, whichever is reached first.
"""

import asyncio
import gc
import itertools
import random
import string
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from benchmarks.peers.line import Line, Place
from benchmarks.peers.sample import Done
from benchmarks.peers.wires.wire import Wire

GROUP = 100
"""Messages that a streamed publish sends at once."""

_PATIENCE_SECONDS = 60
_WARM_UP_SECONDS = 0.5
_KINDS = 1000

Opens = Callable[[], Wire]


async def publish(  # noqa: PLR0913, PLR0917  a load is made of its numbers
    place: Place,
    opens: Opens,
    connections: int,
    lanes: int,
    seconds: float,
    limit: int,
    size: int = 10,
) -> Done:
    """Have so many publishes unconfirmed on each connection, each by itself."""
    kinds = itertools.cycle(make_bodies(size))

    def refill(line: Line, count: int) -> None:
        line.wire.publish(list(itertools.islice(kinds, count)))

    return await _publish(place, opens, connections, lanes, 1, seconds, limit, refill)


async def stream(  # noqa: PLR0913, PLR0917  likewise
    place: Place, opens: Opens, groups: int, size: int, seconds: float, limit: int
) -> Done:
    """Publish in groups on one connection, so many of them unconfirmed."""
    bodies = make_bodies(size)[:GROUP]

    def refill(line: Line, count: int) -> None:
        for _ in range(count // GROUP):
            line.wire.publish_group(bodies)

    return await _publish(place, opens, 1, groups * GROUP, GROUP, seconds, limit, refill)


async def _publish(  # noqa: PLR0913, PLR0917  likewise
    place: Place,
    opens: Opens,
    connections: int,
    lanes: int,
    step: int,
    seconds: float,
    limit: int,
    refill: Callable[[Line, int], None],
) -> Done:
    lines = [await place.connect(opens()) for _ in range(connections)]
    share = max(step, limit // connections // step * step)
    start = time.perf_counter()
    until = start + seconds

    def begin(line: Line) -> None:
        sent = 0

        def go_on() -> None:
            nonlocal sent
            free = min(lanes - (sent - line.wire.confirmed), share - sent)
            if free >= step and time.perf_counter() < until:
                refill(line, free := free // step * step)
                sent += free
            elif sent == line.wire.confirmed:
                line.finish()

        line.step = go_on
        go_on()
        line.flush()

    await _run(lines, begin, seconds)
    return Done(sum(line.wire.confirmed for line in lines), time.perf_counter() - start)


async def consume(place: Place, opens: Opens, credit: int, seconds: float, limit: int) -> Done:
    """Take and acknowledge messages that are there.

    What came last is not counted: nobody knows yet if its acknowledgement was heard.
    """
    line = await place.connect(opens())
    start = time.perf_counter()
    until, counted = start + seconds, 0

    def begin(line: Line) -> None:
        seen = 0

        def go_on() -> None:
            nonlocal seen, counted
            if line.wire.delivered == seen:
                return
            counted, seen = seen, line.wire.delivered
            if seen >= limit or time.perf_counter() >= until:
                line.finish()
            else:
                line.wire.acknowledge()

        line.step = go_on
        line.wire.subscribe(credit)
        line.flush()

    await _run([line], begin, seconds)
    return Done(counted, time.perf_counter() - start)


async def first_delivery(place: Place, opens: Opens) -> None:
    """Return when one message has come."""
    line = await place.connect(opens())

    def begin(line: Line) -> None:
        line.step = lambda: line.finish() if line.wire.delivered else None
        line.wire.subscribe(1)
        line.flush()

    await _run([line], begin, 0)


async def latency(place: Place, opens: Opens, rate: int, seconds: float) -> Done:
    """Publish numbers at a steady pace on one connection, and take them in lock-step on another."""
    warm_up = max(1, int(rate * _WARM_UP_SECONDS))
    count = warm_up + int(rate * seconds)
    ticker, listener = await place.connect(opens()), await place.connect(opens())
    loop = asyncio.get_running_loop()
    bodies: list[bytes] = []
    listener.wire.bodies = bodies
    sent_at: list[float] = []
    came_at: dict[int, float] = {}

    def send() -> None:
        sent_at.append(time.perf_counter())
        ticker.wire.publish([b"%010d" % (len(sent_at) - 1)])
        ticker.flush()

    def tick() -> None:
        send()
        if len(sent_at) < count:
            loop.call_at(start + len(sent_at) / rate, tick)

    def listen() -> None:
        now = time.perf_counter()
        came_at.update((int(body), now) for body in bodies)
        bodies.clear()
        if listener.wire.delivered > acknowledged[0]:
            acknowledged[0] = listener.wire.delivered
            listener.wire.acknowledge()
        if len(came_at) == count:
            listener.finish()
            ticker.finish()

    def begin(line: Line) -> None:
        if line is ticker:
            tick()
            return
        listener.step = listen
        listener.wire.subscribe(1)
        listener.flush()

    acknowledged = [0]
    # MiniQueue in Go gives an error to who subscribes before the first publish.
    send()
    while not ticker.wire.confirmed:
        await ticker.news()
    start = loop.time()
    with _without_collector():
        await _run([ticker, listener], begin, count / rate)
    ways = [came_at[number] - sent_at[number] for number in range(warm_up, count)]
    return Done(count, loop.time() - start, latencies=ways)


def make_bodies(size: int) -> Sequence[bytes]:
    """Make different bodies of letters and digits, the same at every call.

    No two are alike, so that no compression makes them cheaper than they are.
    """
    letters, dice = string.ascii_letters + string.digits, random.Random(size)
    return ["".join(dice.choices(letters, k=size)).encode() for _ in range(_KINDS)]


async def _run(lines: Sequence[Line], begin: Callable[[Line], None], seconds: float) -> None:
    try:
        for line in lines:
            begin(line)
        async with asyncio.timeout(seconds + _PATIENCE_SECONDS):
            await asyncio.gather(*(line.done for line in lines))
    finally:
        for line in lines:
            line.close()


@contextmanager
def _without_collector() -> Iterator[None]:
    """Keep this process's pauses out of the figures."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
