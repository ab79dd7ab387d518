"""What every engine promises about time: delays, ends of lives, keys and counts that are forgotten.

Each check has instants of its own, later than those of the checks before it.
"""

from miniqueue_py.broker.delivery import TO_FRONT, Delay
from miniqueue_py.broker.message import BatchCount, Publication, Stored
from miniqueue_py.broker.storage import Moved, Storage
from miniqueue_py.errors import KeyReused
from miniqueue_py.testing.storing import (
    ANY_NUMBER,
    ANY_SIZE,
    KEEP_KEYS_FOR,
    NOW,
    bodies,
    fresh,
    later,
    places,
    publish,
    publish_as,
    publish_in_batch,
    take,
)


async def check_delayed_messages_return_when_due_in_due_order(storage: Storage) -> None:
    now = await later(storage)
    await publish(storage, "delay", b"1", b"2", b"3", b"4", b"5")
    first, second, third, fourth = await take(storage, "delay", 4)
    storage.settle([first], Delay(now + 3))
    storage.settle([third, second], Delay(now + 2))
    storage.settle([fourth], Delay(now + 5))
    assert await places(storage, "delay") == (1, 0, 4)
    assert await storage.release_due(now + 1.9, ANY_NUMBER) == Moved()
    assert await storage.release_due(now + 4, ANY_NUMBER) == Moved(restored=3)
    deliveries = await take(storage, "delay", 10)
    # Equal due times: as they stood in line.
    assert bodies(deliveries) == [b"2", b"3", b"1", b"5"]
    assert [delivery.message.extras.dack_count for delivery in deliveries] == [1, 1, 1, 0]
    assert await storage.release_due(now + 5, ANY_NUMBER) == Moved(restored=1)


async def check_messages_published_with_a_delay_wait_for_it(storage: Storage) -> None:
    now = await later(storage)
    await publish(storage, "later", b"3")
    await publish_as(storage, "later", Publication([b"1", b"2"], delay_seconds=2.0), now)
    assert await places(storage, "later") == (1, 0, 2)
    assert await storage.release_due(now + 1.9, ANY_NUMBER) == Moved()
    assert await storage.release_due(now + 2, ANY_NUMBER) == Moved(restored=2)
    assert bodies(await take(storage, "later", 10)) == [b"1", b"2", b"3"]


async def check_slices_of_a_release_keep_its_order(storage: Storage) -> None:
    now = await later(storage)
    for number in range(10):
        delayed = Publication([b"%d" % number], delay_seconds=10 - number)
        await publish_as(storage, "slices", delayed, now)
    await publish(storage, "slices", b"ready")
    slices = [await storage.release_due(now + 20, 4) for _ in range(3)]
    assert slices == [Moved(4, 0, True), Moved(4, 0, True), Moved(2)]
    expected = [b"%d" % number for number in reversed(range(10))] + [b"ready"]
    assert bodies(await take(storage, "slices", 20)) == expected


async def check_a_delay_counts_each_time_that_its_consumer_asked_for_it(storage: Storage) -> None:
    now = await later(storage)
    await publish(storage, "count", b"1")
    for times, is_dack in enumerate((True, False, True), 1):
        storage.settle(await take(storage, "count", 1), Delay(now + times, is_dack))
        assert (await storage.release_due(now + times, ANY_NUMBER)).restored == 1
    [delivery] = await take(storage, "count", 1)
    assert (delivery.message.extras.dack_count, delivery.message.attempt) == (2, 4)


async def check_what_has_expired_is_handed_to_nobody(storage: Storage) -> None:
    now = await later(storage)
    expired = (await fresh(storage)).totals().expired
    await publish_as(storage, "ttl", Publication([b"1", b"2"], ttl_seconds=1.0), now)
    await publish(storage, "ttl", b"3")
    [held] = await take(storage, "ttl", 1, now)
    assert [message.body for message in await storage.peek("ttl", 9, ANY_SIZE, now + 1)] == [b"3"]
    assert bodies(await take(storage, "ttl", 9, now + 1)) == [b"3"]
    assert not storage.settle([held], TO_FRONT)
    assert await storage.release_due(now + 1, ANY_NUMBER) == Moved(expired=1)
    assert (await fresh(storage)).statistics("ttl").expired == 2
    assert (await fresh(storage)).totals().expired == expired + 2


async def check_what_expires_while_it_is_delayed_is_gone_then(storage: Storage) -> None:
    now = await later(storage)
    mortal = Publication([b"1"], delay_seconds=5.0, ttl_seconds=1.0)
    await publish_as(storage, "mortal", mortal, now)
    assert await storage.release_due(now + 0.9, ANY_NUMBER) == Moved()
    assert await storage.release_due(now + 1, ANY_NUMBER) == Moved(expired=1)
    assert await places(storage, "mortal") == (0, 0, 0)


async def check_a_key_stores_once_in_its_time(storage: Storage) -> None:
    now = await later(storage)
    once = Publication([b"1"], key="k")
    first = await publish_as(storage, "keys", once, now)
    assert await publish_as(storage, "keys", once, now + 299) == Stored(first.id, True)
    assert not (await publish_as(storage, "other keys", once, now)).is_duplicate
    again = await publish_as(storage, "keys", once, now + 300)
    assert (again.is_duplicate, again.id > first.id) == (False, True)
    assert bodies(await take(storage, "keys", 9, now)) == [b"1", b"1"]


