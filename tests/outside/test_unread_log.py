"""A log that nobody reads: the broker serves, hears its signals, and says what it dropped."""

import asyncio
import fcntl
import json
import os
import signal
import ssl
import subprocess
import sys
from collections.abc import Iterator
from http.client import HTTPSConnection
from typing import Any

import pytest

from miniqueue_py.tls.paths import CertificatePaths
from tests.outside.consumer import Consumer, publish
from tests.outside.server import PROJECT, listening_url
from tests.outside.wire import Connection

PATIENCE = 10.0
SMALL = 4096


class Unread:
    """A broker whose log is a full 4 KiB pipe: it is read up to `broker.listening`."""

    def __init__(self, certificates: CertificatePaths, *flags: str) -> None:
        self._reading, writing = os.pipe()
        fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, SMALL)
        words = ["-host", "127.0.0.1", "-port", "0", "-db", "memory:", "-drain", "30s", *flags]
        words += ["-cert", str(certificates.certificate), "-key", str(certificates.key)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "miniqueue_py", *words],
            cwd=PROJECT,
            stdin=subprocess.DEVNULL,
            stderr=writing,
        )
        os.close(writing)
        self._log = os.fdopen(self._reading, "rb")
        host, self.port = listening_url([self._log.readline().decode()]) or ("", 0)
        self.ca = certificates.authority
        context = ssl.create_default_context(cafile=str(certificates.authority))
        self._connection = HTTPSConnection(host, self.port, timeout=PATIENCE, context=context)

    def ask(self, method: str, path: str, body: bytes | None = None) -> int:
        self._connection.request(method, path, body)
        answer = self._connection.getresponse()
        answer.read()
        return answer.status

    def fill_the_log(self) -> None:
        for number in range(100):
            assert self.ask("PUT", f"/topics/orders-{number}", b'{"lease":"5m"}') == 200

    def rest_of_the_log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._log]

    def close(self) -> None:
        self._connection.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(PATIENCE)
        self._log.close()


@pytest.fixture
def broker(certificates: CertificatePaths) -> Iterator[Unread]:
    broker = Unread(certificates)
    yield broker
    broker.close()


def test_a_broker_whose_log_nobody_reads_serves_and_drains(broker: Unread) -> None:
    broker.fill_the_log()

    assert broker.ask("GET", "/healthz") == 200
    broker.process.send_signal(signal.SIGTERM)

    assert broker.process.wait(PATIENCE) == 0
    log = broker.rest_of_the_log()
    assert [line["topic"] for line in log] == [f"orders-{n}" for n in range(len(log))]


@pytest.mark.anyio
async def test_a_second_signal_ends_at_once_a_broker_whose_log_nobody_reads(
    broker: Unread,
) -> None:
    async with await Connection.open(broker.port, broker.ca) as connection:
        await publish(connection, "held", b"one")
        consumer = await Consumer.holding(connection, "held", b"one")
        await asyncio.to_thread(broker.fill_the_log)

        broker.process.send_signal(signal.SIGTERM)
        assert await consumer.expect_closing() == {"closing": "draining"}
        broker.process.send_signal(signal.SIGTERM)

        assert await asyncio.to_thread(broker.process.wait, PATIENCE) == 130


def test_deleting_what_never_was_is_not_worth_a_line(broker: Unread) -> None:
    for number in range(100):
        assert broker.ask("DELETE", f"/never-was-there-{number}") == 200
    assert broker.ask("PUT", "/topics/orders", b"{}") == 200

    broker.process.send_signal(signal.SIGTERM)

    assert broker.process.wait(PATIENCE) == 0
    assert [line["event"] for line in broker.rest_of_the_log()] == [
        "topic.policy_set",
        "broker.draining",
        "broker.stopped",
    ]
