"""What every engine promises about topics: what they are counted as, told of, and purged with."""

from miniqueue_py.broker.delivery import ACK, REDRIVE, TO_BACK, TO_FRONT, Bury, Delay
from miniqueue_py.broker.message import Publication
from miniqueue_py.broker.policy import DEFAULT_POLICY, TopicPolicy
from miniqueue_py.broker.storage import Moved, Storage, TopicStatistics, hide
from miniqueue_py.broker.write_times import BOUNDS_SECONDS
from miniqueue_py.testing.storing import (
    ANY_NUMBER,
    ANY_SIZE,
    NOW,
    bodies,
    fresh,
    later,
    publish,
    publish_as,
    take,
)


async def check_purge_takes_one_topic_in_every_state_and_no_other(storage: Storage) -> None:
    now = await later(storage)
    for name in ("purge", "purged", "purge-ack"):
        await publish(storage, name, b"1", b"2", b"3")
    held, delayed = await take(storage, "purge", 2)
    storage.settle([delayed], Delay(now + 1))
    await storage.purge("purge")
    assert (await fresh(storage)).statistics("purge") == TopicStatistics()
    assert "purge" not in (await fresh(storage)).topics()
    assert storage.settle([held], TO_FRONT) == [held]
    assert (await storage.release_due(now + 2, ANY_NUMBER)).restored == 0
    assert not await take(storage, "purge", 10)
    assert bodies(await take(storage, "purged", 10)) == [b"1", b"2", b"3"]
    assert bodies(await take(storage, "purge-ack", 10)) == [b"1", b"2", b"3"]
    await publish(storage, "purge", b"new")
    assert storage.settle([held], ACK) == [held]
    assert bodies(await take(storage, "purge", 10)) == [b"new"]


async def check_ids_are_never_given_again(storage: Storage) -> None:
    before = await publish(storage, "ids", b"1")
    await storage.purge("ids")
    assert (await publish(storage, "ids", b"1")).id != before.id


async def check_a_policy_is_kept_until_its_topic_is_purged(storage: Storage) -> None:
    policy = TopicPolicy(lease=30.0, is_paused=True)
    assert (await fresh(storage)).policy("policy") == DEFAULT_POLICY
    await storage.set_policy("policy", policy)
    assert (await fresh(storage)).policy("policy") == policy
    assert "policy" in (await fresh(storage)).topics()
    await storage.purge("policy")
    assert (await fresh(storage)).policy("policy") == DEFAULT_POLICY


async def check_statistics_tell_everything_that_ever_was(storage: Storage) -> None:
    now = await later(storage)
    await publish(storage, "statistics", b"1", b"22", b"333", b"4444", b"55555")
    await publish_as(storage, "statistics", Publication([b"6"], ttl_seconds=1.0), now)
    held, acked, buried, delayed = await take(storage, "statistics", 4)
    storage.settle([acked], ACK)
    storage.settle([buried], Bury("buried statistics", "DEAD", 1))
    storage.settle([delayed], Delay(now + 9))
    assert await storage.release_due(now + 1, ANY_NUMBER) == Moved(expired=1)
    assert (await fresh(storage)).statistics("statistics") == TopicStatistics(
        ready=1,
        in_flight=1,
        delayed=1,
        bytes=len(b"1444455555"),
        published=6,
        delivered=4,
        acknowledged=1,
        expired=1,
        buried=1,
    )
    assert not storage.settle([held], ACK)


async def check_the_oldest_is_found_among_the_first_of_each_priority(storage: Storage) -> None:
    assert (await fresh(storage)).oldest_ms("oldest") is None
    await publish_as(storage, "oldest", Publication([b"1"], priority=9), now=5.0)
    await publish(storage, "oldest", b"2", now=3.0)
    await publish_as(storage, "oldest", Publication([b"3"], delay_seconds=1e6), now=1.0)
    assert (await fresh(storage)).oldest_ms("oldest") == 3000
    _, second = await take(storage, "oldest", 2)
    assert (await fresh(storage)).oldest_ms("oldest") == 3000
    storage.settle([second], ACK)
    assert (await fresh(storage)).oldest_ms("oldest") == 5000