async def check_a_key_counts_in_the_call_that_stores_it(storage: Storage) -> None:
    once = Publication([b"1"], key="k")
    stored = await storage.append("same call", [once, once], NOW, KEEP_KEYS_FOR)
    assert [each.is_duplicate for each in stored] == [False, True]
    assert len(await take(storage, "same call", 9)) == 1


async def check_a_key_belongs_to_one_body(storage: Storage) -> None:
    now = await later(storage)
    first = await publish_as(storage, "one body", Publication([b"1"], key="k"), now)
    for others in ([b"2"], [b""]):
        await refuse_reuse(storage, [Publication(others, key="k")], now + 1)
    mixed = [Publication([b"3"]), Publication([b"4"], key="new"), Publication([b"2"], key="k")]
    await refuse_reuse(storage, mixed, now + 1)
    twice = [Publication([b"5"], key="twice"), Publication([b"6"], key="twice")]
    await refuse_reuse(storage, twice, now + 1)
    assert await places(storage, "one body") == (1, 0, 0), "all are stored, or none"
    same = await publish_as(storage, "one body", Publication([b"1"], key="k"), now + 1)
    assert same == Stored(first.id, True)
    other = await publish_as(storage, "one body", Publication([b"2"], key="k"), now + 300)
    assert not other.is_duplicate, "its time is over"


async def refuse_reuse(storage: Storage, publications: list[Publication], now: float) -> None:
    try:
        await storage.append("one body", publications, now, KEEP_KEYS_FOR)
    except KeyReused:
        return
    raise AssertionError(f"{publications} were stored")


async def check_purge_forgets_keys(storage: Storage) -> None:
    once = Publication([b"1"], key="k")
    await publish_as(storage, "purged keys", once)
    await storage.purge("purged keys")
    assert not (await publish_as(storage, "purged keys", once)).is_duplicate


async def check_a_batch_is_counted_where_its_publisher_says(storage: Storage) -> None:
    assert await storage.batch_count("batch", "k", NOW) == 0
    await publish_in_batch(storage, "batch", BatchCount("k", 2), b"1", b"2")
    await publish_in_batch(storage, "batch", BatchCount("other", 1), b"3")
    await publish_in_batch(storage, "other batch", BatchCount("k", 1), b"1")
    await publish_in_batch(storage, "batch", BatchCount("k", 7), b"4")
    assert await storage.batch_count("batch", "k", NOW) == 7
    assert await storage.batch_count("batch", "other", NOW) == 1
    assert await storage.batch_count("other batch", "k", NOW) == 1
    assert len(await take(storage, "batch", 9)) == 4


async def check_a_batch_counts_all_that_was_begun_before_it_is_asked_for(storage: Storage) -> None:
    begun = [
        storage.append("begun", [Publication([b"x"])], NOW, KEEP_KEYS_FOR, BatchCount("k", number))
        for number in (1, 2, 3)
    ]
    assert await storage.batch_count("begun", "k", NOW) == 3
    assert all(each.done() for each in begun)
    assert await places(storage, "begun") == (3, 0, 0)


async def check_a_batch_is_remembered_for_a_time_since_its_last_write(storage: Storage) -> None:
    now = await later(storage)
    await publish_in_batch(storage, "kept", BatchCount("k", 1), b"1", now=now)
    await publish_in_batch(storage, "kept", BatchCount("gone", 1), b"1", now=now + 1)
    await publish_in_batch(storage, "kept", BatchCount("k", 2), b"2", now=now + 200)
    for at in (299, 301, 499):
        await storage.release_due(now + at, ANY_NUMBER)
        assert await storage.batch_count("kept", "k", now + at) == 2
    assert await storage.batch_count("kept", "gone", now + 301) == 0
    assert await storage.batch_count("kept", "k", now + 500) == 0
    assert await storage.release_due(now + 500, ANY_NUMBER) == Moved()
    await publish_in_batch(storage, "kept", BatchCount("k", 1), b"1", now=now + 501)
    assert await storage.batch_count("kept", "k", now + 501) == 1


async def check_the_key_of_a_batch_is_no_key_of_a_message(storage: Storage) -> None:
    await publish_in_batch(storage, "namespace", BatchCount("k", 1), b"1")
    once = Publication([b"1"], key="k")
    assert not (await publish_as(storage, "namespace", once)).is_duplicate
    assert await storage.batch_count("namespace", "k", NOW) == 1


async def check_purge_forgets_batches(storage: Storage) -> None:
    await publish_in_batch(storage, "purged batch", BatchCount("k", 1), b"1")
    await storage.purge("purged batch")
    assert await storage.batch_count("purged batch", "k", NOW) == 0
    await publish(storage, "purged batch", b"2")
    assert await storage.batch_count("purged batch", "k", NOW) == 0


async def check_to_ask_for_a_batch_makes_no_topic(storage: Storage) -> None:
    assert await storage.batch_count("asked", "k", NOW) == 0
    assert not (await fresh(storage)).knows("asked")


CHECKS = tuple(check for name, check in globals().items() if name.startswith("check_"))
