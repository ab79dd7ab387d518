"""What ZoldyQ tells of its queues: health and metrics."""

import asyncio
import json

import pytest

from miniqueue_py.telemetry.topic_series import MOST_TOPICS
from miniqueue_py.testing.clock import ManualClock
from tests.dialects.desk import Booth
from tests.dialects.zoldyq import dequeue, enqueue, metrics, open_zoldyq, value_of
from tests.http.streaming import FailingStorage

pytestmark = pytest.mark.anyio


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def booth(clock: ManualClock) -> Booth:
    return open_zoldyq(clock)


async def test_health_tells_of_every_queue(booth: Booth, clock: ManualClock) -> None:
    for number in range(3):
        await enqueue(booth, number)
    await dequeue(booth)
    await enqueue(booth, 1, "webhooks")
    await clock.advance(90.7)

    assert value_of(await booth.ask("GET", "/health")) == {
        "status": "healthy",
        "queues": {
            "emails": {"size": 2, "capacity": 100_000, "enqueued_total": 3, "dequeued_total": 1},
            "webhooks": {"size": 1, "capacity": 100_000, "enqueued_total": 1, "dequeued_total": 0},
        },
        "uptime_seconds": 90,
    }


async def test_health_of_very_many_queues_is_told_in_turns(booth: Booth) -> None:
    for number in range(5000):
        await booth.publish(f"queue-{number}", b"1")

    health = await booth.ask("GET", "/health")

    assert len(json.loads(health.body)["queues"]) == 5000
    assert max(map(len, health.pieces)) < len(health.body) / 40
    assert health.headers["content-length"] == str(len(health.body))
    assert await turns_of(booth, "/health") > 50


async def test_queue_that_goes_while_others_are_told_of_is_left_out(
    booth: Booth, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("miniqueue_py.http.dialects.zoldyq.pages._TOPICS_A_TURN", 1)
    names = [f"queue-{number:03}" for number in range(200)]
    for name in names:
        await booth.publish(name, b"1")

    async with booth.begin("GET", "/health") as asking:
        await asking.say(b"", is_last=True)
        assert not asking.is_begun
        for name in names[100:]:
            await booth.broker.delete(name)
        health = value_of(await asking.answer())

    assert list(health["queues"]) == names[:100]


async def test_broker_whose_store_refuses_is_unhealthy(clock: ManualClock) -> None:
    storage = FailingStorage()
    booth = open_zoldyq(clock, storage=storage)
    storage.has_failed = True

    assert value_of(await booth.ask("GET", "/health"), 503)["status"] == "unhealthy"


async def test_draining_broker_is_unhealthy_and_takes_nothing(booth: Booth) -> None:
    await enqueue(booth, 1)
    booth.broker.drain()

    assert value_of(await booth.ask("GET", "/health"), 503)["status"] == "unhealthy"
    answer = await booth.ask("POST", "/queues/emails/enqueue", {"payload": 1})
    assert value_of(answer, 503).keys() == {"error"}
    answer = await booth.ask("GET", "/queues/emails/dequeue")
    assert value_of(answer, 503).keys() == {"error"}


async def test_metrics_count_what_happened(booth: Booth) -> None:
    await enqueue(booth, 1)
    await enqueue(booth, 2)
    for _ in range(3):
        await booth.ask("GET", "/queues/emails/dequeue")
    await enqueue(booth, 3)

    assert await metrics(booth) == {
        'zoldyq_queue_size{queue="emails"}': 1,
        'zoldyq_queue_capacity{queue="emails"}': 100_000,
        'zoldyq_enqueued_total{queue="emails"}': 3,
        'zoldyq_dequeued_total{queue="emails"}': 2,
        "zoldyq_queue_full_total": 0,
        "zoldyq_dequeue_timeouts_total": 1,
    }


async def test_metrics_have_no_more_series_for_more_queues(booth: Booth) -> None:
    for number in range(MOST_TOPICS + 10):
        await booth.publish(f"queue-{number}", b"1")

    told = await metrics(booth)
    sizes = {key: value for key, value in told.items() if "queue_size" in key}
    assert sum("queue_capacity" in key for key in told) == MOST_TOPICS
    assert len(sizes) == MOST_TOPICS + 1
    assert sizes['zoldyq_queue_size{queue="/others"}'] == 10


async def test_odd_names_stand_in_metrics_unharmed(booth: Booth) -> None:
    await enqueue(booth, 1, "%22%5C%22%7D%201")

    assert r'zoldyq_queue_size{queue="\"\\\"} 1"}' in await metrics(booth)


async def turns_of(booth: Booth, path: str) -> int:
    asking = booth.begin("GET", path)
    asking.say_nowait(b"", is_last=True)
    turns = 0
    while not asking.has_ended:
        await asyncio.sleep(0)
        turns += 1
    return turns


async def test_others_have_their_turn_between_two_metrics(booth: Booth) -> None:
    await enqueue(booth, 1)
    names = {each.partition("{")[0] for each in await metrics(booth)}

    turns = await turns_of(booth, "/metrics")

    assert turns >= await turns_of(booth, "/nowhere") + len(names)
