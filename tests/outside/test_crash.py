"""kill -9 at any instant: nothing confirmed is lost, nothing acknowledged comes back.

Every attempt to publish has a body of its own, so each message is known apart.
A publish without an answer may have been stored; it is made again under
another body. Which ACKs are sure to last is told in settler.py.
"""

import asyncio
import itertools
from collections import Counter
from collections.abc import Callable, Sequence

import pytest

from tests.outside.lives import Client, Fuse, connect, live_once
from tests.outside.seed import seeded_random
from tests.outside.server import StartBroker
from tests.outside.settler import BACK_AFTER, LONG, WRITTEN, Settler, drain
from tests.outside.wire import Connection

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("scheme", ["leveldb", "rocksdb"], indirect=True),
]

KILLS = 10
"""For each policy of fsync; two in five of them while order is watched."""

EVENTS = ("publish confirmed", "delivery received", "ACK sent")
LONGEST_LIFE = 200
"""Events, of the kind that ends it."""

CONSUMERS = 6
PUBLISHERS = 4
COMMANDS = ("ACK",) * 6 + ("NACK", "BACK", "DACK 0", "DACK 1")

TOPICS = 4
"""Topics whose order is watched, with one publisher and one consumer each."""

BACKLOG = 100
"""Messages of each that are there first, so that there is always one in flight."""


class Book:
    """What is known of a topic's messages, whose bodies are consecutive numbers."""

    def __init__(self, topic: str) -> None:
        self.topic = topic
        self.attempted = 0
        self.stored: set[bytes] = set()
        """Confirmed, or seen."""
        self.certain: Counter[bytes] = Counter()
        self.uncertain: set[bytes] = set()
        """Acknowledged when the broker was killed, not provably in time."""
        self._numbers = itertools.count()

    async def publish_next(self, connection: Connection) -> None:
        number = next(self._numbers)
        self.attempted = number + 1
        body = b"%d" % number
        path = f"/publish/{self.topic}"
        response = await connection.request("POST", path, body, wait_seconds=LONG)
        assert response.status == 201, response
        self.stored.add(body)

    async def publish(self, connection: Connection, fuse: Fuse) -> None:
        """Publish until the broker is killed."""
        while True:
            await self.publish_next(connection)
            fuse.note("publish confirmed")

    async def consume(
        self, connection: Connection, fuse: Fuse, check: Callable[[bytes], str]
    ) -> None:
        """Settle each delivery as `check` says, until the broker is killed."""
        settler = await Settler.open(connection, self.topic, self.certain, WRITTEN)
        try:
            while True:
                body = await settler.receive()
                fuse.note("delivery received")
                self.check_delivery(body)
                command = check(body)
                if fuse.is_blown:
                    return  # with the message in flight
                await settler.settle(body, command)
                if command == "ACK":
                    fuse.note("ACK sent")
        finally:
            self.uncertain.update(settler.uncertain)

    def check_delivery(self, body: bytes) -> None:
        assert int(body) < self.attempted, f"{body!r} was never published"
        assert body not in self.certain, f"{body!r} came back after its ACK was written"
        self.stored.add(body)
        self.uncertain.discard(body)

    def check_complete(self, rest: Sequence[bytes]) -> None:
        """Whatever was stored was acknowledged, or is in the rest."""
        for body in rest:
            self.check_delivery(body)
        assert len(set(rest)) == len(rest), "a message came twice"
        lost = self.stored - self.certain.keys() - self.uncertain - set(rest)
        assert not lost


class InOrder:
    """The deliveries of a topic with one consumer, between two kills."""

    def __init__(self, book: Book) -> None:
        self._book = book
        self._last: int | None = None

    def __call__(self, body: bytes) -> str:
        number = int(body)
        if self._last is None:
            done = self._book.certain.keys() | self._book.uncertain
            before = range(number)
        else:
            done = set()
            before = range(self._last + 1, number)
        assert self._last is None or number > self._last, f"{number} came after {self._last}"
        passed_over = {b"%d" % each for each in before} & self._book.stored - done
        assert not passed_over, f"{number} came before {passed_over}"
        self._last = number
        return "ACK"


@pytest.fixture(params=["always", "never"])
def fsync(request: pytest.FixtureRequest) -> str:
    policy: str = request.param
    return policy


async def test_kill_9_loses_nothing_confirmed_and_brings_back_nothing_acknowledged(
    start_broker: StartBroker, topic: str, fsync: str
) -> None:
    broker = start_broker("-fsync", fsync)
    with seeded_random() as choices:
        book = Book(topic)

        def at_random(_body: bytes) -> str:
            return choices.choice(COMMANDS)

        async def consume(connection: Connection, fuse: Fuse) -> None:
            await book.consume(connection, fuse, at_random)

        for _ in range(KILLS * 3 // 5):
            clients = [book.publish] * PUBLISHERS + [consume] * CONSUMERS
            await live_once(broker, Fuse(broker, choices, EVENTS, LONGEST_LIFE), clients)

        async with await connect(broker) as connection:
            rest = await drain(connection, topic, look_again_after=BACK_AFTER)
        book.check_complete(rest)


async def test_each_topic_goes_on_after_kill_9_with_what_was_in_flight_and_in_order(
    start_broker: StartBroker, topic: str, fsync: str
) -> None:
    broker = start_broker("-fsync", fsync)
    with seeded_random() as choices:
        books = [Book(f"{topic}-{number}") for number in range(TOPICS)]

        def consumer_of(book: Book) -> Client:
            in_order = InOrder(book)

            async def consume(connection: Connection, fuse: Fuse) -> None:
                await book.consume(connection, fuse, in_order)

            return consume

        async with await connect(broker) as connection:
            for book in books:
                for _ in range(BACKLOG):
                    await book.publish_next(connection)

        for _ in range(KILLS * 2 // 5):
            clients = [client for book in books for client in (book.publish, consumer_of(book))]
            await live_once(broker, Fuse(broker, choices, EVENTS, LONGEST_LIFE), clients)

        async with await connect(broker) as connection:
            drains = [drain(connection, book.topic) for book in books]
            for book, rest in zip(books, await asyncio.gather(*drains), strict=True):
                in_order = InOrder(book)
                for body in rest:
                    in_order(body)
                book.check_complete(rest)
