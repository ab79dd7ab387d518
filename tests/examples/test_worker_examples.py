"""The examples of workers do what they say, as programs of their own."""

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from miniqueue_py.client import Client
from miniqueue_py.tls.certificates import make_certificates
from miniqueue_py.tls.paths import CertificatePaths
from tests.client.waiting import PATIENCE, publish_all, wait_counts
from tests.outside.server import PROJECT, RunningBroker

pytestmark = pytest.mark.anyio

FLAGS = ("-fsync", "never", "-period", "20ms", "-drain", "2s")


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> CertificatePaths:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def broker(
    certificates: CertificatePaths, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningBroker]:
    with RunningBroker(tmp_path_factory.mktemp("db"), certificates, flags=FLAGS) as broker:
        yield broker


@pytest.fixture
def where(broker: RunningBroker) -> tuple[str, ...]:
    return ("--url", f"https://localhost:{broker.port}", "--ca", str(broker.ca))


@pytest.fixture
async def queue(broker: RunningBroker) -> AsyncIterator[Client]:
    async with Client(f"https://localhost:{broker.port}", ca=broker.ca) as queue:
        yield queue


def start(name: str, *arguments: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, f"examples/{name}.py", *arguments],
        cwd=PROJECT,
        env={"PYTHONPATH": str(PROJECT), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


async def test_workers_send_retry_reject_and_drain(queue: Client, where: tuple[str, ...]) -> None:
    emails = (b'{"to":"a@b.example"}', b'{"to":"c@busy.example"}', b'{"to":"nobody"}', b"secret")
    await publish_all(queue, "emails", *emails)
    await queue.publish("pictures", "holiday.jpg")

    with start("workers", *where) as workers:
        await wait_counts(queue, "emails", acknowledged=2, delivered=5, ready=0)
        await wait_counts(queue, "emails.dead", ready=2)
        await queue.publish("pictures", "late.jpg")
        await wait_counts(queue, "pictures", acknowledged=1, in_flight=1)
        workers.terminate()
        said, _ = workers.communicate(timeout=PATIENCE)

    assert workers.returncode == 0
    await wait_counts(queue, "pictures", acknowledged=2, in_flight=0, consumers=0)
    assert "sent 'Hello!' to c@busy.example" in said
    assert "dead letter: an address has an @" in said
    assert "dead letter: it is no Email (DecodeError)" in said
    assert said.index("got SIGTERM: draining") < said.index("shrank late.jpg")
    assert "secret" not in said


async def test_exponential_backoff_waits_longer_each_time(where: tuple[str, ...]) -> None:
    with start("exponential_backoff", *where, "--failures", "1") as consumer:
        said, _ = consumer.communicate(timeout=PATIENCE)

    assert consumer.returncode == 0
    assert said.splitlines() == ["hello: failed, again in 1 s", "hello: done"]


@pytest.mark.parametrize("name", ["workers", "exponential_backoff"])
async def test_an_example_is_short(name: str) -> None:
    assert len(Path(PROJECT / f"examples/{name}.py").read_text().splitlines()) < 60
