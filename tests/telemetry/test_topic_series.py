"""Which topics have series of their own, and what the others are together."""

import asyncio

import pytest

from miniqueue_py.broker.administration import Administration
from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.events import Observers
from miniqueue_py.broker.settling import Decision
from miniqueue_py.errors import BadTopicName
from miniqueue_py.storage.memory import MemoryStorage
from miniqueue_py.telemetry import topic_series
from miniqueue_py.telemetry.topic_series import OTHERS, Counted, Figures, TopicSeries
from miniqueue_py.testing.clock import ManualClock
from miniqueue_py.topic_names import check_topic_name
from tests.broker.scenes import publish, receive

pytestmark = pytest.mark.anyio


class Place:
    """A broker of which the first two topics are shown one by one."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        storage = MemoryStorage()
        self.broker = Broker(storage, self.clock)
        self.series = TopicSeries(Administration(self.broker, storage, Observers()), most_topics=2)

    async def publish(self, **counts: int) -> None:
        for topic, count in counts.items():
            await publish(self.broker, *[b"body"] * count, topic=topic)

    async def others(self) -> Figures:
        return (await self.series.look())[OTHERS]

    async def shown(self) -> set[str]:
        return set(await self.series.look())


@pytest.fixture
def place() -> Place:
    return Place()


def test_name_of_the_others_is_no_topics() -> None:
    with pytest.raises(BadTopicName):
        check_topic_name(OTHERS)


async def test_topic_is_shown_with_what_is_in_it_and_what_was(place: Place) -> None:
    await place.publish(orders=5)
    await place.clock.advance(2.5)
    acked, _, dead = await receive(place.broker, "orders", 3, 0.0)
    place.broker.receipts.settle("orders", [acked.receipt], Decision.ACK)
    place.broker.receipts.settle("orders", [dead.receipt], Decision.DEAD)
    await publish(place.broker, b"later", delay_seconds=60.0)

    with place.broker.subscribe("orders", lambda: None) as consumer:
        consumer.start()
        figures = (await place.series.look())["orders"]

    counted = Counted(published=6, delivered=4, acknowledged=1, expired=0, dead_lettered=1)
    assert figures == Figures(1, 2, 1, 17, 2.5, 1, counted)


async def test_topics_beyond_the_first_are_shown_as_one(place: Place) -> None:
    await place.publish(a=1, b=2)
    assert await place.shown() == {"a", "b"}

    await place.publish(c=3, d=4)
    await place.clock.advance(1)

    assert await place.shown() == {"a", "b", OTHERS}
    others = await place.others()
    assert (others.ready, others.bytes, others.oldest_age_seconds) == (7, 28, 1.0)
    assert others.counted.published == 7
    assert place.series.count == 4


async def test_topic_that_is_shown_stays_so_when_one_comes_before_it(place: Place) -> None:
    await place.publish(b=1, c=1)
    await place.series.look()

    await place.publish(a=1)

    assert await place.shown() == {"b", "c", OTHERS}


async def test_place_of_a_deleted_topic_is_taken_by_another(place: Place) -> None:
    await place.publish(a=1, b=1, c=3, d=1)
    assert (await place.others()).ready == 4

    await place.broker.delete("a")

    assert await place.shown() == {"b", "c", OTHERS}
    assert (await place.others()).ready == 1
    assert place.series.count == 3


async def test_others_begin_at_zero_as_the_broker_does(place: Place) -> None:
    await place.publish(a=1, b=1, c=3)
    assert (await place.others()).counted == Counted()

    await place.publish(c=4, d=5)

    assert (await place.others()).counted.published == 9


async def test_what_the_others_counted_never_falls(place: Place) -> None:
    await place.publish(a=1, b=1)
    await place.series.look()
    await place.publish(c=3, d=4)
    assert (await place.others()).counted.published == 7

    await place.broker.delete("d")
    assert (await place.others()).counted.published == 7, "deleted"
    await place.publish(d=1)
    assert (await place.others()).counted.published == 8, "made anew"
    await place.broker.delete("a")
    assert await place.shown() == {"b", "c", OTHERS}
    assert (await place.others()).counted.published == 8, "one is shown by itself now"


async def test_topic_that_is_made_anew_between_two_looks_counts_from_zero(place: Place) -> None:
    await place.publish(a=1, b=1)
    await place.series.look()
    await place.publish(c=5)
    await place.series.look()

    await place.broker.delete("c")
    await place.publish(c=2)

    assert (await place.others()).counted.published == 7


async def test_others_have_their_turn_while_very_many_topics_are_looked_at(place: Place) -> None:
    await place.publish(**{f"topic{number}": 1 for number in range(1000)})
    looking = asyncio.create_task(place.series.look())
    turns = 0
    while not looking.done():
        await asyncio.sleep(0)
        turns += 1

    assert turns >= 1000 / 50
    assert (await looking)[OTHERS].ready == 998


async def test_topic_that_goes_while_others_are_looked_at_is_left_out(place: Place) -> None:
    names = [f"topic{number:03}" for number in range(100)]
    await place.publish(**dict.fromkeys(names, 1))
    looking = asyncio.create_task(place.series.look())
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    await place.broker.delete(names[-1])

    assert (await looking)[OTHERS].ready == 97


async def test_two_that_look_at_once_count_nothing_twice(place: Place) -> None:
    await place.publish(a=1, b=1)
    await place.series.look()
    await place.publish(c=1, **{f"topic{number}": 1 for number in range(200)})

    first, second = await asyncio.gather(place.series.look(), place.series.look())

    assert first[OTHERS].counted.published == second[OTHERS].counted.published == 201


async def test_two_that_look_at_once_forget_a_deleted_topic_once(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topic_series, "_NAMES_A_TURN", 1)
    await place.publish(a=1, b=1, c=3, d=1)
    await place.series.look()
    await place.broker.delete("d")

    first, second = await asyncio.gather(place.series.look(), place.series.look())

    assert first[OTHERS].ready == second[OTHERS].ready == 3
