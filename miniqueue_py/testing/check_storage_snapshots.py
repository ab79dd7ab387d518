"""What every engine on the same machine promises about a topic shown as it stands."""

from miniqueue_py.broker.delivery import ACK, TO_BACK, TO_FRONT, Delay
from miniqueue_py.broker.message import Message, Publication
from miniqueue_py.broker.storage import Storage
from miniqueue_py.testing.storing import (
    ANY_NUMBER,
    NOW,
    fresh,
    later,
    places,
    publish,
    publish_as,
    take,
)

MANY = 2500
"""More than an engine keeps at hand."""


def snapshot(storage: Storage, topic: str, now: float = NOW) -> list[bytes]:
    """Return all that a snapshot shows."""
    with storage.snapshot(topic, now) as messages:
        return [message.body for message in messages]


async def publish_numbers(storage: Storage, topic: str, count: int) -> list[bytes]:
    numbers = [b"%d" % number for number in range(count)]
    await publish(storage, topic, *numbers)
    return numbers


async def check_a_snapshot_shows_what_is_ready_as_it_would_be_handed_out(storage: Storage) -> None:
    now = await later(storage)
    await publish(storage, "shown", b"1", b"2", b"3", b"4")
    await publish_as(storage, "shown", Publication([b"high"], priority=9), now)
    await publish_as(storage, "shown", Publication([b"mortal"], ttl_seconds=1.0), now)
    await publish_as(storage, "shown", Publication([b"later"], delay_seconds=1.0), now)
    high, held, back, _, front = await take(storage, "shown", 5, now)
    storage.settle([front], Delay(now + 1))
    storage.settle([back], TO_BACK)
    storage.settle([high], TO_FRONT)
    assert snapshot(storage, "shown", now + 0.9) == [b"high", b"mortal", b"2"]
    assert snapshot(storage, "shown", now + 1) == [b"high", b"2"]
    await storage.release_due(now + 1, ANY_NUMBER)
    assert snapshot(storage, "shown", now + 1) == [b"high", b"4", b"later", b"2"]
    assert not storage.settle([held], TO_FRONT)
    assert snapshot(storage, "shown", now + 1) == [b"high", b"4", b"later", b"1", b"2"]


async def check_a_snapshot_shows_whole_messages(storage: Storage) -> None:
    first = await publish(storage, "whole", b"1", now=7.5)
    with storage.snapshot("whole", NOW) as messages:
        assert list(messages) == [Message(b"1", first.id, 7_500)]


async def check_a_snapshot_takes_nothing_and_an_unknown_topic_is_not_made(storage: Storage) -> None:
    await publish(storage, "kept whole", b"1")
    assert snapshot(storage, "kept whole") == [b"1"]
    assert await places(storage, "kept whole") == (1, 0, 0)
    assert snapshot(storage, "never seen") == []
    assert not (await fresh(storage)).knows("never seen")


async def check_nothing_that_happens_later_changes_a_snapshot(storage: Storage) -> None:
    numbers = await publish_numbers(storage, "still", MANY)
    held = await take(storage, "still", 3)
    with storage.snapshot("still", NOW) as messages:
        shown = [next(messages).body for _ in range(5)]
        storage.settle(await take(storage, "still", MANY - 100), ACK)
        storage.settle(held, TO_FRONT)
        await publish(storage, "still", b"new")
        await publish_as(storage, "still", Publication([b"newer"], priority=9))
        shown += [next(messages).body for _ in range(5)]
        await storage.purge("still")
        await publish(storage, "still", b"newest")
        shown += [message.body for message in messages]
    assert shown == numbers[3:]
    assert snapshot(storage, "still") == [b"newest"]


async def check_snapshots_leave_out_what_is_held_however_far_behind(storage: Storage) -> None:
    numbers = await publish_numbers(storage, "far", MANY)
    deliveries = await take(storage, "far", MANY)
    held = deliveries[::7]
    storage.settle([each for each in deliveries if each not in set(held)], TO_FRONT)
    storage.settle(held[-1:], ACK)
    with storage.snapshot("far", NOW) as messages:
        storage.settle(held[:-1], TO_FRONT)
        shown = [message.body for message in messages]
    assert shown == [number for index, number in enumerate(numbers) if index % 7]
    numbers.remove(held[-1].message.body)
    assert snapshot(storage, "far") == numbers


async def check_snapshots_of_one_topic_do_not_know_of_each_other(storage: Storage) -> None:
    await publish(storage, "twice", b"1", b"2")
    with storage.snapshot("twice", NOW) as one:
        storage.settle(await take(storage, "twice", 1), ACK)
        with storage.snapshot("twice", NOW) as two:
            assert [next(two).body, next(one).body, next(one).body] == [b"2", b"1", b"2"]
            assert (next(one, None), next(two, None)) == (None, None)


CHECKS = tuple(check for name, check in globals().items() if name.startswith("check_"))
