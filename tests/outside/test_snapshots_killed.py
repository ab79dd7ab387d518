"""kill -9 in the middle of /persist and of /load: the old one or the new one, never half.

A snapshot of 100,000 messages takes long enough to be killed at any instant
of it. The instants are spread over the time that an undisturbed one takes, and
some way beyond, each at random within its part.
"""

import asyncio
import base64
import json
import random
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from miniqueue_py.broker.storage import is_hidden
from miniqueue_py.storage.keyvalue.libraries import choose_library
from miniqueue_py.storage.ordered.layout import keys
from miniqueue_py.storage.ordered.offline.inspection import inspect_database
from miniqueue_py.storage.ordered.topic_state import TopicState
from miniqueue_py.tls.paths import CertificatePaths
from tests.outside.conftest import QUICK
from tests.outside.dialects import dialect_broker
from tests.outside.lives import connect
from tests.outside.pages import ask
from tests.outside.seed import seeded_random
from tests.outside.server import RunningBroker
from tests.outside.settler import LONG

pytestmark = pytest.mark.anyio

MESSAGES = 100_000
KILLS = 10
BEYOND = 1.2
"""So many times as long as an undisturbed one takes, for the last instants."""


@pytest.fixture
def broker(certificates: CertificatePaths, tmp_path: Path) -> Iterator[RunningBroker]:
    flags = (*QUICK, "-zapq-max-msgs", "200K")
    with dialect_broker(tmp_path / "db", certificates, *flags) as broker:
        yield broker


@pytest.fixture
def snapshots(broker: RunningBroker) -> Path:
    return broker.directory.parent / "snapshots"


async def test_snapshot_is_the_old_one_or_the_new_one_whenever_its_writer_is_killed(
    broker: RunningBroker, snapshots: Path
) -> None:
    queue = numbered("first")
    write(snapshots / "first.json", queue)
    await post(broker, "load?file=first.json")
    seconds = await time_of(broker, "persist?file=queue.json")
    assert read(snapshots / "queue.json") == queue
    drafts = 0

    with seeded_random() as choices:
        for instant in instants(choices, KILLS, seconds):
            before = read(snapshots / "queue.json")
            last = b"and %d" % len(queue)
            await post(broker, "enqueue", last)
            queue.append(last)

            was_answered = await post_and_kill(broker, "persist?file=queue.json", instant)
            drafts += len(drafts_in(snapshots))
            now = read(snapshots / "queue.json")
            await restart(broker)

            assert now == queue or (now == before and not was_answered)
            assert drafts_in(snapshots) == []
            assert await contents(broker, snapshots) == queue

    assert drafts > 0, "none was killed in the middle"


async def test_queue_is_the_old_one_or_the_new_one_whenever_its_load_is_killed(
    broker: RunningBroker, snapshots: Path
) -> None:
    before = numbered("first")
    write(snapshots / "first.json", before)
    seconds = await time_of(broker, "load?file=first.json")
    halves = 0

    with seeded_random() as choices:
        for instant in instants(choices, KILLS, seconds):
            new = numbered(f"{instant}")
            write(snapshots / "queue.json", new)

            was_answered = await post_and_kill(broker, "load?file=queue.json", instant)
            halves += count_hidden(broker.directory)
            await restart(broker)
            assert await topics(broker) == ["zapq"]
            now = await contents(broker, snapshots)

            assert now == new or (now == before and not was_answered)
            before = now

    await post(broker, "load?file=first.json")
    assert await contents(broker, snapshots) == numbered("first")
    assert halves > 0, "none was killed in the middle"


def numbered(word: str) -> list[bytes]:
    return [f"{word} {i}".encode() for i in range(MESSAGES)]


def write(path: Path, bodies: Sequence[bytes]) -> None:
    """Write a snapshot as Go does."""
    path.write_text(json.dumps([base64.b64encode(body).decode() for body in bodies]))


def read(path: Path) -> list[bytes]:
    return [base64.b64decode(text, validate=True) for text in json.loads(path.read_bytes())]


def count_hidden(database: Path) -> int:
    """Count the topics that a killed load left behind, and check that nothing is damaged."""
    assert inspect_database(database, check=lambda _messages, _bytes: None).damages == []
    library = choose_library(database, None)
    with library.look_into(
        database, library.read_manifest(database), passes_over_damage=False
    ) as copy:
        topics = [TopicState.decode(*entry) for entry in copy.read(*keys.whole(keys.TOPICS))]
    return sum(is_hidden(topic.name) for topic in topics)


def drafts_in(snapshots: Path) -> list[str]:
    return [each.name for each in snapshots.iterdir() if each.name.startswith(".")]


def instants(choices: random.Random, count: int, seconds: float) -> list[float]:
    """Seconds after which to kill, one in each part of the time."""
    return [(i + choices.random()) / count * seconds * BEYOND for i in range(count)]


async def post(broker: RunningBroker, page: str, body: bytes = b"") -> None:
    async with await connect(broker) as connection:
        answer = await connection.request("POST", f"/zapq/{page}", body, wait_seconds=LONG)
    assert answer.status in (200, 202), answer.body


async def time_of(broker: RunningBroker, page: str) -> float:
    start = time.monotonic()
    await post(broker, page)
    return time.monotonic() - start


async def post_and_kill(broker: RunningBroker, page: str, after_seconds: float) -> bool:
    """Kill the broker that long after it was asked; tell if it had answered."""
    asking = asyncio.create_task(post(broker, page))
    await asyncio.wait([asking], timeout=after_seconds)
    broker.kill()
    try:
        await asking
    except ConnectionError:
        return False
    return True


async def restart(broker: RunningBroker) -> None:
    """Start it, and wait for the first answer of ZapQ's pages."""
    broker.start()
    async with await connect(broker) as connection:
        assert (await connection.request("GET", "/zapq/health", b"")).body == b"ok"


async def topics(broker: RunningBroker) -> list[str]:
    async with await connect(broker) as connection:
        answer = await ask(connection, "GET", "/topics")
    return [topic["name"] for topic in answer["topics"]]


async def contents(broker: RunningBroker, snapshots: Path) -> list[bytes]:
    """What is in the queue; what the topic's page counts is as much."""
    await post(broker, "persist?file=contents.json")
    bodies = read(snapshots / "contents.json")
    async with await connect(broker) as connection:
        overview = await ask(connection, "GET", "/topics/zapq")
    assert overview["ready"] == len(bodies)
    assert overview["inFlight"] == overview["delayed"] == 0
    assert overview["bytes"] == sum(map(len, bodies))
    return bodies
