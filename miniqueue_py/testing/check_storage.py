"""What every engine promises behind the storage seam, as checks to run on any.

    async with engine() as storage:
        await check_storage(storage)

Each check uses topics of its own, so all may run on one storage, in any order.
"""

from collections.abc import Awaitable, Callable, Sequence

from miniqueue_py.broker.delivery import (
    ACK,
    REDRIVE,
    RELEASE,
    TO_BACK,
    TO_FRONT,
    Bury,
    Redrive,
    Requeue,
)
from miniqueue_py.broker.message import Message, Origin, Publication
from miniqueue_py.broker.storage import Storage
from miniqueue_py.testing import (
    check_storage_looks,
    check_storage_replacing,
    check_storage_snapshots,
    check_storage_time,
    check_storage_topics,
)
from miniqueue_py.testing.storing import (
    ANY_SIZE,
    NOW,
    bodies,
    places,
    publish,
    publish_as,
    take,
)

Check = Callable[[Storage], Awaitable[None]]


async def check_storage(storage: Storage, checks: "Sequence[Check] | None" = None) -> None:
    """Run these checks, or every one. Raises AssertionError."""
    for check in checks or CHECKS:
        await check(storage)


# Handing out


async def check_messages_come_in_publish_order(storage: Storage) -> None:
    await publish(storage, "order", b"1", b"2")
    await publish(storage, "order", b"3")
    assert bodies(await take(storage, "order", 10)) == [b"1", b"2", b"3"]


async def check_higher_priorities_come_first(storage: Storage) -> None:
    for priority in (0, 255, 7, 255):
        await publish_as(storage, "priority", Publication([b"%d" % priority], priority))
    deliveries = await take(storage, "priority", 10)
    assert bodies(deliveries) == [b"255", b"255", b"7", b"0"]
    assert [delivery.message.extras.priority for delivery in deliveries] == [255, 255, 7, 0]


async def check_a_message_has_one_holder(storage: Storage) -> None:
    await publish(storage, "holder", b"1")
    assert len(await take(storage, "holder", 1)) == 1
    assert not await take(storage, "holder", 1)


async def check_lease_gives_no_more_than_asked(storage: Storage) -> None:
    await publish(storage, "limit", b"1", b"2", b"3")
    assert not await take(storage, "limit", 0)
    assert bodies(await take(storage, "limit", 2)) == [b"1", b"2"]


async def check_lease_stops_behind_the_message_that_fills_it(storage: Storage) -> None:
    await publish(storage, "size", b"12345", b"12345", b"1", b"1")
    assert bodies(await take(storage, "size", 10, NOW, 6)) == [b"12345", b"12345"]
    assert bodies(await take(storage, "size", 10, NOW, 1)) == [b"1"]
    assert not await take(storage, "size", 10, NOW, 0)


async def check_a_message_tells_its_id_its_date_and_its_attempt(storage: Storage) -> None:
    first = await publish(storage, "message", b"1", b"2", now=1234.5)
    one, two = await take(storage, "message", 2)
    assert one.message == Message(b"1", first.id, 1_234_500)
    assert two.message.id == (first.id[0], first.id[1] + 1)
    assert one.message.attempt == 1


async def check_peek_shows_what_comes_next_and_takes_nothing(storage: Storage) -> None:
    await publish(storage, "peek", b"1", b"2", b"3")
    await take(storage, "peek", 1)
    assert [message.body for message in await storage.peek("peek", 1, ANY_SIZE, NOW)] == [b"2"]
    assert [message.body for message in await storage.peek("peek", 9, ANY_SIZE, NOW)] == [
        b"2",
        b"3",
    ]
    assert await places(storage, "peek") == (2, 1, 0)


async def check_peek_stops_behind_the_message_that_fills_it(storage: Storage) -> None:
    await publish(storage, "peek size", b"12345", b"12345", b"1")
    assert len(await storage.peek("peek size", 9, 6, NOW)) == 2
    assert len(await storage.peek("peek size", 9, 5, NOW)) == 1
    assert not await storage.peek("peek size", 9, 0, NOW)


# Settling


async def check_an_acknowledged_message_is_gone(storage: Storage) -> None:
    await publish(storage, "ack", b"1")
    assert not storage.settle(await take(storage, "ack", 1), ACK)
    assert await places(storage, "ack") == (0, 0, 0)
    assert not await take(storage, "ack", 1)


async def check_exactly_one_settlement_wins(storage: Storage) -> None:
    await publish(storage, "once", b"1", b"2")
    delivery, other = await take(storage, "once", 2)
    assert storage.settle([other, delivery, other], TO_FRONT) == [other]
    assert storage.settle([delivery], ACK) == [delivery]
    [again] = await take(storage, "once", 1)
    assert storage.settle([delivery, again], ACK) == [delivery]
    assert await places(storage, "once") == (1, 0, 0)


async def check_several_requeued_to_the_front_keep_their_old_order(storage: Storage) -> None:
    await publish(storage, "front", b"1", b"2", b"3", b"4")
    first, second, third = await take(storage, "front", 3)
    storage.settle([third], TO_FRONT)
    storage.settle([first], TO_FRONT)
    storage.settle([second], TO_FRONT)
    assert bodies(await take(storage, "front", 10)) == [b"1", b"2", b"3", b"4"]


