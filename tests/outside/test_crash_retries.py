"""kill -9 while messages wait, fail, die, are brought back and published twice.

The promises of the lifecycle hold: nothing confirmed is lost, nothing delayed
is early, a dead letter is in one topic, attempts are counted, keys are known.
"""

import itertools
import random
from collections import deque

import pytest

from tests.outside.consumer import is_unrecognised
from tests.outside.credit import CreditConsumer, Taken, rest_of
from tests.outside.fates import Fates, Word
from tests.outside.lives import Fuse, connect, live_once
from tests.outside.pages import ask, set_policy, wait_counts
from tests.outside.seed import seeded_random
from tests.outside.server import RunningBroker, StartBroker
from tests.outside.settler import LONG
from tests.outside.wire import Connection

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("scheme", ["leveldb", "rocksdb"], indirect=True),
]

KILLS = 6

EVENTS = ("confirmed", "delivered", "settled", "redriven")
LONGEST_LIFE = 150
"""Events, of the kind that ends it."""

PUBLISHERS = 3
CONSUMERS = 3
CREDIT = 5

MOST_ATTEMPTS = 3
BACKOFF = {"initial": 0.05, "factor": 2, "max": 0.1, "jitter": 0.5}

TERMS = ("", "", "?delay=300ms", "?delay=1s", "?priority=9", "?ttl=1h&delay=100ms")
DELAYS = {"?delay=300ms": 0.3, "?delay=1s": 1.0, "?ttl=1h&delay=100ms": 0.1}
WAITS = {"NACK": 0.025, "DACK 1": 1.0}
"""After which words a message does not come at once, if that was not its last attempt."""

COMMANDS = ("ACK",) * 3 + ("NACK",) * 4 + ("DEAD", "RELEASE", "BACK", "DACK 0", "DACK 1")

WRITTEN = 2
"""Answers that prove a command to outlive the broker; see settler.py."""


class Run:
    """One topic through all lives of its broker."""

    def __init__(self, topic: str, choices: random.Random) -> None:
        self._topic = topic
        self._choices = choices
        self._numbers = itertools.count()
        self.fates = Fates(MOST_ATTEMPTS)

    async def publish(self, connection: Connection, fuse: Fuse) -> None:
        """Publish what is new, and under keys what is not, until the broker is killed."""
        while True:
            known = self.fates.under_key()
            if known and self._choices.random() < 0.3:
                body, fate = self._choices.choice(known)
                await self._publish(connection, body, fate.terms, fate.key)
            else:
                body = b"%d" % next(self._numbers)
                terms = self._choices.choice(TERMS)
                key = f"key of {body.decode()}" if self._choices.random() < 0.3 else None
                self.fates.begin(body, terms, DELAYS.get(terms, 0.0), key)
                await self._publish(connection, body, terms, key)
            fuse.note("confirmed")

    async def _publish(
        self, connection: Connection, body: bytes, terms: str, key: str | None
    ) -> None:
        headers = [] if key is None else [("idempotency-key", key)]
        path = f"/publish/{self._topic}{terms}"
        response = await connection.request("POST", path, body, headers, wait_seconds=LONG)
        message_id = response.headers["miniqueue-message-id"]
        fate = self.fates[body]
        if fate.message_id is not None:
            assert (response.status, message_id) == (200, fate.message_id), "a key was forgotten"
        else:
            assert response.status == 201 or key is not None, response
        fate.message_id = message_id

    async def consume(self, connection: Connection, fuse: Fuse) -> None:
        """Settle at random what comes, until the broker is killed."""
        consumer = await CreditConsumer.with_credit(connection, self._topic, CREDIT)
        unproven: deque[list[Word]] = deque([[]] * WRITTEN)
        while True:
            held = await self._look(consumer, fuse)
            for word in unproven.popleft():
                word.is_written = True
            if fuse.is_blown:
                return  # with these in flight
            self._choices.shuffle(held)
            unproven.append([await self._settle(consumer, taken) for taken in held])
            fuse.note("settled")

    async def _look(self, consumer: CreditConsumer, fuse: Fuse) -> list[Taken]:
        """Whatever was delivered up to now."""
        held = []
        await consumer.send("PING")
        while not is_unrecognised(line := await consumer.stream.read_line(LONG)):
            taken = Taken.of(line)
            self.fates.check_delivery(taken)
            held.append(taken)
            fuse.note("delivered")
        return held

    async def _settle(self, consumer: CreditConsumer, taken: Taken) -> Word:
        command = self._choices.choice(COMMANDS)
        is_last = taken.attempt == MOST_ATTEMPTS
        word = self.fates.say(taken.body, command, 0.0 if is_last else WAITS.get(command, 0.0))
        await consumer.send(f"{command} {taken.id}")
        return word

    async def redrive(self, connection: Connection, fuse: Fuse) -> None:
        """Bring dead letters back, some at a time, until the broker is killed."""
        path = f"/topics/{self._topic}.dead"
        await set_policy(connection, f"{self._topic}.dead")
        while True:
            await wait_counts(connection, self._topic)
            await ask(connection, "POST", f"{path}/redrive?max={self._choices.randint(1, 20)}")
            fuse.note("redriven")

    async def drain(self, broker: RunningBroker) -> tuple[list[bytes], list[bytes]]:
        """What is left in the topic, and in that of its dead letters."""
        async with await connect(broker) as connection:
            await set_policy(connection, self._topic)
            await wait_counts(connection, self._topic, delayed=0, inFlight=0)
            left = await rest_of(connection, self._topic)
            return left, await rest_of(connection, f"{self._topic}.dead")


async def test_kill_9_among_delays_retries_dead_letters_and_duplicates(
    start_broker: StartBroker, topic: str
) -> None:
    broker = start_broker("-fsync", "always", "-period", "10ms")
    with seeded_random() as choices:
        run = Run(topic, choices)
        async with await connect(broker) as connection:
            policy = {"maxDeliveries": MOST_ATTEMPTS, "backoff": BACKOFF}
            await set_policy(connection, topic, **policy)

        for _ in range(KILLS):
            clients = [run.publish] * PUBLISHERS + [run.consume] * CONSUMERS + [run.redrive]
            await live_once(broker, Fuse(broker, choices, EVENTS, LONGEST_LIFE), clients)
            run.fates.forget_unwritten()

        left, dead = await run.drain(broker)
        run.fates.check_balance(left, dead)
