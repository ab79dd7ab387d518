"""What a failed write or fsync does to the moves that issue 3 added, and to what arrives."""

import asyncio
from pathlib import Path

import pytest

from miniqueue_py.broker.delivery import ACK, REDRIVE, Bury, Delay, Outcome, Requeue
from miniqueue_py.broker.message import Publication
from miniqueue_py.broker.storage import Moved
from miniqueue_py.errors import StorageUnavailable
from miniqueue_py.storage.ordered import window
from miniqueue_py.storage.ordered.engine import OrderedStorage
from miniqueue_py.storage.ordered.layout import keys
from miniqueue_py.testing.storing import (
    ANY_NUMBER,
    NOW,
    bodies,
    counts,
    lease,
    publish,
    publish_as,
)
from tests.storage.faulty import faulty, reopen
from tests.storage.raw import raw

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("library")]

BROKEN = OSError(5, "Input/output error")
KEYED = Publication([b"1"], key="k")

MOVES: dict[str, Outcome] = {
    "bury": Bury("grave", "DEAD", 1),
    "redrive": REDRIVE,
    "delay": Delay(NOW + 5),
    "back": Requeue(front=False),
    "attempt": Requeue(front=True, must_last=True),
}


async def dead_letter(storage: OrderedStorage) -> None:
    """Bring a message to "topic" that came from "source"."""
    await publish(storage, "source", b"1")
    storage.settle(lease(storage, "source", 1), Bury("topic", "DEAD", 1))
    await storage.append("topic", [], NOW, 0.0)


async def everywhere(storage: OrderedStorage) -> list[tuple[str, bytes]]:
    """Take all there is, whatever it waits for."""
    await storage.release_due(NOW + 100, ANY_NUMBER)
    return [
        (topic, body)
        for topic in ("grave", "source", "topic")
        for body in bodies(lease(storage, topic, 10))
    ]


@pytest.mark.parametrize("move", MOVES)
async def test_move_that_cannot_be_written_is_made_here_and_undone_by_a_restart(
    tmp_path: Path, move: str
) -> None:
    storage, database, _ = faulty(tmp_path)
    await dead_letter(storage)
    [delivery] = lease(storage, "topic", 1)
    database.error = "IO error: bad"

    assert not storage.settle([delivery], MOVES[move])
    await asyncio.sleep(0)

    target = {"bury": "grave", "redrive": "source"}.get(move, "topic")
    assert storage.failure is not None
    assert await everywhere(storage) == [(target, b"1")]
    await storage.aclose()
    storage = reopen(tmp_path)
    assert await everywhere(storage) == [("topic", b"1")]
    await storage.aclose()


@pytest.mark.parametrize("move", MOVES)
async def test_move_whose_fsync_fails_leaves_the_message_in_one_place(
    tmp_path: Path, move: str
) -> None:
    storage, _, sync = faulty(tmp_path)
    await dead_letter(storage)
    sync.error = BROKEN
    storage.settle(lease(storage, "topic", 1), MOVES[move])
    with pytest.raises(StorageUnavailable, match="Input/output error"):
        await publish(storage, "other", b"x")
    sync.error = None
    await storage.aclose()

    storage = reopen(tmp_path)

    assert len(await everywhere(storage)) == 1
    await storage.aclose()


async def test_duplicate_is_not_answered_before_the_first_is_durable(tmp_path: Path) -> None:
    storage, _, sync = faulty(tmp_path)
    with sync.held_back():
        first = asyncio.create_task(publish_as(storage, "a", KEYED))
        await sync.wait_begun(1)
        second = asyncio.create_task(publish_as(storage, "a", KEYED))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert not second.done()

    async with asyncio.timeout(30):
        answers = await asyncio.gather(first, second)
    assert [answer.is_duplicate for answer in answers] == [False, True]
    await storage.aclose()


async def test_duplicate_fails_if_the_first_does(tmp_path: Path) -> None:
    storage, _, sync = faulty(tmp_path)
    with sync.held_back():
        first = asyncio.create_task(publish_as(storage, "a", KEYED))
        await sync.wait_begun(1)
        second = asyncio.create_task(publish_as(storage, "a", KEYED))
        await asyncio.sleep(0)
        sync.error = BROKEN

    async with asyncio.timeout(30):
        answers = await asyncio.gather(first, second, return_exceptions=True)
    assert [type(answer) for answer in answers] == [StorageUnavailable, StorageUnavailable]
    await storage.aclose()


