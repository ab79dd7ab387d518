"""A topic as a whole: read as it stands at one moment, or loaded in place of what it has.

Both go in slices, with everybody else's turn in between. What is loaded
gathers in a hidden topic, and takes the other's place in one write. So a load
that ends in the middle, however it ends, leaves the topic as it was, and
nobody sees or touches what was gathered. It is removed then, or at the start
of the next process.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice

from miniqueue_py.broker.clock import Clock
from miniqueue_py.broker.message import Message, Publication
from miniqueue_py.broker.storage import Storage, hide
from miniqueue_py.errors import StorageUnavailable

MOST_IN_A_SLICE = 500
"""Messages that are read in one turn of the loop, at most."""

ENOUGH_BYTES_IN_A_SLICE = 1 << 20
"""No further message is read behind so many bytes of bodies."""


class Snapshots:
    """Reads topics and loads them; there is one of it, which keeps loads apart."""

    def __init__(self, storage: Storage, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock
        self._turn = asyncio.Lock()

    async def read(self, topic: str) -> AsyncGenerator[Sequence[bytes], None]:
        """Yield the bodies of what is ready, as it stands when the first slice is asked for.

        There are none of an unknown topic. Whoever stops before the end has to
        close it (`contextlib.aclosing`). Raises StorageUnavailable.
        """
        with self._storage.snapshot(topic, self._clock.now()) as messages:
            while bodies := _next_slice(messages):
                yield bodies
                await asyncio.sleep(0)

    async def load(self, topic: str, slices: AsyncIterable[Sequence[bytes]]) -> int:
        """Let the topic have these messages and no others; return how many, durable.

        They are published now, under the topic's policy, past its caps: who
        loads minds those. What `slices` raises is raised; the topic is
        untouched then. One load at a time: others wait. Raises
        StorageUnavailable; the topic is untouched until a restart then.
        """
        staging = hide(f"loading {topic}")
        async with self._turn:
            try:
                loaded = await self._gather(topic, staging, slices)
                await self._storage.replace(topic, staging)
            except BaseException:
                with suppress(StorageUnavailable):
                    await self._storage.purge(staging)
                raise
            return loaded

    async def _gather(
        self, topic: str, staging: str, slices: AsyncIterable[Sequence[bytes]]
    ) -> int:
        """Store the messages in the staging topic; return how many there are."""
        loaded = 0
        async for bodies in slices:
            publication = Publication(bodies, ttl_seconds=self._storage.policy(topic).ttl)
            await self._storage.append(staging, [publication], self._clock.now(), 0.0)
            loaded += len(bodies)
        return loaded


def _next_slice(messages: Iterator[Message]) -> Sequence[bytes]:
    bodies: list[bytes] = []
    room = ENOUGH_BYTES_IN_A_SLICE
    for message in islice(messages, MOST_IN_A_SLICE):
        bodies.append(message.body)
        room -= len(message.body)
        if room <= 0:
            break
    return bodies
