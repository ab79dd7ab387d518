"""What receipts may hold: DELETE ends those of its topic, and nobody takes the room of others."""

import asyncio

import pytest

from miniqueue_py.broker import receipts
from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.settling import Decision
from miniqueue_py.errors import StorageUnavailable, TooMuchHeld
from miniqueue_py.storage.memory import MemoryStorage
from miniqueue_py.testing.clock import ManualClock
from tests.broker.scenes import places, publish, receive, tick_after

pytestmark = pytest.mark.anyio

DAY = 86400.0


async def hold(
    broker: Broker, topic: str, count: int, client: str = "", body: bytes = b"x"
) -> list[str]:
    """Take messages one by one, as far as that is allowed; return their receipts."""
    await publish(broker, *[body] * count, topic=topic)
    held: list[str] = []
    for _ in range(count):
        [(receipt, _)] = await receive(broker, topic, 1, lease_seconds=DAY, client=client)
        held.append(receipt)
    return held


async def hold_all(broker: Broker, topic: str, client: str = "") -> int:
    """Take until the broker refuses; return how many that were."""
    await publish(broker, *[b"x"] * receipts.MOST_RECEIPTS, topic=topic)
    held = 0
    try:
        while True:
            await receive(broker, topic, 1, lease_seconds=DAY, client=client)
            held += 1
    except TooMuchHeld:
        return held


@pytest.fixture
def most(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(receipts, "MOST_RECEIPTS", 100)
    return 100


async def test_receipts_of_a_deleted_topic_hold_nothing(
    broker: Broker, clock: ManualClock, most: int
) -> None:
    held = await hold_all(broker, "orders")
    await broker.delete("orders")

    assert await hold_all(broker, "orders") == held
    await broker.delete("orders")
    assert await hold_all(broker, "other") == held
    await tick_after(broker, clock, DAY)
    assert not broker.receipts._held
    assert not broker.receipts._topics
    assert not broker.receipts._clients
    assert not broker.receipts._leases


async def test_what_was_published_and_received_while_the_topic_was_deleted_is_held(
    broker: Broker, storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    [before] = await hold(broker, "orders", 1)
    purge = storage.purge
    held: list[str] = []

    async def be_slow(topic: str) -> None:
        await purge(topic)
        held.extend(await hold(broker, "orders", 1))

    monkeypatch.setattr(storage, "purge", be_slow)
    await broker.delete("orders")

    assert broker.receipts.settle("orders", [before], Decision.ACK) == []
    assert broker.receipts.acknowledge("orders", held[0])
    assert places(storage) == (0, 0, 0)


async def test_receipts_are_good_as_ever_if_the_topic_could_not_be_deleted(
    broker: Broker, storage: MemoryStorage, monkeypatch: pytest.MonkeyPatch
) -> None:
    [receipt] = await hold(broker, "orders", 1)

    async def fail(_: str) -> None:
        raise StorageUnavailable("the disk")

    monkeypatch.setattr(storage, "purge", fail)
    with pytest.raises(StorageUnavailable):
        await broker.delete("orders")

    assert broker.receipts.acknowledge("orders", receipt)
    assert places(storage) == (0, 0, 0)


async def test_receipt_of_a_deleted_message_is_known_for_a_while(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipts, "MOST_DELETED", 2)
    words = await hold(broker, "orders", 3)
    await broker.delete("orders")

    assert broker.receipts.touch("orders", words) == words[:1]
    assert broker.receipts.settle("other", words, Decision.ACK) == words
    assert broker.receipts.settle("orders", words, Decision.ACK) == words[:1]
    assert broker.receipts.settle("orders", words, Decision.ACK) == words


async def test_one_topic_leaves_room_for_others(broker: Broker, most: int) -> None:
    assert await hold_all(broker, "greedy", "mallory") == most // 2 + 1
    with pytest.raises(TooMuchHeld, match="deliveries of this topic"):
        await receive(broker, "greedy", 1, client="alice")

    assert len(await hold(broker, "modest", 20, "alice")) == 20


async def test_one_client_leaves_room_for_others_however_many_topics_it_takes_from(
    broker: Broker, most: int
) -> None:
    held = [await hold_all(broker, f"topic{number}", "mallory") for number in range(5)]
    assert sum(held) == most // 2 + 1
    with pytest.raises(TooMuchHeld, match="deliveries of this address"):
        await receive(broker, "another", 1, client="mallory")

    assert len(await hold(broker, "orders", 20, "alice")) == 20


async def test_bytes_are_shared_in_the_same_way(
    broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(receipts, "MOST_BYTES", 1000)
    words = await hold(broker, "greedy", 6, "mallory", b"x" * 100)

    for topic, client in (("greedy", "alice"), ("other", "mallory")):
        with pytest.raises(TooMuchHeld):
            await receive(broker, topic, 1, client=client)
    assert len(await hold(broker, "other", 3, "alice", b"x" * 100)) == 3

    broker.receipts.settle("greedy", words, Decision.ACK)
    assert len(await hold(broker, "greedy", 1, "mallory")) == 1


async def test_many_receipts_of_a_deleted_topic_end_in_slices_with_turns_for_others(
    broker: Broker,
) -> None:
    words = await hold(broker, "orders", 1200)
    assert len(words) == 1200
    left = []

    deleting = asyncio.create_task(broker.delete("orders"))
    while not deleting.done():
        await asyncio.sleep(0)
        left.append(len(broker.receipts._held))

    assert {700, 200, 0} <= set(left)
