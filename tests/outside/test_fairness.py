"""A consumer with a large credit and one that goes step by step share a topic."""

import asyncio

import pytest

from tests.outside.batch import publish_lines
from tests.outside.consumer import Consumer, publish
from tests.outside.credit import CreditConsumer, rest_of
from tests.outside.server import RunningBroker
from tests.outside.settler import LONG
from tests.outside.wire import Connection

pytestmark = pytest.mark.anyio

CREDIT = 1000
MANY = 20_000
FEW = 20
"""Deliveries that one without credit gets for sure while the other one eats the rest."""


class Feast:
    """Two that eat from one topic until nothing is left."""

    def __init__(self, stepper: Consumer, eater: CreditConsumer, portions: int) -> None:
        self.by_step: list[bytes] = []
        self.by_heap: list[bytes] = []
        self._stepper = stepper
        self._eater = eater
        self._left = portions
        self._is_over = asyncio.Event()

    async def hold(self) -> None:
        tasks = [asyncio.create_task(self._step()), asyncio.create_task(self._eat())]
        over = asyncio.create_task(self._is_over.wait())
        done, _ = await asyncio.wait([*tasks, over], timeout=LONG, return_when="FIRST_COMPLETED")
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert over in done, f"{self._left} are left; {tasks}"

    async def _step(self) -> None:
        while True:
            body, _ = await self._stepper.receive(LONG)
            await self._stepper.send("ACK")
            self._note(self.by_step, body)

    async def _eat(self) -> None:
        """Acknowledge in heaps, as a client with credit does."""
        while True:
            taken = await self._eater.take(LONG)
            if taken.id % 100 == 0:
                await self._eater.send(f"ACK ..{taken.id}")
            self._note(self.by_heap, taken.body)
            await asyncio.sleep(0)  # the other client has its turn too

    def _note(self, received: list[bytes], body: bytes) -> None:
        received.append(body)
        self._left -= 1
        if not self._left:
            self._is_over.set()


async def test_both_are_served_and_each_message_has_one_holder(
    broker: RunningBroker, connection: Connection, topic: str
) -> None:
    bodies = [b"%d" % number for number in range(MANY)]
    await publish_lines(connection, topic, bodies)
    async with await Connection.open(broker.port, broker.ca) as other:
        eater = await CreditConsumer.with_credit(connection, topic, CREDIT)
        stepper = await Consumer.open(other, topic, "INIT")
        feast = Feast(stepper, eater, MANY)

        await feast.hold()

    assert len(feast.by_step) > FEW
    assert len(feast.by_heap) > FEW
    # Each is served in the order of the topic, and nobody gets what the other one has.
    for received in (feast.by_step, feast.by_heap):
        assert received == sorted(received, key=int)
    assert sorted(feast.by_step + feast.by_heap, key=int) == bodies


async def test_what_exceeds_the_credit_of_one_is_for_the_other(
    connection: Connection, topic: str
) -> None:
    bodies = [b"%d" % number for number in range(CREDIT + 200)]
    await publish_lines(connection, topic, bodies)
    eater = await CreditConsumer.with_credit(connection, topic, CREDIT)
    assert await eater.take_bodies(CREDIT) == bodies[:CREDIT]

    stepper = await Consumer.open(connection, topic, "INIT")
    for body in bodies[CREDIT:]:
        await stepper.expect(body)
        await stepper.send("ACK")
    await stepper.expect_nothing()

    eater.stream.reset()
    for body in bodies[:CREDIT]:
        await stepper.expect(body)
        await stepper.send("ACK")
    assert await rest_of(connection, topic) == []


async def test_what_comes_one_by_one_goes_round(connection: Connection, topic: str) -> None:
    stepper = await Consumer.waiting(connection, topic)
    eater = await CreditConsumer.with_credit(connection, topic, CREDIT)
    await eater.expect_nothing()

    for number in range(10):
        await publish(connection, topic, b"%d" % number)
        if number % 2:
            await eater.expect_next(b"%d" % number)
        else:
            await stepper.expect(b"%d" % number)
            await stepper.send("ACK")
            await stepper.expect_nothing()