async def test_key_of_a_publish_that_was_not_written_is_free_after_a_restart(
    tmp_path: Path,
) -> None:
    storage, database, _ = faulty(tmp_path)
    database.error = "IO error: bad"
    with pytest.raises(StorageUnavailable):
        await publish_as(storage, "a", KEYED)
    await storage.aclose()

    storage = reopen(tmp_path)

    assert not (await publish_as(storage, "a", KEYED)).is_duplicate
    assert bodies(lease(storage, "a", 10)) == [b"1"]
    await storage.aclose()


async def test_delayed_publication_does_not_come_due_before_it_is_durable(tmp_path: Path) -> None:
    storage, _, sync = faulty(tmp_path)
    with sync.held_back():
        publishing = asyncio.create_task(
            publish_as(storage, "a", Publication([b"1"], delay_seconds=1.0))
        )
        await sync.wait_begun(1)
        assert await storage.release_due(NOW + 2, ANY_NUMBER) == Moved()
    await publishing

    assert await storage.release_due(NOW + 2, ANY_NUMBER) == Moved(restored=1)
    assert bodies(lease(storage, "a", 1)) == [b"1"]
    await storage.aclose()


async def test_message_does_not_expire_before_it_is_durable_and_does_then(tmp_path: Path) -> None:
    storage, _, sync = faulty(tmp_path)
    with sync.held_back():
        publishing = asyncio.create_task(
            publish_as(storage, "a", Publication([b"1"], ttl_seconds=1.0))
        )
        await sync.wait_begun(1)
        assert await storage.release_due(NOW + 2, ANY_NUMBER) == Moved()
    await publishing

    assert await storage.release_due(NOW + 2, ANY_NUMBER) == Moved(expired=1)
    await storage.aclose()


async def test_refused_messages_are_not_shown_though_they_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(window, "MAX_ENTRIES", 2)
    storage, _, sync = faulty(tmp_path)
    await publish(storage, "a", b"1", b"2", b"3", b"4")
    sync.error = BROKEN
    for terms in (Publication([b"5"]), Publication([b"6"], delay_seconds=1.0)):
        with pytest.raises(StorageUnavailable):
            await publish_as(storage, "a", terms)

    assert counts(storage, "a") == (4, 0, 0)
    assert storage.totals()[:2] == (4, 4)
    assert await storage.release_due(NOW + 2, ANY_NUMBER) == Moved()
    assert bodies(lease(storage, "a", 10)) == [b"1", b"2", b"3", b"4"]
    await storage.aclose()


@pytest.mark.parametrize("cut", range(1, 26, 3))
async def test_torn_record_of_a_delay_stops_publishing_and_is_no_other_message(
    tmp_path: Path, cut: int
) -> None:
    storage = reopen(tmp_path)
    await publish_as(storage, "a", Publication([b"1", b"2"], 9, 1.0, 100.0))
    await storage.aclose()
    with raw(tmp_path) as database:
        key, record = database.entries(keys.DELAYED)[0]
        database.put(key, record[:cut])

    storage = reopen(tmp_path)

    assert await storage.release_due(NOW + 2, ANY_NUMBER) == Moved(restored=1)
    assert bodies(lease(storage, "a", 10)) == [b"2"]
    assert storage.failure is not None
    await storage.aclose()


async def test_torn_record_of_a_key_stops_publishing(tmp_path: Path) -> None:
    storage = reopen(tmp_path)
    await publish_as(storage, "a", KEYED)
    await storage.aclose()
    with raw(tmp_path) as database:
        key, record = database.entries(keys.KEPT_KEYS)[0]
        database.put(key, record[:7])

    storage = reopen(tmp_path)

    with pytest.raises(StorageUnavailable, match="the record of a key is cut short"):
        await publish_as(storage, "a", KEYED)
    assert bodies(lease(storage, "a", 10)) == [b"1"]
    await storage.aclose()


async def test_counts_of_a_clean_stop_are_exact(tmp_path: Path) -> None:
    storage = reopen(tmp_path)
    await publish(storage, "a", b"1", b"2")
    lease(storage, "a", 1)
    await storage.aclose()

    storage = reopen(tmp_path)

    assert storage.statistics("a").delivered == 1
    storage.settle(lease(storage, "a", 2), ACK)
    assert storage.statistics("a").delivered == 3
    await storage.aclose()


async def test_number_of_a_topic_is_not_given_again_after_a_restart(tmp_path: Path) -> None:
    storage = reopen(tmp_path)
    storage.watch(lambda _topic: None)
    before = await publish(storage, "a", b"1")
    await storage.purge("a")
    await storage._janitor.wait_idle()
    await storage.aclose()

    storage = reopen(tmp_path)

    assert (await publish(storage, "b", b"2")).id > before.id
    await storage.aclose()
