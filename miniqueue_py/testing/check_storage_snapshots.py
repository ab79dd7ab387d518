"""What every engine promises about a topic shown as it stands, or put in another's place."""

from miniqueue_py.broker.delivery import ACK, REDRIVE, TO_BACK, TO_FRONT, Bury, Delay
from miniqueue_py.broker.message import BatchCount, Message, Publication
from miniqueue_py.broker.policy import DEFAULT_POLICY, TopicPolicy
from miniqueue_py.broker.storage import Storage, TopicStatistics
from miniqueue_py.testing.storing import (
    ANY_NUMBER,
    NOW,
    bodies,
    counts,
    later,
    lease,
    publish,
    publish_as,
    publish_in_batch,
)

MANY = 2500
"""More than an engine keeps at hand."""

PAUSED = TopicPolicy(is_paused=True)


def snapshot(storage: Storage, topic: str, now: float = NOW) -> list[bytes]:
    """Return all that a snapshot shows."""
    with storage.snapshot(topic, now) as messages:
        return [message.body for message in messages]


async def publish_numbers(storage: Storage, topic: str, count: int) -> list[bytes]:
    numbers = [b"%d" % number for number in range(count)]
    await publish(storage, topic, *numbers)
    return numbers


# Snapshots


async def check_a_snapshot_shows_what_is_ready_as_it_would_be_handed_out(storage: Storage) -> None:
    now = later(storage)
    await publish(storage, "shown", b"1", b"2", b"3", b"4")
    await publish_as(storage, "shown", Publication([b"high"], priority=9), now)
    await publish_as(storage, "shown", Publication([b"mortal"], ttl_seconds=1.0), now)
    await publish_as(storage, "shown", Publication([b"later"], delay_seconds=1.0), now)
    high, held, back, _, front = lease(storage, "shown", 5, now)
    storage.settle([front], Delay(now + 1))
    storage.settle([back], TO_BACK)
    storage.settle([high], TO_FRONT)
    assert snapshot(storage, "shown", now + 0.9) == [b"high", b"mortal", b"2"]
    assert snapshot(storage, "shown", now + 1) == [b"high", b"2"]
    storage.release_due(now + 1, ANY_NUMBER)
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
    assert counts(storage, "kept whole") == (1, 0, 0)
    assert snapshot(storage, "never seen") == []
    assert not storage.knows("never seen")


async def check_nothing_that_happens_later_changes_a_snapshot(storage: Storage) -> None:
    numbers = await publish_numbers(storage, "still", MANY)
    held = lease(storage, "still", 3)
    with storage.snapshot("still", NOW) as messages:
        shown = [next(messages).body for _ in range(5)]
        storage.settle(lease(storage, "still", MANY - 100), ACK)
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
    deliveries = lease(storage, "far", MANY)
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
        storage.settle(lease(storage, "twice", 1), ACK)
        with storage.snapshot("twice", NOW) as two:
            assert [next(two).body, next(one).body, next(one).body] == [b"2", b"1", b"2"]
            assert (next(one, None), next(two, None)) == (None, None)


# Replacing


async def check_a_topic_takes_the_place_of_another_with_all_it_has(storage: Storage) -> None:
    now = later(storage)
    await publish(storage, "place", b"old", b"old too")
    old = lease(storage, "place", 1)
    await publish(storage, "place", *[b"x"] * MANY)
    await publish(storage, "taker", b"1", b"2", b"3")
    await publish_as(storage, "taker", Publication([b"later"], delay_seconds=1.0), now)
    await publish_as(storage, "taker", Publication([b"mortal"], ttl_seconds=1.0), now)
    held, acked = lease(storage, "taker", 2)
    storage.settle([acked], ACK)
    before, totals = storage.statistics("taker"), storage.totals()
    gone = storage.statistics("place")
    await storage.replace("place", "taker")
    assert storage.statistics("place") == before
    assert storage.totals().messages == totals.messages - gone.ready - gone.in_flight
    assert storage.totals().bytes == totals.bytes - gone.bytes
    assert not storage.knows("taker")
    assert storage.statistics("taker") == TopicStatistics()
    assert storage.settle(old, TO_FRONT) == old
    assert not storage.settle([held], TO_FRONT)
    moved = storage.release_due(now + 1, ANY_NUMBER)
    assert (moved.restored, moved.expired) == (1, 1)
    assert bodies(lease(storage, "place", 9)) == [b"later", b"1", b"3"]


