"""What two engines on one store promise each other: each check is given both."""

import asyncio
from collections.abc import Awaitable, Callable

from miniqueue_py.broker.delivery import ACK, TO_FRONT, Delay, Delivery
from miniqueue_py.broker.message import Publication
from miniqueue_py.broker.policy import TopicPolicy
from miniqueue_py.broker.storage import Storage
from miniqueue_py.testing.storing import (
    ANY_NUMBER,
    KEEP_KEYS_FOR,
    NOW,
    bodies,
    fresh,
    later,
    places,
    publish,
    publish_as,
    take,
)

Check = Callable[[Storage, Storage], Awaitable[None]]

HEARD_WITHIN_SECONDS = 5.0


async def check_what_one_publishes_the_other_hands_out(one: Storage, other: Storage) -> None:
    await publish(one, "both", b"1", b"2")
    await publish(other, "both", b"3")
    assert bodies(await take(other, "both", 9)) == [b"1", b"2", b"3"]
    assert not await take(one, "both", 9)


async def check_nobody_hands_out_what_the_other_holds(one: Storage, other: Storage) -> None:
    await publish(one, "halves", *[b"%d" % number for number in range(100)])
    deliveries: list[Delivery] = []
    for _ in range(10):
        deliveries += await take(one, "halves", 5)
        deliveries += await take(other, "halves", 5)
    assert bodies(deliveries) == [b"%d" % number for number in range(100)]
    assert await places(one, "halves") == (0, 100, 0)


async def check_nobody_settles_what_the_other_holds(one: Storage, other: Storage) -> None:
    await publish(one, "mine", b"1", b"2")
    [held] = await take(one, "mine", 1)
    [others] = await take(other, "mine", 1)
    assert other.settle([held], ACK) == [held]
    assert await places(other, "mine") == (0, 2, 0)
    assert not one.settle([held], ACK)
    assert not other.settle([others], ACK)
    await other.settled()
    assert await places(one, "mine") == (0, 0, 0)


async def check_what_comes_back_is_for_either_in_its_old_order(
    one: Storage, other: Storage
) -> None:
    await publish(one, "returned", *[b"%d" % number for number in range(10)])
    mine = await take(one, "returned", 6)
    one.settle(mine[4:5], TO_FRONT)
    one.settle([mine[1], mine[2]], TO_FRONT)
    one.settle(mine[3:4], ACK)
    await one.settled()
    assert bodies(await take(other, "returned", 9)) == [b"1", b"2", b"4", b"6", b"7", b"8", b"9"]
    one.settle([mine[0], mine[5]], TO_FRONT)
    await one.settled()
    assert bodies(await take(other, "returned", 9)) == [b"0", b"5"]
    assert await places(one, "returned") == (0, 9, 0)


async def check_pieces_of_a_claim_never_overlap(one: Storage, other: Storage) -> None:
    await publish(one, "pieces", *[b"%d" % number for number in range(20)])
    mine = list(await take(one, "pieces", 20))
    others: list[Delivery] = []
    for index in (10, 4, 15, 7, 0, 12):
        one.settle([mine[index]], TO_FRONT)
        await one.settled()
        others += await take(other, "pieces", 20)
    assert bodies(others) == [b"%d" % index for index in (10, 4, 15, 7, 0, 12)]
    assert await places(one, "pieces") == (0, 20, 0)


async def check_either_hears_of_what_the_other_publishes(one: Storage, other: Storage) -> None:
    heard = asyncio.Event()
    other.watch(lambda topic: heard.set() if topic == "told" else None)
    assert not await take(other, "told", 1)
    await publish(one, "told", b"1")
    async with asyncio.timeout(HEARD_WITHIN_SECONDS):
        await heard.wait()
    assert bodies(await take(other, "told", 1)) == [b"1"]


async def check_a_policy_is_known_to_both(one: Storage, other: Storage) -> None:
    await one.set_policy("ruled by one", TopicPolicy(lease=7.0))
    await other.refresh("ruled by one")
    async with asyncio.timeout(HEARD_WITHIN_SECONDS):
        while other.policy("ruled by one").lease != 7.0:
            await asyncio.sleep(0.01)
            await other.release_due(NOW, ANY_NUMBER)


async def check_a_key_is_known_to_both(one: Storage, other: Storage) -> None:
    once = Publication([b"1"], key="k")
    first = await publish_as(one, "known to both", once)
    assert (await publish_as(other, "known to both", once)) == (first.id, True)
    both = await asyncio.gather(
        one.append("raced", [once], NOW, KEEP_KEYS_FOR),
        other.append("raced", [once], NOW, KEEP_KEYS_FOR),
    )
    assert sorted(stored.is_duplicate for [stored] in both) == [False, True]
    assert len(await take(one, "raced", 9)) == 1


async def check_a_delay_ends_for_whoever_looks_first(one: Storage, other: Storage) -> None:
    now = await later(one)
    await publish(one, "delayed here", b"1", b"2")
    held = await take(one, "delayed here", 2)
    one.settle(held, Delay(now + 1))
    await one.settled()
    moved = [await each.release_due(now + 1, ANY_NUMBER) for each in (other, one)]
    assert sum(each.restored for each in moved) == 2
    assert bodies(await take(other, "delayed here", 9)) == [b"1", b"2"]


async def check_what_the_other_deletes_is_gone(one: Storage, other: Storage) -> None:
    await publish(one, "deleted", b"1", b"2")
    [held] = await take(one, "deleted", 1)
    await other.purge("deleted")
    assert not (await fresh(one)).knows("deleted")
    one.settle([held], TO_FRONT)
    await publish(other, "deleted", b"new")
    assert bodies(await take(one, "deleted", 9)) == [b"new"]


async def check_who_leaves_gives_all_back_in_its_old_order(one: Storage, other: Storage) -> None:
    await publish(one, "left", *[b"%d" % number for number in range(6)])
    mine = await take(one, "left", 4)
    one.settle(mine[1:2], ACK)
    await one.aclose()
    assert bodies(await take(other, "left", 9)) == [b"0", b"2", b"3", b"4", b"5"]


CHECKS: tuple[Check, ...] = tuple(
    check for name, check in globals().items() if name.startswith("check_")
)