async def check_requeued_to_the_back_goes_behind_all(storage: Storage) -> None:
    await publish(storage, "back", b"1", b"2", b"3")
    storage.settle(await take(storage, "back", 2), TO_BACK)
    assert bodies(await take(storage, "back", 10)) == [b"3", b"1", b"2"]


async def check_an_attempt_is_counted_unless_it_is_released(storage: Storage) -> None:
    first = await publish(storage, "attempts", b"1")
    must_last = Requeue(front=True, must_last=True)
    for attempt, outcome in ((1, TO_FRONT), (2, must_last), (3, RELEASE), (3, TO_BACK), (4, ACK)):
        [delivery] = await take(storage, "attempts", 1)
        assert (delivery.message.attempt, delivery.message.id) == (attempt, first.id)
        storage.settle([delivery], outcome)


async def check_a_buried_message_is_behind_all_of_another_topic(storage: Storage) -> None:
    first = await publish_as(storage, "buried", Publication([b"1"], 7, 0.0, 60.0))
    await publish_as(storage, "grave", Publication([b"0"], 7))
    storage.settle(await take(storage, "buried", 1), TO_FRONT)
    storage.settle(await take(storage, "buried", 1), Bury("grave", "maxDeliveries", 77))
    assert await places(storage, "buried") == (0, 0, 0)
    _, dead = await take(storage, "grave", 10, NOW + 100)
    assert dead.message.body == b"1"
    assert dead.message.id == first.id
    extras = dead.message.extras
    assert extras.origin == Origin("buried", "maxDeliveries", 2, 77)
    assert (extras.attempts, extras.priority, extras.expires_ms) == (0, 7, None)


async def check_a_redriven_message_begins_anew_where_it_came_from(storage: Storage) -> None:
    first = await publish(storage, "source", b"1")
    await publish(storage, "source", b"2")
    storage.settle(await take(storage, "source", 1), Bury("dead", "DEAD", 77))
    storage.settle(await take(storage, "dead", 1), REDRIVE)
    assert bodies(await take(storage, "source", 1)) == [b"2"]
    [again] = await take(storage, "source", 10)
    assert again.message == Message(b"1", first.id, int(NOW * 1000))
    storage.settle([again], REDRIVE)  # no dead letter: it stays where it is
    assert bodies(await take(storage, "source", 1)) == [b"1"]


async def check_who_dies_twice_finds_home_by_either_way(storage: Storage) -> None:
    first = await publish(storage, "home", b"1")
    died, again = Bury("grave 1", "maxDeliveries", 7), Bury("grave 2", "DEAD", 8)
    at_home = Origin("home", "maxDeliveries", 1, 7)
    storage.settle(await take(storage, "home", 1), died)
    storage.settle(await take(storage, "grave 1", 1), again)
    storage.settle(await take(storage, "grave 2", 1), Bury("grave 3", "DEAD", 9))
    [dead] = await take(storage, "grave 3", 1)
    assert dead.message.extras.origin == Origin("grave 2", "DEAD", 1, 9, at_home)
    storage.settle([dead], REDRIVE)
    [dead] = await take(storage, "grave 2", 1)
    assert dead.message.extras.origin == at_home, "it can go on from there"
    storage.settle([dead], REDRIVE)
    [fresh] = await take(storage, "home", 1)
    assert fresh.message == Message(b"1", first.id, int(NOW * 1000))
    storage.settle([fresh], died)
    storage.settle(await take(storage, "grave 1", 1), again)
    storage.settle(await take(storage, "grave 2", 1), Redrive(to_first=True))
    [fresh] = await take(storage, "home", 1)
    assert fresh.message == Message(b"1", first.id, int(NOW * 1000))
    storage.settle([fresh], died)
    storage.settle(await take(storage, "grave 1", 1), Redrive(topic="new home"))
    [fresh] = await take(storage, "new home", 1)
    assert fresh.message == Message(b"1", first.id, int(NOW * 1000))
    storage.settle([fresh], Redrive(topic="home"))  # no dead letter: it stays
    assert await places(storage, "new home") == (1, 0, 0)


async def check_what_is_settled_is_told_when_it_is_durable(storage: Storage) -> None:
    await publish(storage, "settled", b"1", b"2")
    storage.settle(await take(storage, "settled", 1), ACK)
    await storage.settled()
    assert await places(storage, "settled") == (1, 0, 0)
    await storage.settled()  # nothing new was


_PARTS = (
    check_storage_topics,
    check_storage_looks,
    check_storage_replacing,
    check_storage_time,
    check_storage_snapshots,
)

SHARED_CHECKS: tuple[Check, ...] = (
    *(
        check
        for name, check in globals().items()
        if name.startswith("check_") and check is not check_storage and check not in _PARTS
    ),
    *(check for part in _PARTS[:-1] for check in part.CHECKS),
)
"""What an engine promises on whatever machine it keeps things."""

CHECKS: tuple[Check, ...] = (*SHARED_CHECKS, *check_storage_snapshots.CHECKS)
