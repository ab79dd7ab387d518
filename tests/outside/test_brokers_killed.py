"""Three brokers on one PostgreSQL, killed at random: what was confirmed is handled, once kept.

Every message has a key, so a publish without an answer is made again until it is confirmed.
"""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from miniqueue_py import Client, Topic
from miniqueue_py.errors import MiniqueueError
from miniqueue_py.tls.paths import CertificatePaths
from tests.outside.seed import seeded_random
from tests.outside.server import RunningBroker
from tests.storage.servers.postgres import server

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(200)]

FLAGS = ("-broker-lease", "2s", "-period", "100ms")
KILLS = 4
SECONDS_BETWEEN = 2.0
TOPIC = "orders"
PUBLISHERS = 3
LEFT_WITHIN_SECONDS = 60.0


@pytest.fixture
def brokers(certificates: CertificatePaths, tmp_path: Path) -> Iterator[list[RunningBroker]]:
    url = server().new_database()
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                RunningBroker(tmp_path, certificates, ("-db", url, *FLAGS), start_timeout=60)
            )
            for _ in range(3)
        ]


class Load:
    """Publishers and consumers that go on whatever happens to their broker."""

    def __init__(self, brokers: list[RunningBroker]) -> None:
        self.brokers = brokers
        self.is_over = False
        self.confirmed: set[bytes] = set()
        self.seen: set[bytes] = set()

    async def publish(self, name: int) -> None:
        number = 0
        while not self.is_over:
            try:
                async with self._client(name) as client:
                    while not self.is_over:
                        body = b"%d-%d" % (name, number)
                        await client.publish(TOPIC, body, key=body.decode())
                        self.confirmed.add(body)
                        number += 1
            except (OSError, MiniqueueError, ExceptionGroup):
                await asyncio.sleep(0.1)

    async def consume(self, name: int) -> None:
        while True:
            try:
                async with self._client(name) as client, client.subscribe(TOPIC) as messages:
                    async for delivery in messages:
                        self.seen.add(delivery.body)
                        await delivery.ack()
            except (OSError, MiniqueueError, ExceptionGroup):
                await asyncio.sleep(0.1)

    async def look(self) -> Topic:
        async with self._client(0) as client:
            return await client.topic(TOPIC)

    def _client(self, name: int) -> Client:
        broker = self.brokers[name % len(self.brokers)]
        return Client(f"https://{broker.host}:{broker.port}", ca=broker.ca)


async def test_nothing_confirmed_is_lost_and_no_key_is_stored_twice(
    brokers: list[RunningBroker],
) -> None:
    with seeded_random() as chance:
        load = Load(brokers)
        publishers = [asyncio.create_task(load.publish(name)) for name in range(PUBLISHERS)]
        consumers = [asyncio.create_task(load.consume(name)) for name in range(len(brokers))]
        for _ in range(KILLS):
            await asyncio.sleep(SECONDS_BETWEEN * chance.uniform(0.5, 1.5))
            broker = chance.choice(brokers)
            broker._command += ["-port", str(broker.port)]  # where its clients look for it
            broker.kill()
            await asyncio.sleep(chance.uniform(0.0, 1.0))
            await asyncio.to_thread(broker.start)
        load.is_over = True
        await asyncio.gather(*publishers)

        async with asyncio.timeout(LEFT_WITHIN_SECONDS):
            while True:
                topic = await load.look()
                if not (topic.ready or topic.in_flight) and load.confirmed <= load.seen:
                    break
                await asyncio.sleep(0.2)
        for each in consumers:
            each.cancel()
        await asyncio.gather(*consumers, return_exceptions=True)

        assert load.confirmed
        assert topic.published == topic.acknowledged == len(load.seen)
