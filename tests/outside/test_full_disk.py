"""A disk without room: publishing stops, consuming goes on, nothing confirmed is lost."""

import asyncio
import contextlib
import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from miniqueue_py.tls.paths import CertificatePaths
from tests.outside.absence import absent
from tests.outside.consumer import Consumer
from tests.outside.server import RunningBroker, parse_fact
from tests.outside.settler import LONG, drain
from tests.outside.wire import Connection, Response

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("scheme", ["leveldb", "rocksdb"], indirect=True),
]

DISK_BYTES = 64 << 20
BODY_BYTES = 60_000
MUCH = 20 << 20
"""What a disk with nothing else on it takes, its reserve left alone."""


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A small file system of its own."""
    path = tmp_path / "disk"
    path.mkdir()
    mount = shutil.which("mount")
    if mount is None:
        absent("mount is not installed")
    command = [mount, "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(path)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        absent(f"no file system can be mounted here: {mounted.stderr.strip()}")
    try:
        yield path
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


@pytest.fixture
def broker(disk: Path, certificates: CertificatePaths, scheme: str) -> Iterator[RunningBroker]:
    flags = ("-period", "50ms")
    with RunningBroker(disk / "db", certificates, flags, scheme=scheme) as broker:
        yield broker
        assert broker.is_running, "\n".join(broker.log_lines()[-50:])
        assert not any("Traceback" in line for line in broker.log_lines())


async def test_publishing_is_refused_with_507_before_the_disk_is_full(
    broker: RunningBroker, connection: Connection, topic: str
) -> None:
    confirmed = []
    while (response := await try_to_publish(connection, topic, body := new_body())).status == 201:
        confirmed.append(body)

    assert len(confirmed) * BODY_BYTES > MUCH
    assert response.status == 507
    assert response.headers["content-type"] == "application/json"
    assert "the disk is full" in json.loads(response.body)["error"]
    assert await drain(connection, topic) == confirmed


async def test_publishing_works_again_by_itself_once_messages_are_consumed(
    broker: RunningBroker, connection: Connection, topic: str
) -> None:
    for _ in range(4):
        confirmed = await publish_much(connection, topic)

        assert await drain(connection, topic) == confirmed


async def test_deleting_a_topic_makes_room_on_a_disk_that_is_full(
    broker: RunningBroker, connection: Connection, topic: str
) -> None:
    while (await try_to_publish(connection, topic, new_body())).status == 201:
        pass

    response = await connection.request("DELETE", f"/{topic}", wait_seconds=LONG)

    assert response.status == 200, response.body
    confirmed = await publish_much(connection, topic)
    assert await drain(connection, topic) == confirmed


async def test_a_write_that_fails_refuses_publishing_and_nothing_else(
    broker: RunningBroker, disk: Path, topic: str
) -> None:
    connection = await Connection.open(broker.port, broker.ca)
    bodies = [new_body() for _ in range(200)]
    for body in bodies:
        assert (await try_to_publish(connection, topic, body)).status == 201
    consumer = await Consumer.open(connection, topic, "INIT")

    filler = fill(disk)

    for body in bodies[:150]:
        await consumer.expect(body, wait_seconds=LONG)
        await consumer.send("ACK")
    refusal = await try_to_publish(connection, topic, new_body())
    assert refusal.status in {503, 507}
    assert json.loads(refusal.body)["error"]
    cause = await wait_failure(broker)
    ready = await connection.request("GET", "/readyz", wait_seconds=LONG)
    assert ready.status == 503
    assert cause in json.loads(ready.body)["error"]
    await consumer.expect(bodies[150], wait_seconds=LONG)

    await connection.close()
    broker.terminate()
    assert await asyncio.to_thread(broker.wait, LONG) == 0
    filler.unlink()
    broker.start()

    async with await Connection.open(broker.port, broker.ca) as after:
        rest = await drain(after, topic)
        # An ACK that could not be written is forgotten with the process.
        assert 50 <= len(rest) <= 200
        assert rest == bodies[-len(rest) :]
        assert (await try_to_publish(after, topic, b"again")).status == 201


async def try_to_publish(connection: Connection, topic: str, body: bytes) -> Response:
    return await connection.request("POST", f"/publish/{topic}", body, wait_seconds=LONG)


async def publish_much(connection: Connection, topic: str) -> list[bytes]:
    """Publish as much as the disk takes for sure; wait for room where there is none yet."""
    confirmed: list[bytes] = []
    async with asyncio.timeout(LONG):
        while len(confirmed) * BODY_BYTES < MUCH:
            body = new_body()
            response = await try_to_publish(connection, topic, body)
            if response.status == 201:
                confirmed.append(body)
            else:
                assert response.status == 507, response
                await asyncio.sleep(0.05)
    return confirmed


async def wait_failure(broker: RunningBroker) -> str:
    """The cause that the log tells, once and no more."""
    async with asyncio.timeout(LONG):
        while True:
            facts = [parse_fact(line) for line in broker.log_lines()]
            causes = [fact["cause"] for fact in facts if fact.get("event") == "storage.failed"]
            if causes:
                [cause] = causes
                return str(cause)
            await asyncio.sleep(0.05)


def new_body() -> bytes:
    # Random: what LevelDB can compress takes no room.
    return os.urandom(BODY_BYTES)


def fill(disk: Path) -> Path:
    """Leave no byte free."""
    path = disk / "filler"
    with path.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    return path
