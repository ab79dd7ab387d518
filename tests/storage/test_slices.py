"""Time's moves in slices: the order of one call without a limit, and never more than asked."""

import asyncio
from pathlib import Path

import pytest

from miniqueue_py.broker.delivery import ACK, Delay
from miniqueue_py.broker.message import Publication
from miniqueue_py.broker.storage import Moved, Storage
from miniqueue_py.storage.bounds import EXPIRED_AT_ONCE
from miniqueue_py.testing.storing import (
    ANY_SIZE,
    NOW,
    bodies,
    counts,
    lease,
    publish,
    publish_as,
)
from tests.storage.engines import open_engine

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.parametrize("kind", ["memory", "leveldb-always", "leveldb-never"]),
]

MANY = 2500
SLICE = 97


async def release(storage: Storage, now: float, limit: int = SLICE) -> list[Moved]:
    """Release all that is due, slice by slice."""
    slices: list[Moved] = []
    while not slices or slices[-1].has_more:
        slices.append(await storage.release_due(now, limit))
        assert slices[-1].restored + slices[-1].expired <= limit
    return slices


async def delay_many(storage: Storage, topic: str) -> list[bytes]:
    """Publish messages that come due in another order; return the order that they come due in."""
    by_due = []
    for number in range(MANY):
        body, delay = b"%d" % number, 1 + (number * 7919) % 50 / 8
        by_due.append((delay, number, body))
        await publish_as(storage, topic, Publication([body], delay_seconds=delay))
    return [body for _, _, body in sorted(by_due)]


async def test_messages_due_at_once_are_in_due_order_whatever_the_slices(
    kind: str, tmp_path: Path
) -> None:
    async with open_engine(kind, tmp_path) as storage:
        await publish(storage, "a", b"ready")
        expected = await delay_many(storage, "a")

        slices = await release(storage, NOW + 100)

        assert sum(moved.restored for moved in slices) == MANY
        assert bodies(lease(storage, "a", MANY + 1)) == [*expected, b"ready"]


async def test_consumer_between_the_slices_gets_due_order(kind: str, tmp_path: Path) -> None:
    async with open_engine(kind, tmp_path) as storage:
        expected = await delay_many(storage, "a")
        got: list[bytes] = []

        while (await storage.release_due(NOW + 100, SLICE)).has_more:
            taken = lease(storage, "a", SLICE // 2)
            got += bodies(taken)
            storage.settle(taken, ACK)
            await asyncio.sleep(0)
        while taken := lease(storage, "a", SLICE):
            got += bodies(taken)

        assert got == expected


async def test_messages_of_another_topic_come_due_among_them(kind: str, tmp_path: Path) -> None:
    async with open_engine(kind, tmp_path) as storage:
        await publish(storage, "early", b"1")
        storage.settle(lease(storage, "early", 1), Delay(NOW + 0.5))
        await delay_many(storage, "late")

        assert await storage.release_due(NOW + 100, SLICE) == Moved(SLICE, 0, has_more=True)

        assert bodies(lease(storage, "early", 1)) == [b"1"]


async def test_what_expires_at_once_goes_in_slices(kind: str, tmp_path: Path) -> None:
    async with open_engine(kind, tmp_path) as storage:
        mortal = Publication([b"x"] * MANY, ttl_seconds=1.0)
        await publish_as(storage, "a", mortal)
        await publish(storage, "a", b"immortal")

        slices = await release(storage, NOW + 1)

        assert sum(moved.expired for moved in slices) == MANY
        assert len(slices) >= MANY // SLICE
        assert counts(storage, "a") == (1, 0, 0)


async def test_keys_that_are_over_at_once_are_forgotten_in_slices(
    kind: str, tmp_path: Path
) -> None:
    async with open_engine(kind, tmp_path) as storage:
        keyed = [Publication([b"x"], key=f"{number}") for number in range(MANY)]
        await storage.append("a", keyed, NOW, 10.0)

        assert len(await release(storage, NOW + 9.9)) == 1, "none is over"
        assert len(await release(storage, NOW + 10)) >= MANY // SLICE
        assert len(await release(storage, NOW + 10)) == 1, "none is left"


async def test_purged_messages_that_would_be_due_do_not_stop_others(
    kind: str, tmp_path: Path
) -> None:
    async with open_engine(kind, tmp_path) as storage:
        await delay_many(storage, "a")
        await publish_as(storage, "b", Publication([b"1"], delay_seconds=50.0))
        await storage.purge("a")

        slices = await release(storage, NOW + 100)

        assert sum(moved.restored for moved in slices) == 1
        assert bodies(lease(storage, "b", 1)) == [b"1"]


async def test_lease_removes_no_more_expired_messages_than_others_can_wait_for(
    kind: str, tmp_path: Path
) -> None:
    async with open_engine(kind, tmp_path) as storage:
        await publish_as(storage, "a", Publication([b"x"] * (EXPIRED_AT_ONCE + 1), ttl_seconds=1.0))
        await publish(storage, "a", b"immortal")
        heard: list[str] = []
        storage.watch(heard.append)

        assert not storage.lease("a", 1, ANY_SIZE, NOW + 1)
        assert storage.statistics("a").expired == EXPIRED_AT_ONCE
        await asyncio.sleep(0)

        assert heard == ["a"], "to look again"
        assert bodies(storage.lease("a", 1, ANY_SIZE, NOW + 1)) == [b"immortal"]
