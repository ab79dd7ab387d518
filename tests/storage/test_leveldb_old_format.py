"""A database of the first version, as it lies on the disk, and one of a version to come."""

from pathlib import Path
from struct import Struct

import pytest

from miniqueue_py.broker.delivery import ACK, Delay
from miniqueue_py.broker.message import Extras, Message
from miniqueue_py.broker.storage import Moved, TopicStatistics
from miniqueue_py.errors import DatabaseRefused
from miniqueue_py.storage.ordered.engine import OrderedStorage
from miniqueue_py.storage.ordered.layout import keys
from miniqueue_py.storage.ordered.opening import open_ordered
from miniqueue_py.testing.storing import ANY_NUMBER, bodies, counts, lease, publish
from tests.storage.raw import raw

pytestmark = pytest.mark.anyio

OLD_TOPIC = Struct(">BQQQQQ14s")
OLD_DACK_COUNT = Struct(">BBI")
MIDDLE = 1 << 63
TOPIC = 7


def write_old_database(path: Path) -> None:
    """Three messages that wait, the second after two DACKs, and one that is set aside."""
    front, back = MIDDLE - 5, MIDDLE + 4
    head = keys.message_key(TOPIC, front)
    with raw(path) as database:
        database.put(keys.VERSION_KEY, b"miniqueue 1")
        database.put(
            keys.topic_key(TOPIC), OLD_TOPIC.pack(1, front, back, 3, 1, 13, head) + b"orders"
        )
        database.put(head, OLD_DACK_COUNT.pack(1, 1, 2) + b"again")
        database.put(keys.message_key(TOPIC, MIDDLE + 2), b"\x01\x00two")
        database.put(keys.message_key(TOPIC, MIDDLE + 3), b"\x01\x00")
        database.put(
            keys.delayed_key(5_000, TOPIC, MIDDLE + 1), OLD_DACK_COUNT.pack(1, 1, 1) + b"later"
        )


def reopen(path: Path) -> OrderedStorage:
    return open_ordered(path, fsync="never", fsync_interval_seconds=1.0)


async def test_database_of_the_first_version_is_read_in_its_order(tmp_path: Path) -> None:
    write_old_database(tmp_path)

    storage = reopen(tmp_path)

    assert storage.topics() == ["orders"]
    assert storage.statistics("orders") == TopicStatistics(ready=3, delayed=1, bytes=13)
    assert storage.oldest_ms("orders") == 0, "it has no date"
    await publish(storage, "orders", b"new")
    assert await storage.release_due(4.9, ANY_NUMBER) == Moved()
    assert await storage.release_due(5.0, ANY_NUMBER) == Moved(restored=1)
    deliveries = lease(storage, "orders", 10)
    assert bodies(deliveries) == [b"later", b"again", b"two", b"", b"new"]
    later, again, two, _, _ = deliveries
    assert later.message == Message(b"later", (TOPIC, 2), None, Extras(dack_count=1))
    assert again.message == Message(b"again", (TOPIC, 2**64 - 4), None, Extras(dack_count=2))
    assert two.message == Message(b"two", (TOPIC, 3), None)
    await storage.aclose()


async def test_message_that_the_first_version_had_moved_to_the_front_can_be_set_aside(
    tmp_path: Path,
) -> None:
    write_old_database(tmp_path)
    storage = reopen(tmp_path)
    first, second = lease(storage, "orders", 2)

    storage.settle([first, second], Delay(3.0))
    assert await storage.release_due(3.0, ANY_NUMBER) == Moved(restored=2)

    again = lease(storage, "orders", 2)
    assert bodies(again) == [b"again", b"two"]
    assert [delivery.message.id for delivery in again] == [first.message.id, second.message.id]
    await storage.aclose()


async def test_database_of_the_first_version_is_marked_when_it_is_opened(tmp_path: Path) -> None:
    write_old_database(tmp_path)
    await reopen(tmp_path).aclose()

    with raw(tmp_path) as database:
        assert database.get(keys.VERSION_KEY) == b"miniqueue 3"


async def test_database_of_the_first_version_goes_on_as_one_of_this(tmp_path: Path) -> None:
    write_old_database(tmp_path)
    storage = reopen(tmp_path)
    [again] = lease(storage, "orders", 1)
    storage.settle([again], ACK)
    await storage.aclose()

    storage = reopen(tmp_path)

    assert counts(storage, "orders") == (2, 0, 1)
    assert await storage.batch_count("orders", "k", 1.0) == 0
    assert storage.statistics("orders").acknowledged == 1
    assert bodies(lease(storage, "orders", 10)) == [b"two", b""]
    await storage.aclose()


async def test_database_of_a_newer_version_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    with raw(tmp_path) as database:
        database.put(keys.VERSION_KEY, b"miniqueue 4")

    with pytest.raises(DatabaseRefused, match="'miniqueue 4', written by a newer version"):
        reopen(tmp_path)

    with raw(tmp_path) as database:
        assert database.get(keys.VERSION_KEY) == b"miniqueue 4"
