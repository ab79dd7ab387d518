"""What every engine promises behind the storage seam, as checks to run on any.

    async with engine() as storage:
        await check_storage(storage)

Each check uses topics of its own, so all may run on one storage, in any order.
"""

from collections.abc import Awaitable, Callable, Sequence

from miniqueue_py.broker.delivery import ACK, TO_BACK, TO_FRONT, Delay, Delivery
from miniqueue_py.broker.message import Message
from miniqueue_py.broker.storage import Storage, TopicStatistics

Check = Callable[[Storage], Awaitable[None]]


async def check_storage(storage: Storage) -> None:
    """Run every check. Raises AssertionError."""
    for check in CHECKS:
        await check(storage)


async def publish(storage: Storage, topic: str, *bodies: bytes) -> None:
    await storage.append(topic, [Message(body) for body in bodies])


def bodies(deliveries: Sequence[Delivery]) -> list[bytes]:
    return [delivery.message.body for delivery in deliveries]


async def check_messages_come_in_publish_order(storage: Storage) -> None:
    await publish(storage, "order", b"1", b"2")
    await publish(storage, "order", b"3")
    assert bodies(storage.lease("order", 10)) == [b"1", b"2", b"3"]


async def check_a_message_has_one_holder(storage: Storage) -> None:
    await publish(storage, "holder", b"1")
    assert len(storage.lease("holder", 1)) == 1
    assert not storage.lease("holder", 1)


async def check_lease_gives_no_more_than_asked(storage: Storage) -> None:
    await publish(storage, "limit", b"1", b"2", b"3")
    assert bodies(storage.lease("limit", 2)) == [b"1", b"2"]


async def check_an_acknowledged_message_is_gone(storage: Storage) -> None:
    await publish(storage, "ack", b"1")
    assert not storage.settle(storage.lease("ack", 1), ACK)
    assert storage.statistics("ack") == TopicStatistics(0, 0, 0)
    assert not storage.lease("ack", 1)


async def check_exactly_one_settlement_wins(storage: Storage) -> None:
    await publish(storage, "once", b"1")
    [delivery] = storage.lease("once", 1)
    assert not storage.settle([delivery], TO_FRONT)
    assert storage.settle([delivery], ACK) == [delivery]
    [again] = storage.lease("once", 1)
    assert storage.settle([delivery], ACK) == [delivery]
    assert not storage.settle([again], ACK)


async def check_several_requeued_to_the_front_keep_their_old_order(storage: Storage) -> None:
    await publish(storage, "front", b"1", b"2", b"3", b"4")
    first, second, third = storage.lease("front", 3)
    storage.settle([third], TO_FRONT)
    storage.settle([first], TO_FRONT)
    storage.settle([second], TO_FRONT)
    assert bodies(storage.lease("front", 10)) == [b"1", b"2", b"3", b"4"]


async def check_requeued_to_the_back_goes_behind_all(storage: Storage) -> None:
    await publish(storage, "back", b"1", b"2", b"3")
    storage.settle(storage.lease("back", 2), TO_BACK)
    assert bodies(storage.lease("back", 10)) == [b"3", b"1", b"2"]


async def check_delayed_messages_return_when_due_in_due_order(storage: Storage) -> None:
    await publish(storage, "delay", b"1", b"2", b"3", b"4", b"5")
    first, second, third, fourth = storage.lease("delay", 4)
    storage.settle([first], Delay(103.0))
    storage.settle([third, second], Delay(102.0))
    storage.settle([fourth], Delay(105.0))
    assert storage.statistics("delay") == TopicStatistics(1, 0, 4)
    assert storage.release_due(101.9) == 0
    assert storage.release_due(104.0) == 3
    deliveries = storage.lease("delay", 10)
    # Equal due times: in publish order.
    assert bodies(deliveries) == [b"2", b"3", b"1", b"5"]
    assert [delivery.message.dack_count for delivery in deliveries] == [1, 1, 1, 0]
    assert storage.release_due(105.0) == 1


async def check_a_delay_counts_each_time(storage: Storage) -> None:
    await publish(storage, "count", b"1")
    for times in range(1, 4):
        storage.settle(storage.lease("count", 1), Delay(times))
        assert storage.release_due(times) == 1
    [delivery] = storage.lease("count", 1)
    assert delivery.message == Message(b"1", dack_count=3)


async def check_purge_takes_one_topic_in_every_state_and_no_other(storage: Storage) -> None:
    for name in ("purge", "purged", "purge-ack"):
        await publish(storage, name, b"1", b"2", b"3")
    held, delayed = storage.lease("purge", 2)
    storage.settle([delayed], Delay(50.0))
    await storage.purge("purge")
    assert storage.statistics("purge") == TopicStatistics(0, 0, 0)
    assert "purge" not in storage.topics()
    assert storage.settle([held], TO_FRONT) == [held]
    assert storage.release_due(60.0) == 0
    assert not storage.lease("purge", 10)
    assert bodies(storage.lease("purged", 10)) == [b"1", b"2", b"3"]
    assert bodies(storage.lease("purge-ack", 10)) == [b"1", b"2", b"3"]
    await publish(storage, "purge", b"new")
    assert storage.settle([held], ACK) == [held]
    assert bodies(storage.lease("purge", 10)) == [b"new"]


async def check_totals_count_everything_held(storage: Storage) -> None:
    before = storage.totals()
    await publish(storage, "totals", b"12345", b"123", b"1")
    first, second = storage.lease("totals", 2)
    storage.settle([first], Delay(1e9))
    storage.settle([second], ACK)
    after = storage.totals()
    assert (after.messages - before.messages, after.bytes - before.bytes) == (2, 6)
    await storage.purge("totals")
    assert storage.totals() == before


async def check_watchers_hear_of_everything_that_becomes_ready(storage: Storage) -> None:
    heard: list[str] = []
    storage.watch(heard.append)
    await publish(storage, "heard", b"1")
    assert heard == ["heard"]
    for outcome in (TO_FRONT, TO_BACK):
        storage.settle(storage.lease("heard", 1), outcome)
    assert heard == ["heard"] * 3
    storage.settle(storage.lease("heard", 1), Delay(10.0))
    assert heard == ["heard"] * 3
    storage.release_due(10.0)
    assert heard == ["heard"] * 4


async def check_an_unknown_topic_is_empty_and_not_made(storage: Storage) -> None:
    assert not storage.lease("unknown", 1)
    assert storage.statistics("unknown") == TopicStatistics(0, 0, 0)
    await storage.purge("unknown")
    assert "unknown" not in storage.topics()


CHECKS: tuple[Check, ...] = (
    check_messages_come_in_publish_order,
    check_a_message_has_one_holder,
    check_lease_gives_no_more_than_asked,
    check_an_acknowledged_message_is_gone,
    check_exactly_one_settlement_wins,
    check_several_requeued_to_the_front_keep_their_old_order,
    check_requeued_to_the_back_goes_behind_all,
    check_delayed_messages_return_when_due_in_due_order,
    check_a_delay_counts_each_time,
    check_purge_takes_one_topic_in_every_state_and_no_other,
    check_totals_count_everything_held,
    check_watchers_hear_of_everything_that_becomes_ready,
    check_an_unknown_topic_is_empty_and_not_made,
)
