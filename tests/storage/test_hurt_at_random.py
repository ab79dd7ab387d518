"""Whatever a disk does to whichever file: nothing wrong is delivered, and no loss is silent.

Each state has a seed, which its test's name tells. MINIQUEUE_STATES=200 tries
so many of each kind.
"""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from miniqueue_py.broker.delivery import ACK
from miniqueue_py.errors import DatabaseRefused
from miniqueue_py.storage.keyvalue.library import Library
from miniqueue_py.testing.storing import bodies, lease, publish
from tests.storage.faulty import reopen
from tests.storage.hurting import flip, put_in_tables, somewhere, zero_a_sector

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("library")]

STATES = range(int(os.environ.get("MINIQUEUE_STATES", "15")))
MESSAGES = 3000


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("whole")


@pytest.fixture
async def path(whole: Path, tmp_path: Path, library: Library) -> Path:
    """A copy of a database with two tables' worth in tables, and some in a log."""
    whole /= library.scheme
    if not whole.exists():
        storage = reopen(whole)
        for topic in ("a", "b"):
            await publish(storage, topic, *[body_of(topic, n) for n in range(MESSAGES)])
        await storage.aclose()
        put_in_tables(whole)
        storage = reopen(whole)
        for number in range(50):
            await publish(storage, "a", body_of("a", MESSAGES + number))
        storage.settle(lease(storage, "a", 10), ACK)
        await storage.aclose()
    path = tmp_path / "db"
    shutil.copytree(whole, path)
    return path


def body_of(topic: str, number: int) -> bytes:
    return f"{topic}{number:07}".encode() + b"%d" % (number * 7919) * 20


@pytest.mark.parametrize("seed", STATES)
@pytest.mark.parametrize("pattern", ["table", "*.log", "MANIFEST-*", "CURRENT"])
@pytest.mark.parametrize("hurt", [flip, zero_a_sector])
async def test_hurt_file_is_refused_or_costs_what_is_told(
    path: Path, library: Library, seed: int, pattern: str, hurt: Callable[[Path, int], None]
) -> None:
    random = Random(seed)
    pattern = f"*{library.table_suffix}" if pattern == "table" else pattern
    file = random.choice(sorted(path.glob(pattern)))
    hurt(file, somewhere(file, random))

    try:
        storage = reopen(path)
    except DatabaseRefused:
        return
    sent = {topic: [body_of(topic, n) for n in range(MESSAGES + 50)] for topic in ("a", "b")}
    sent["b"] = sent["b"][:MESSAGES]
    has_all = True
    for topic, expected in sent.items():
        taken = bodies(lease(storage, topic, 10_000))
        places = {body: number for number, body in enumerate(expected)}
        assert [places[body] for body in taken] == sorted(places[body] for body in taken)
        assert len(taken) == len(set(taken))
        has_all = has_all and {*expected[10:]} <= {*taken}
    assert has_all or storage.damages, f"lost in silence: {file.name}"
    assert storage.failure is None
    await publish(storage, "a", b"more")
    await storage.aclose()
