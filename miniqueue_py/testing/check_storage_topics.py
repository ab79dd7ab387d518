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
    later,
    lease,
    publish,
    publish_as,
)


async def check_purge_takes_one_topic_in_every_state_and_no_other(storage: Storage) -> None:
    now = later(storage)
    for name in ("purge", "purged", "purge-ack"):
        await publish(storage, name, b"1", b"2", b"3")
    held, delayed = lease(storage, "purge", 2)
    storage.settle([delayed], Delay(now + 1))
    await storage.purge("purge")
    assert storage.statistics("purge") == TopicStatistics()
    assert "purge" not in storage.topics()
    assert storage.settle([held], TO_FRONT) == [held]
    assert storage.release_due(now + 2, ANY_NUMBER).restored == 0
    assert not lease(storage, "purge", 10)
    assert bodies(lease(storage, "purged", 10)) == [b"1", b"2", b"3"]
    assert bodies(lease(storage, "purge-ack", 10)) == [b"1", b"2", b"3"]
    await publish(storage, "purge", b"new")
    assert storage.settle([held], ACK) == [held]
    assert bodies(lease(storage, "purge", 10)) == [b"new"]


async def check_ids_are_never_given_again(storage: Storage) -> None:
    before = await publish(storage, "ids", b"1")
    await storage.purge("ids")
    assert (await publish(storage, "ids", b"1")).id != before.id


async def check_a_policy_is_kept_until_its_topic_is_purged(storage: Storage) -> None:
    policy = TopicPolicy(lease=30.0, is_paused=True)
    assert storage.policy("policy") == DEFAULT_POLICY
    await storage.set_policy("policy", policy)
    assert storage.policy("policy") == policy
    assert "policy" in storage.topics()
    await storage.purge("policy")
    assert storage.policy("policy") == DEFAULT_POLICY


async def check_statistics_tell_everything_that_ever_was(storage: Storage) -> None:
    now = later(storage)
    await publish(storage, "statistics", b"1", b"22", b"333", b"4444", b"55555")
    await publish_as(storage, "statistics", Publication([b"6"], ttl_seconds=1.0), now)
    held, acked, buried, delayed = lease(storage, "statistics", 4)
    storage.settle([acked], ACK)
    storage.settle([buried], Bury("buried statistics", "DEAD", 1))
    storage.settle([delayed], Delay(now + 9))
    assert storage.release_due(now + 1, ANY_NUMBER) == Moved(expired=1)
    assert storage.statistics("statistics") == TopicStatistics(
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
    assert storage.oldest_ms("oldest") is None
    await publish_as(storage, "oldest", Publication([b"1"], priority=9), now=5.0)
    await publish(storage, "oldest", b"2", now=3.0)
    await publish_as(storage, "oldest", Publication([b"3"], delay_seconds=1e6), now=1.0)
    assert storage.oldest_ms("oldest") == 3000
    _, second = lease(storage, "oldest", 2)
    assert storage.oldest_ms("oldest") == 3000
    storage.settle([second], ACK)
    assert storage.oldest_ms("oldest") == 5000


async def check_totals_count_everything_held(storage: Storage) -> None:
    before = storage.totals()
    await publish(storage, "totals", b"12345", b"123", b"1")
    first, second = lease(storage, "totals", 2)
    storage.settle([first], Delay(1e9))
    storage.settle([second], ACK)
    after = storage.totals()
    assert (after.messages - before.messages, after.bytes - before.bytes) == (2, 6)
    await storage.purge("totals")
    assert storage.totals() == before


async def check_watchers_hear_of_everything_that_becomes_ready(storage: Storage) -> None:
    now = later(storage)
    heard: list[str] = []
    storage.watch(heard.append)
    await publish(storage, "heard", b"1")
    assert heard == ["heard"]
    for outcome in (TO_FRONT, TO_BACK):
        storage.settle(lease(storage, "heard", 1), outcome)
    assert heard == ["heard"] * 3
    storage.settle(lease(storage, "heard", 1), Delay(now + 1))
    assert heard == ["heard"] * 3
    storage.release_due(now + 1, ANY_NUMBER)
    assert heard == ["heard"] * 4
    storage.settle(lease(storage, "heard", 1), Bury("heard too", "DEAD", 1))
    assert heard == [*["heard"] * 4, "heard too"]
    storage.settle(lease(storage, "heard too", 1), REDRIVE)
    assert heard == [*["heard"] * 4, "heard too", "heard"]


async def check_an_unknown_topic_is_empty_and_not_made(storage: Storage) -> None:
    assert not lease(storage, "unknown", 1)
    assert not storage.peek("unknown", 1, ANY_SIZE, NOW)
    assert storage.statistics("unknown") == TopicStatistics()
    await storage.purge("unknown")
    assert "unknown" not in storage.topics()


async def check_a_hidden_topic_is_used_as_any_and_told_of_nowhere(storage: Storage) -> None:
    hidden = hide("one")
    before, totals = storage.topics(), storage.totals()
    await storage.set_policy(hidden, TopicPolicy(lease=1.0))
    await publish(storage, hidden, b"1", b"2")
    assert (storage.topics(), storage.totals()) == (before, totals)
    assert not storage.knows(hidden)
    assert storage.policy(hidden).lease == 1.0
    storage.settle(lease(storage, hidden, 1), ACK)
    assert storage.statistics(hidden).ready == 1
    await storage.purge(hidden)
    assert storage.statistics(hidden) == TopicStatistics()
    assert (storage.topics(), storage.totals()) == (before, totals)


async def check_a_topic_shows_by_the_name_that_it_has(storage: Storage) -> None:
    hidden, before = hide("another"), storage.totals()
    await publish(storage, hidden, b"1", b"2")
    await storage.replace("unhidden", hidden)
    assert "unhidden" in storage.topics()
    assert storage.knows("unhidden")
    assert storage.totals()[:2] == (before.messages + 2, before.bytes + 2)
    await storage.replace(hidden, "unhidden")
    assert "unhidden" not in storage.topics()
    assert not storage.knows(hidden)
    assert storage.totals() == before
    assert bodies(lease(storage, hidden, 9)) == [b"1", b"2"]
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
