"""What each signal does to a broker: it drains, or nothing."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.terminal import Terminal
from tests.outside.consumer import Consumer, publish
from tests.outside.server import PROJECT, RunningBroker, StartBroker, listening_url
from tests.outside.wire import Connection

pytestmark = pytest.mark.anyio

PATIENCE = 10


def send(broker: RunningBroker, number: int) -> None:
    os.kill(broker.pid, number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_it_drains_and_ends_with_0(
    start_broker: StartBroker, topic: str, number: signal.Signals
) -> None:
    broker = start_broker("-drain", "30s")
    async with await Connection.open(broker.port, broker.ca) as connection:
        await publish(connection, topic, b"1")
        consumer = await Consumer.holding(connection, topic, b"1")

        send(broker, number)
        assert await consumer.expect_closing() == {"closing": "draining"}
        await consumer.send("ACK")

    assert await asyncio.to_thread(broker.wait) == 0


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGUSR2, signal.SIGPIPE])
async def test_it_does_nothing(
    start_broker: StartBroker, topic: str, number: signal.Signals
) -> None:
    broker = start_broker()
    async with await Connection.open(broker.port, broker.ca) as connection:
        for _ in range(3):
            send(broker, number)
            await publish(connection, topic, b"1")

    broker.terminate()
    assert await asyncio.to_thread(broker.wait) == 0


async def test_a_service_reloads_at_sighup_and_its_streams_go_on(
    start_broker: StartBroker, topic: str
) -> None:
    broker = start_broker()
    async with await Connection.open(broker.port, broker.ca) as connection:
        await publish(connection, topic, b"1", b"2")
        consumer = await Consumer.holding(connection, topic, b"1")

        for _ in range(2):
            send(broker, signal.SIGHUP)
            await asyncio.to_thread(broker.wait_for_fact, "certificate.reloaded")
        await consumer.send("ACK")

        await consumer.expect(b"2")
        assert not any("broker.draining" in line for line in broker.log_lines())


def test_a_terminal_that_closes_and_says_so_twice_lets_it_drain(tmp_path: Path) -> None:
    words = ["serve", "-host", "127.0.0.1", "-port", "0", "-db", str(tmp_path / "db")]
    with Terminal([*words, "-drain", "30s", "-level", "info"]) as terminal:
        terminal.wait_for("broker.listening")
        os.kill(terminal.pid, signal.SIGHUP)
        os.kill(terminal.pid, signal.SIGHUP)

        terminal.wait_for("broker.draining")
        assert terminal.wait() == 0
        assert "certificate.reloaded" not in terminal.text


def test_under_nohup_it_does_not_hear_the_terminal_close(tmp_path: Path) -> None:
    words = ["-m", "miniqueue_py", "-host", "127.0.0.1", "-port", "0", "-db", "memory:"]
    with subprocess.Popen(
        ["nohup", sys.executable, *words],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as broker:
        try:
            assert broker.stderr is not None
            while listening_url([broker.stderr.readline()]) is None:
                assert broker.poll() is None
            broker.send_signal(signal.SIGHUP)
            broker.send_signal(signal.SIGUSR1)
            broker.terminate()
            log = broker.stderr.read()
            assert broker.wait(PATIENCE) == 0
        finally:
            broker.kill()
    assert log.count("broker.draining") == 1
