"""A directory that is moved while publishers are at it: what was confirmed went with it.

MINIQUEUE_STATES=200 moves it so many times, each at an instant of its seed.
"""

import asyncio
import os
from pathlib import Path
from random import Random

import pytest

from miniqueue_py.errors import StorageUnavailable
from miniqueue_py.testing.storing import bodies, lease, publish
from tests.storage.faulty import reopen

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("library")]

STATES = range(int(os.environ.get("MINIQUEUE_STATES", "15")))


@pytest.mark.parametrize("seed", STATES)
async def test_what_is_confirmed_is_where_the_directory_is(tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    path, moved = tmp_path / "db", tmp_path / "moved"
    storage = reopen(path)
    confirmed: list[bytes] = []
    refused: list[bytes] = []
    move_at = random.randrange(5, 60)
    puts_another = random.random() < 0.5

    async def publish_on(name: int) -> None:
        while storage.failure is None and len(refused) < 1000:
            body = b"%d %d " % (name, len(confirmed)) + random.randbytes(
                random.choice((10, 5_000, 200_000))
            )
            try:
                await publish(storage, "a", body)
            except StorageUnavailable:
                refused.append(body)
            else:
                confirmed.append(body)
                if len(confirmed) == move_at:
                    path.rename(moved)
                    if puts_another:
                        path.mkdir()

    async with asyncio.timeout(30), asyncio.TaskGroup() as publishers:
        for name in range(4):
            publishers.create_task(publish_on(name))
    await storage.aclose()

    assert len(confirmed) < move_at + 2 * 4, "those of one fsync, and of one under way"
    again = reopen(moved)
    assert set(confirmed) <= set(bodies(lease(again, "a", 10_000))), seed
    await again.aclose()
    assert not puts_another or not list(path.glob("*.log"))
