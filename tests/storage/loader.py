"""A process that loads a topic again and again, and says how far it is: to be killed.

python loader.py DIRECTORY MESSAGES
"""

import asyncio
import sys
from collections.abc import AsyncIterator, Sequence
from itertools import count

from miniqueue_py.broker.clock import SystemClock
from miniqueue_py.broker.snapshots import Snapshots
from miniqueue_py.storage import open_storage

SLICE = 500


def say(word: str) -> None:
    sys.stdout.write(f"{word}\n")
    sys.stdout.flush()


async def slices(messages: int, load: int) -> AsyncIterator[Sequence[bytes]]:
    for start in range(0, messages, SLICE):
        yield [b"%d of load %d" % (number, load) for number in range(start, start + SLICE)]
        say("stored a slice")


async def load_for_ever(directory: str, messages: int) -> None:
    storage = open_storage(directory)
    storage.watch(lambda _topic: None)
    snapshots = Snapshots(storage, SystemClock())
    for load in count():
        await snapshots.load("topic", slices(messages, load))
        say("loaded")


if __name__ == "__main__":
    asyncio.run(load_for_ever(sys.argv[1], int(sys.argv[2])))
