"""What every engine promises about looking through topics, and taking what was seen."""

from collections.abc import Sequence

from miniqueue_py.broker.delivery import ACK, TO_BACK, TO_FRONT, Delay
from miniqueue_py.broker.lifecycle import State
from miniqueue_py.broker.message import Publication
from miniqueue_py.broker.storage import Sight, Storage
from miniqueue_py.testing.storing import (
    ANY_SIZE,
    NOW,
    bodies,
    fresh,
    later,
    places,
    publish,
    publish_as,
    take,
)


async def look_through(
    storage: Storage, topic: str, state: State, limit: int = 100, now: float = NOW
) -> Sequence[Sight]:
    """Return all that is in a state, however many looks that takes."""
    look = await storage.look(topic, state, limit, ANY_SIZE, now)
    sights = list(look.sights)
    while look.next is not None:
        look = await storage.look(topic, state, limit, ANY_SIZE, now, look.next)
        assert len(look.sights) <= limit
        sights += look.sights
    return sights


def seen(sights: Sequence[Sight]) -> list[bytes]:
    return [sight.message.body for sight in sights]


async def check_a_look_shows_each_state_in_its_order_and_moves_nothing(storage: Storage) -> None:
    now = await later(storage)
    await publish(storage, "looks", *[b"%d" % number for number in range(6)])
    await publish_as(storage, "looks", Publication([b"urgent"], priority=9))
    await publish(storage, "looks too", b"other")
    held = await take(storage, "looks", 5)
    storage.settle(held[1:2], Delay(now + 9))
    storage.settle(held[2:3], Delay(now + 8))
    storage.settle(await take(storage, "looks too", 1), Delay(now + 8))
    for limit in (1, 2, 100):
        ready = await look_through(storage, "looks", State.READY, limit)
        in_flight = await look_through(storage, "looks", State.LEASED, limit)
        delayed = await look_through(storage, "looks", State.DELAYED, limit)
        assert seen(ready) == [b"4", b"5"]
        assert seen(in_flight) == [b"urgent", b"2", b"3"]
        assert seen(delayed) == [b"1", b"0"]
        assert [sight.due_ms for sight in delayed] == [(now + 8) * 1000, (now + 9) * 1000]
    assert await places(storage, "looks") == (2, 3, 2)
    assert not await look_through(storage, "never looked at", State.READY)
    storage.settle(held, ACK)


async def check_a_look_shows_no_more_behind_its_bytes(storage: Storage) -> None:
    await publish(storage, "long looks", b"12345", b"1", b"2")
    look = await storage.look("long looks", State.READY, 100, 5, NOW)
    assert seen(look.sights) == [b"12345"]
    look = await storage.look("long looks", State.READY, 100, 5, NOW, look.next)
    assert seen(look.sights) == [b"1", b"2"]
    assert look.next is None


async def check_what_was_seen_is_handed_out_from_wherever_it_stands(storage: Storage) -> None:
    await publish(storage, "picked", *[b"%d" % number for number in range(3000)])
    sights = await look_through(storage, "picked", State.READY, 1000)
    wanted = [sights[5], sights[1500], sights[2999]]
    picked = await storage.lease_seen("picked", wanted, NOW)
    assert bodies(picked) == [b"5", b"1500", b"2999"]
    assert not await storage.lease_seen("picked", wanted, NOW), "somebody holds them"
    assert await places(storage, "picked") == (2997, 3, 0)
    storage.settle(picked[:1], TO_FRONT)
    storage.settle(picked[1:2], TO_BACK)
    rest = [delivery for _ in range(4) for delivery in await take(storage, "picked", 1000)]
    expected = [b"%d" % number for number in range(2999) if number != 1500]
    assert bodies(rest) == [*expected, b"1500"]
    storage.settle([*rest, *picked[2:]], ACK)
    assert await places(storage, "picked") == (0, 0, 0)


async def check_what_is_gone_since_it_was_seen_is_not_handed_out(storage: Storage) -> None:
    await publish_as(storage, "unpicked", Publication([b"short-lived"], ttl_seconds=1.0))
    await publish(storage, "unpicked", b"acknowledged", b"purged")
    sights = await look_through(storage, "unpicked", State.READY)
    assert not await storage.lease_seen("unpicked", sights[:1], NOW + 1)
    assert (await fresh(storage)).statistics("unpicked").expired == 1
    storage.settle(await take(storage, "unpicked", 1), ACK)
    assert not await storage.lease_seen("unpicked", sights[1:2], NOW)
    await storage.purge("unpicked")
    await publish(storage, "unpicked", b"new", b"new", b"new")
    assert not await storage.lease_seen("unpicked", sights, NOW)
    assert await places(storage, "unpicked") == (3, 0, 0)


CHECKS = tuple(check for name, check in globals().items() if name.startswith("check_"))
