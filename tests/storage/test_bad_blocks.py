"""A bad block of a table costs what is in it, and that is told; all else goes on."""

from collections.abc import Callable
from pathlib import Path

import pytest

from miniqueue_py.broker.delivery import ACK, Delivery
from miniqueue_py.broker.message import BatchCount, Publication
from miniqueue_py.broker.storage import Storage
from miniqueue_py.errors import DatabaseRefused, StorageUnavailable
from miniqueue_py.testing.storing import NOW, bodies, lease, publish, publish_as, publish_in_batch
from tests.storage.faulty import faulty, reopen
from tests.storage.hurting import fill, flip, largest_table, put_in_tables, zero_a_sector

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("library")]

IN_A_BLOCK = 4096 // 100 + 2
"""Messages of 100 bytes, at most."""


def drain(storage: Storage, topic: str) -> list[bytes]:
    """Take and acknowledge all there is."""
    taken: list[bytes] = []
    held: list[Delivery] = []
    while batch := lease(storage, topic, 100):
        taken += bodies(batch)
        held += batch
    storage.settle(held, ACK)
    return taken


@pytest.mark.parametrize("hurt", [flip, zero_a_sector])
async def test_bad_block_costs_its_own_messages_only(
    tmp_path: Path, hurt: Callable[[Path, int], None]
) -> None:
    sent = await fill(tmp_path, "a", 3000)
    put_in_tables(tmp_path)
    hurt(largest_table(tmp_path), 100_000)
    storage = reopen(tmp_path)

    taken = drain(storage, "a")

    lost = [body for body in sent if body not in set(taken)]
    assert taken == [body for body in sent if body not in set(lost)]
    assert 0 < len(lost) <= 2 * IN_A_BLOCK
    first, last = sent.index(lost[0]) + 1, sent.index(lost[-1]) + 1
    assert storage.damages == (
        f"messages of topic 'a' from 1-{first} to before 1-{last + 1} cannot be read",
    )
    assert storage.failure is None
    await publish(storage, "a", b"more")
    assert drain(storage, "a") == [b"more"]
    await storage.aclose()


async def test_bad_block_at_the_very_end_is_no_end(tmp_path: Path) -> None:
    sent = await fill(tmp_path, "a", 3000)
    put_in_tables(tmp_path)
    table = largest_table(tmp_path)
    flip(table, table.read_bytes().index(sent[-1]))
    storage = reopen(tmp_path)

    with storage.snapshot("a", NOW) as messages, pytest.raises(StorageUnavailable):
        list(messages)
    taken = drain(storage, "a")

    assert len(taken) < 3000
    assert storage.damages
    assert storage.failure is None
    await storage.aclose()


async def test_two_bad_blocks_are_two_damages(tmp_path: Path) -> None:
    sent = await fill(tmp_path, "a", 3000)
    put_in_tables(tmp_path)
    for at in (100_000, 200_000):
        flip(largest_table(tmp_path), at)
    storage = reopen(tmp_path)

    taken = drain(storage, "a")

    assert len(storage.damages) == 2
    assert len(sent) - 2 * IN_A_BLOCK <= len(taken) < len(sent)
    await storage.aclose()


async def test_database_whose_topics_cannot_be_read_is_refused(tmp_path: Path) -> None:
    await fill(tmp_path, "a", 3000)
    put_in_tables(tmp_path)
    table = largest_table(tmp_path)
    for at in (500, table.stat().st_size - 48 - 20):  # the first block, and the table's index
        flip(table, at)
        with pytest.raises(DatabaseRefused, match=f"damaged and .* `miniqueue repair {tmp_path}`"):
            reopen(tmp_path)
        flip(table, at)

    await reopen(tmp_path).aclose()


async def test_peeking_and_age_step_over_a_bad_block(tmp_path: Path) -> None:
    await fill(tmp_path, "a", 3000)
    put_in_tables(tmp_path)
    flip(largest_table(tmp_path), 5000)
    storage = reopen(tmp_path)

    assert len(await storage.peek("a", 2000, 1 << 30, NOW)) == 2000
    assert storage.oldest_ms("a") == NOW * 1000
    assert storage.failure is None
    await storage.aclose()


async def test_snapshot_of_a_damaged_topic_ends_with_an_error_and_fails_nothing(
    tmp_path: Path,
) -> None:
    await fill(tmp_path, "a", 3000)
    put_in_tables(tmp_path)
    flip(largest_table(tmp_path), 200_000)
    storage = reopen(tmp_path)

    with storage.snapshot("a", NOW) as messages, pytest.raises(StorageUnavailable, match="'a'"):
        list(messages)

    assert storage.failure is None
    await publish(storage, "a", b"more")
    await storage.aclose()


async def test_batch_whose_count_is_in_a_bad_block_is_unknown(tmp_path: Path) -> None:
    storage = reopen(tmp_path)
    for number in range(300):
        await publish_in_batch(storage, "a", BatchCount(f"key {number}", 1), b"x")
    await storage.aclose()
    put_in_tables(tmp_path)
    table = largest_table(tmp_path)
    flip(table, table.stat().st_size * 2 // 3)
    storage = reopen(tmp_path)

    known = [await storage.batch_count("a", f"key {number}", NOW) for number in range(300)]
    while (await storage.release_due(NOW + 1e6, 100)).has_more:
        pass

    assert {0, 1} == set(known)
    assert storage.failure is None
    await publish_in_batch(storage, "a", BatchCount("key 1", 1), b"x")
    await storage.aclose()


async def test_settlement_that_meets_a_bad_block_is_unavailable_and_stays(tmp_path: Path) -> None:
    storage, database, _ = faulty(tmp_path)
    await publish(storage, "a", b"1", b"2")
    held = lease(storage, "a", 1)
    database.error = "Corruption: block checksum mismatch"  # a compaction met one
    with pytest.raises(StorageUnavailable):
        await publish(storage, "a", b"3")
    database.is_unreadable = True

    assert storage.settle(held, ACK) == []
    with pytest.raises(StorageUnavailable):
        await storage.settled()

    database.is_unreadable = False
    assert bodies(lease(storage, "a", 9)) == [b"2"]
    await storage.aclose()


async def test_key_in_a_bad_block_is_unknown(tmp_path: Path) -> None:
    storage, database, _ = faulty(tmp_path)
    publication = Publication((b"1",), key="once")
    await publish_as(storage, "a", publication)

    database.is_unreadable = True
    again = await publish_as(storage, "a", publication)

    assert not again.is_duplicate
    assert storage.failure is None
    assert storage.damages
    await storage.aclose()