async def check_totals_count_everything_held(storage: Storage) -> None:
    before = (await fresh(storage)).totals()
    await publish(storage, "totals", b"12345", b"123", b"1")
    first, second = await take(storage, "totals", 2)
    storage.settle([first], Delay(1e9))
    storage.settle([second], ACK)
    after = (await fresh(storage)).totals()
    assert (after.messages - before.messages, after.bytes - before.bytes) == (2, 6)
    await storage.purge("totals")
    assert (await fresh(storage)).totals() == before


async def check_watchers_hear_of_everything_that_becomes_ready(storage: Storage) -> None:
    now = await later(storage)
    heard: list[str] = []
    storage.watch(heard.append)

    async def told() -> set[str]:
        """Return the topics that were told of since the last call."""
        await storage.refresh()
        topics = set(heard)
        heard.clear()
        return topics

    await publish(storage, "heard", b"1")
    assert await told() == {"heard"}
    for outcome in (TO_FRONT, TO_BACK):
        held = await take(storage, "heard", 1)
        await told()
        storage.settle(held, outcome)
        assert await told() == {"heard"}
    storage.settle(await take(storage, "heard", 1), Delay(now + 1))
    await told()
    await storage.release_due(now + 1, ANY_NUMBER)
    assert "heard" in await told()
    held = await take(storage, "heard", 1)
    await told()
    storage.settle(held, Bury("heard too", "DEAD", 1))
    assert await told() == {"heard too"}
    held = await take(storage, "heard too", 1)
    await told()
    storage.settle(held, REDRIVE)
    assert await told() == {"heard"}


async def check_an_unknown_topic_is_empty_and_not_made(storage: Storage) -> None:
    assert not await take(storage, "unknown", 1)
    assert not await storage.peek("unknown", 1, ANY_SIZE, NOW)
    assert (await fresh(storage)).statistics("unknown") == TopicStatistics()
    await storage.purge("unknown")
    assert "unknown" not in (await fresh(storage)).topics()


async def check_a_hidden_topic_is_used_as_any_and_told_of_nowhere(storage: Storage) -> None:
    hidden = hide("one")
    before, totals = (await fresh(storage)).topics(), (await fresh(storage)).totals()
    await storage.set_policy(hidden, TopicPolicy(lease=1.0))
    await publish(storage, hidden, b"1", b"2")
    assert ((await fresh(storage)).topics(), (await fresh(storage)).totals()) == (before, totals)
    assert not (await fresh(storage)).knows(hidden)
    assert (await fresh(storage)).policy(hidden).lease == 1.0
    storage.settle(await take(storage, hidden, 1), ACK)
    assert (await fresh(storage)).statistics(hidden).ready == 1
    await storage.purge(hidden)
    assert (await fresh(storage)).statistics(hidden) == TopicStatistics()
    assert ((await fresh(storage)).topics(), (await fresh(storage)).totals()) == (before, totals)


async def check_a_topic_shows_by_the_name_that_it_has(storage: Storage) -> None:
    hidden, before = hide("another"), (await fresh(storage)).totals()
    await publish(storage, hidden, b"1", b"2")
    await storage.replace("unhidden", hidden)
    assert "unhidden" in (await fresh(storage)).topics()
    assert (await fresh(storage)).knows("unhidden")
    assert (await fresh(storage)).totals()[:2] == (before.messages + 2, before.bytes + 2)
    await storage.replace(hidden, "unhidden")
    assert "unhidden" not in (await fresh(storage)).topics()
    assert not (await fresh(storage)).knows(hidden)
    assert (await fresh(storage)).totals() == before
    assert bodies(await take(storage, hidden, 9)) == [b"1", b"2"]
    await storage.purge(hidden)


async def check_write_times_have_a_count_for_each_bound_and_one_more(storage: Storage) -> None:
    await publish(storage, "timed", b"1")
    times = storage.write_times()
    for each in times:
        assert len(each.counts) == len(BOUNDS_SECONDS) + 1
        assert (each.sum_seconds > 0) == (sum(each.counts) > 0)
    before = list(times.commit.counts), list(times.fsync.counts)
    await publish(storage, "timed", b"2")
    assert storage.write_times() is times, "it goes on"
    for now, then in zip(times, before, strict=True):
        assert all(map(int.__ge__, now.counts, then))


CHECKS = tuple(check for name, check in globals().items() if name.startswith("check_"))
