"""What every engine promises about a topic that is put in another's place."""

from miniqueue_py.broker.delivery import ACK, REDRIVE, TO_FRONT, Bury
from miniqueue_py.broker.message import BatchCount, Publication
from miniqueue_py.broker.policy import DEFAULT_POLICY, TopicPolicy
from miniqueue_py.broker.storage import Storage, TopicStatistics
from miniqueue_py.testing.storing import (
    ANY_NUMBER,
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

MANY = 2500
"""More than an engine keeps at hand."""

PAUSED = TopicPolicy(is_paused=True)


async def check_a_topic_takes_the_place_of_another_with_all_it_has(storage: Storage) -> None:
    now = await later(storage)
    await publish(storage, "place", b"old", b"old too")
    old = await take(storage, "place", 1)
    await publish(storage, "place", *[b"x"] * MANY)
    await publish(storage, "taker", b"1", b"2", b"3")
    await publish_as(storage, "taker", Publication([b"later"], delay_seconds=1.0), now)
    await publish_as(storage, "taker", Publication([b"mortal"], ttl_seconds=1.0), now)
    held, acked = await take(storage, "taker", 2)
    storage.settle([acked], ACK)
    before, totals = (await fresh(storage)).statistics("taker"), (await fresh(storage)).totals()
    gone = (await fresh(storage)).statistics("place")
    await storage.replace("place", "taker")
    assert (await fresh(storage)).statistics("place") == before
    assert (await fresh(storage)).totals().messages == totals.messages - gone.ready - gone.in_flight
    assert (await fresh(storage)).totals().bytes == totals.bytes - gone.bytes
    assert not (await fresh(storage)).knows("taker")
    assert (await fresh(storage)).statistics("taker") == TopicStatistics()
    assert storage.settle(old, TO_FRONT) == old
    assert not storage.settle([held], TO_FRONT)
    moved = await storage.release_due(now + 1, ANY_NUMBER)
    assert (moved.restored, moved.expired) == (1, 1)
    assert bodies(await take(storage, "place", 9)) == [b"later", b"1", b"3"]


async def check_what_is_published_after_a_replacement_stands_behind_it(storage: Storage) -> None:
    await publish(storage, "line", b"old")
    first = await publish(storage, "next line", b"1")
    await storage.replace("line", "next line")
    second = await publish(storage, "line", b"2")
    assert second.id > first.id
    assert bodies(await take(storage, "line", 9)) == [b"1", b"2"]
    await publish(storage, "next line", b"another")
    await storage.purge("next line")
    assert await places(storage, "line") == (0, 2, 0)


async def check_a_replaced_topic_keeps_its_policy(storage: Storage) -> None:
    await storage.set_policy("ruled", PAUSED)
    await storage.set_policy("unruled", TopicPolicy(lease=1.0))
    await storage.replace("ruled", "unruled")
    assert (await fresh(storage)).policy("ruled") == PAUSED
    assert (await fresh(storage)).policy("unruled") == DEFAULT_POLICY
    await storage.set_policy("unruled", TopicPolicy(lease=1.0))
    await storage.replace("new rule", "unruled")
    assert (await fresh(storage)).policy("new rule") == DEFAULT_POLICY


async def check_who_waits_for_a_replaced_topic_is_told(storage: Storage) -> None:
    heard: list[str] = []
    storage.watch(heard.append)
    await publish(storage, "waiting", b"1")
    heard.clear()
    await storage.replace("waited for", "waiting")
    assert "waited for" in heard
    held = await take(storage, "waited for", 1)
    heard.clear()
    storage.settle(held, TO_FRONT)
    await storage.settled()
    assert "waited for" in heard


async def check_a_topic_that_is_not_there_replaces_as_an_empty_one(storage: Storage) -> None:
    await publish(storage, "emptied", b"1")
    await storage.set_policy("emptied", PAUSED)
    await storage.replace("emptied", "nothing there")
    assert (await fresh(storage)).knows("emptied")
    assert (await fresh(storage)).statistics("emptied") == TopicStatistics()
    assert (await fresh(storage)).policy("emptied") == PAUSED
    assert not (await fresh(storage)).knows("nothing there")


async def check_a_topic_that_replaces_itself_stays_as_it_is(storage: Storage) -> None:
    await publish(storage, "itself", b"1")
    await storage.replace("itself", "itself")
    assert bodies(await take(storage, "itself", 9)) == [b"1"]


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
    storage.settle(await take(storage, "alive", 1), Bury("buried here", "DEAD", 1))
    await storage.replace("moved letters", "buried here")
    storage.settle(await take(storage, "moved letters", 1), REDRIVE)
    assert bodies(await take(storage, "alive", 9)) == [b"1"]


CHECKS = tuple(check for name, check in globals().items() if name.startswith("check_"))
