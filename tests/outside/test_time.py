"""Time that goes wrong around a broker: its process is stopped, and somebody sets the clock."""

import asyncio
import contextlib
import os
import shutil
import signal
import struct
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.outside.absence import absent
from tests.outside.consumer import publish
from tests.outside.credit import CreditConsumer
from tests.outside.pages import ask, expect_counts, set_policy, wait_counts
from tests.outside.server import RunningBroker, StartBroker
from tests.outside.wire import Connection

pytestmark = pytest.mark.anyio

HOUR = 3600


@contextlib.asynccontextmanager
async def stopped(broker: RunningBroker, seconds: float) -> AsyncIterator[None]:
    """Stop the process for so long, as `docker pause` does; the block runs meanwhile."""
    os.kill(broker.pid, signal.SIGSTOP)
    try:
        async with asyncio.TaskGroup() as both:
            both.create_task(asyncio.sleep(seconds))
            yield
    finally:
        os.kill(broker.pid, signal.SIGCONT)


async def test_who_renews_all_the_time_keeps_what_it_holds_though_the_broker_was_stopped(
    start_broker: StartBroker, topic: str
) -> None:
    broker = start_broker()
    async with await Connection.open(broker.port, broker.ca) as connection:
        await set_policy(connection, topic, maxDeliveries=1)
        await publish(connection, topic, *[b"%d" % number for number in range(20)])
        consumer = await CreditConsumer.with_credit(connection, topic, 20, lease="1s")
        await consumer.take_bodies(20)

        # Several times: when the tick comes is a matter of luck.
        for _ in range(3):
            async with stopped(broker, 1.2):
                for _ in range(4):
                    await consumer.send("TOUCH ..20")
                    await asyncio.sleep(0.25)
            for _ in range(4):
                await consumer.send("TOUCH ..20")
                await asyncio.sleep(0.25)

        await consumer.send("ACK ..20")
        await wait_counts(connection, topic, inFlight=0)
        await expect_counts(
            connection, topic, published=20, delivered=20, acknowledged=20, consumers=1
        )


async def test_lease_that_ended_while_the_broker_was_stopped_counts_no_attempt(
    start_broker: StartBroker, topic: str
) -> None:
    broker = start_broker()
    async with await Connection.open(broker.port, broker.ca) as connection:
        await set_policy(connection, topic, maxDeliveries=1)
        await publish(connection, topic, b"one")
        consumer = await CreditConsumer.with_credit(connection, topic, 1, lease="1100ms")
        await consumer.expect_next(b"one", attempt=1)

        async with stopped(broker, 3):
            pass

        await consumer.expect_expired(1)
        await consumer.expect_next(b"one", number=2, attempt=1)


class Calendar:
    """The clock of brokers that start while it is in their environment."""

    def __init__(self, directory: Path, environment: pytest.MonkeyPatch) -> None:
        compiler = shutil.which("cc")
        if compiler is None:
            absent("there is no C compiler")
        source = Path(__file__).with_name("wall_clock.c")
        library, self._offset = directory / "wall_clock.so", directory / "offset"
        command = [compiler, "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"]
        subprocess.run(command, check=True)
        self._offset.write_bytes(struct.pack("l", 0))
        environment.setenv("LD_PRELOAD", str(library))
        environment.setenv("WALL_CLOCK_OFFSET", str(self._offset))

    def set(self, seconds: int) -> None:
        """Be so far from what is right."""
        with self._offset.open("r+b") as file:
            file.write(struct.pack("l", seconds))


@pytest.mark.parametrize("step", [HOUR, -HOUR])
async def test_clock_that_is_set_for_two_seconds_ends_no_lease(
    start_broker: StartBroker,
    topic: str,
    step: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calendar = Calendar(tmp_path, monkeypatch)
    broker = start_broker("-dialect", "tasks=0")
    async with await Connection.open(broker.port, broker.ca) as connection:
        await set_policy(connection, topic, maxDeliveries=1)
        await publish(connection, topic, b"1", b"2", b"3")
        consumer = await CreditConsumer.with_credit(connection, topic, 2, lease="60s")
        await consumer.take_bodies(2)
        [received] = await ask(connection, "POST", f"/receive/{topic}?lease=60s")

        calendar.set(step)
        await asyncio.sleep(2)
        figures = await ask(connection, "GET", "/tasks/stats")
        calendar.set(0)
        await asyncio.sleep(1.2)

        assert 0 < figures["uptime_seconds"] < 60
        await consumer.send("ACK ..2")
        settled = await ask(connection, "POST", f"/settle/{topic}", {"ack": [received["receipt"]]})
        assert settled == {"expired": []}
        await wait_counts(connection, topic, acknowledged=3, deadLettered=0)
    assert sum('"clock.stepped"' in line for line in broker.log_lines()) == 2
