"""Idempotency keys on disk: written with their message, and cheap to keep and to forget."""

from pathlib import Path

import pytest

from miniqueue_py.broker.delivery import ACK
from miniqueue_py.broker.message import Publication
from miniqueue_py.storage.ordered import kept_keys
from miniqueue_py.storage.ordered.engine import OrderedStorage
from miniqueue_py.testing.storing import NOW, bodies, lease, publish
from tests.storage.faulty import faulty, reopen

pytestmark = [pytest.mark.anyio, pytest.mark.usefixtures("library")]

KEEP_FOR = 1e6


def keyed(first: int, count: int) -> list[Publication]:
    return [Publication([b"%d" % n], key=f"{n}") for n in range(first, first + count)]


async def kill(storage: OrderedStorage) -> None:
    """Let nothing be written any more."""
    storage._committer.fail(OSError("killed"))
    await storage.aclose()


async def test_key_is_never_durable_without_its_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kept_keys, "MAX_KEYS", 10)
    monkeypatch.setattr(kept_keys, "SLACK", 2)
    for killed in range(10, 16):
        path = tmp_path / f"{killed}"
        storage = reopen(path)
        for number in range(killed):
            await storage.append("a", keyed(number, 1), NOW, KEEP_FOR)
        unconfirmed = storage.append("a", keyed(killed, 4), NOW, KEEP_FOR)
        await kill(storage)
        assert unconfirmed.exception() is not None

        storage = reopen(path)
        again = await storage.append("a", keyed(killed, 4), NOW, KEEP_FOR)

        assert [stored.is_duplicate for stored in again] == [False] * 4
        assert bodies(lease(storage, "a", 99))[killed:] == [b"%d" % (killed + n) for n in range(4)]
        await storage.aclose()


async def test_publish_makes_room_for_some_keys_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage = reopen(tmp_path)
    await storage.append("a", keyed(0, 500), NOW, KEEP_FOR)
    monkeypatch.setattr(kept_keys, "MAX_KEYS", 100)
    monkeypatch.setattr(kept_keys, "SLACK", 10)
    monkeypatch.setattr(kept_keys, "MOST_MADE_ROOM_FOR", 50)
    state = storage._catalogue.open("a")

    kept = []
    for number in range(500, 520):
        await storage.append("a", keyed(number, 1), NOW, KEEP_FOR)
        kept.append(state.kept_keys)

    assert kept[:3] == [451, 402, 353]
    assert max(kept[-10:]) <= 111
    await storage.aclose()


async def test_settling_and_ticking_cost_the_same_however_many_topics_keep_keys(
    tmp_path: Path,
) -> None:
    storage, database, _ = faulty(tmp_path)
    for number in range(300):
        storage.append(f"{number}", keyed(number, 1), NOW, KEEP_FOR)
    await publish(storage, "work", b"1")
    await storage.aclose()
    storage, database, _ = faulty(tmp_path)
    size = storage._past.keys.size
    before = database.reads

    slices = 0
    while (await storage.release_due(NOW, 100)).has_more:
        slices += 1
        agendas = 2
        assert database.reads - before <= 100 // kept_keys.LOOK + agendas, "these are work too"
        before = database.reads
    before = database.reads
    assert not (await storage.release_due(NOW + 1, 100)).has_more
    storage.settle(lease(storage, "work", 1), ACK)

    assert slices >= 300 * kept_keys.LOOK // 100
    assert database.reads - before <= 1, "the window was filled"
    assert storage._past.keys.size == size == 300 * kept_keys.KEPT_BYTES
    await storage.aclose()


async def test_size_of_kept_keys_follows_what_is_kept_purged_and_forgotten(tmp_path: Path) -> None:
    storage = reopen(tmp_path)
    for topic, keep_for in (("a", 10.0), ("b", 20.0), ("c", KEEP_FOR)):
        await storage.append(topic, keyed(0, 3), NOW, keep_for)
    counts = [storage._past.keys.size // kept_keys.KEPT_BYTES]

    await storage.purge("c")
    counts.append(storage._past.keys.size // kept_keys.KEPT_BYTES)
    for later in (10, 20):
        while (await storage.release_due(NOW + later, 2)).has_more:
            pass
        counts.append(storage._past.keys.size // kept_keys.KEPT_BYTES)
    await storage.append("a", keyed(0, 1), NOW + 30, 1.0)
    counts.append(storage._past.keys.size // kept_keys.KEPT_BYTES)
    await storage.release_due(NOW + 31, 100)
    counts.append(storage._past.keys.size // kept_keys.KEPT_BYTES)

    assert counts == [9, 6, 3, 0, 1, 0]
    await storage.aclose()