async def check_what_is_published_after_a_replacement_stands_behind_it(storage: Storage) -> None:
    await publish(storage, "line", b"old")
    first = await publish(storage, "next line", b"1")
    await storage.replace("line", "next line")
    second = await publish(storage, "line", b"2")
    assert second.id > first.id
    assert bodies(lease(storage, "line", 9)) == [b"1", b"2"]
    await publish(storage, "next line", b"another")
    await storage.purge("next line")
    assert counts(storage, "line") == (0, 2, 0)


async def check_a_replaced_topic_keeps_its_policy(storage: Storage) -> None:
    await storage.set_policy("ruled", PAUSED)
    await storage.set_policy("unruled", TopicPolicy(lease=1.0))
    await storage.replace("ruled", "unruled")
    assert storage.policy("ruled") == PAUSED
    assert storage.policy("unruled") == DEFAULT_POLICY
    await storage.set_policy("unruled", TopicPolicy(lease=1.0))
    await storage.replace("new rule", "unruled")
    assert storage.policy("new rule") == DEFAULT_POLICY


async def check_who_waits_for_a_replaced_topic_is_told(storage: Storage) -> None:
    heard: list[str] = []
    storage.watch(heard.append)
    await publish(storage, "waiting", b"1")
    heard.clear()
    await storage.replace("waited for", "waiting")
    assert heard == ["waited for"]
    storage.settle(lease(storage, "waited for", 1), TO_FRONT)
    assert heard == ["waited for"] * 2


async def check_a_topic_that_is_not_there_replaces_as_an_empty_one(storage: Storage) -> None:
    await publish(storage, "emptied", b"1")
    await storage.set_policy("emptied", PAUSED)
    await storage.replace("emptied", "nothing there")
    assert storage.knows("emptied")
    assert storage.statistics("emptied") == TopicStatistics()
    assert storage.policy("emptied") == PAUSED
    assert not storage.knows("nothing there")


async def check_a_topic_that_replaces_itself_stays_as_it_is(storage: Storage) -> None:
    await publish(storage, "itself", b"1")
    await storage.replace("itself", "itself")
    assert bodies(lease(storage, "itself", 9)) == [b"1"]


async def check_keys_and_batches_are_those_of_the_new_topic(storage: Storage) -> None:
    old, new = Publication([b"1"], key="old"), Publication([b"1"], key="new")
    await publish_as(storage, "known", old)
    await publish_in_batch(storage, "known", BatchCount("old", 1), b"2")
    await publish_as(storage, "knower", new)
    await publish_in_batch(storage, "knower", BatchCount("new", 1), b"2")
    await storage.replace("known", "knower")
    assert (await publish_as(storage, "known", new)).is_duplicate
    assert not (await publish_as(storage, "known", old)).is_duplicate
    assert await storage.batch_count("known", "new", NOW) == 1
    assert await storage.batch_count("known", "old", NOW) == 0


async def check_a_dead_letter_that_was_moved_so_knows_where_it_came_from(storage: Storage) -> None:
    await publish(storage, "alive", b"1")
    storage.settle(lease(storage, "alive", 1), Bury("buried here", "DEAD", 1))
    await storage.replace("moved letters", "buried here")
    storage.settle(lease(storage, "moved letters", 1), REDRIVE)
    assert bodies(lease(storage, "alive", 9)) == [b"1"]


CHECKS = tuple(check for name, check in globals().items() if name.startswith("check_"))
