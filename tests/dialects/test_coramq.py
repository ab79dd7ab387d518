"""CoraMQ's pages: what its README prints, and what is around that."""

import asyncio
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from miniqueue_py.broker.policy import TopicPolicy
from miniqueue_py.broker.storage import Storage
from miniqueue_py.broker.timekeeper import Timekeeper
from miniqueue_py.http.dialects.coramq.requests import VISIBILITY_SECONDS
from miniqueue_py.storage import open_storage
from miniqueue_py.storage.memory import MemoryStorage
from miniqueue_py.testing.clock import ManualClock
from tests.broker.scenes import raise_it, receive
from tests.dialects.desk import Booth
from tests.http.exchanges import Exchange, settle

pytestmark = pytest.mark.anyio

QUEUE = "/queues/High-priority"
PAYLOAD = "{'name': 'Lorem Ipsum', 'email': 'loremipsum@gmail.com'}"
PRINTED = f"""\
{{"status":"success","message":"Queue created successfully","queueName":"High-priority"}}
{{"status":"error","message":"Queue with the given name already exists",\
"queueName":"High-priority"}}
{{"status":"success","message":"Item enqueued successfully",\
"item":{{"id":"3","payload":"{PAYLOAD}","priority":5}}}}
{{"status":"success","message":"Item dequeued successfully",\
"item":{{"id":"3","payload":"{PAYLOAD}","priority":5,"visibilityTimeout":"2024-10-07T12:45:00Z"}}}}
{{"status":"success","message":"Item acknowledged successfully","itemId":"3"}}
{{"status":"error","message":"Item not found in the in-flight queue","itemId":"3"}}
"""
NOON = 1_728_305_090.0
"""2024-10-07T12:44:50Z: ten seconds before the instant that the README prints."""


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOON)


@pytest.fixture
async def booth(clock: ManualClock) -> Booth:
    booth = open_coramq(clock)
    await booth.ask("POST", "/queues", {"queueName": "High-priority"})
    return booth


def open_coramq(clock: ManualClock, **others: Any) -> Booth:
    return Booth("coramq", clock, **others)


def said(answer: Exchange) -> tuple[int, Any]:
    """The status and the JSON of an answer, with the order of its keys."""
    assert answer.headers["content-type"] == "application/json"
    value = json.loads(answer.body)
    return answer.status, value


async def ask(booth: Booth, path: str, body: object = b"", queue: str = QUEUE) -> tuple[int, Any]:
    return said(await booth.ask("POST", queue + path, body))


async def put(booth: Booth, item_id: str, payload: str = "", priority: int = 0) -> None:
    item = {"id": item_id, "payload": payload, "priority": priority}
    status, answer = await ask(booth, "/enqueue", {"item": item})
    assert (status, answer["item"]) == (200, item)


async def get(booth: Booth) -> Any:
    status, answer = await ask(booth, "/dequeue")
    assert status == 200, answer
    return answer["item"]


async def acknowledge(booth: Booth, item_id: str) -> int:
    status, answer = await ask(booth, "/acknowledge", {"itemId": item_id})
    assert answer["itemId"] == item_id
    return status


async def expire(booth: Booth, clock: ManualClock, seconds: float) -> None:
    await clock.advance(seconds)
    await booth.broker.tick()


async def test_answers_are_those_of_the_readme_to_the_letter(clock: ManualClock) -> None:
    booth = open_coramq(clock)
    item = {"id": "3", "payload": PAYLOAD, "priority": 5}
    made = await booth.ask("POST", "/queues", {"queueName": "High-priority"})
    again = await booth.ask("POST", "/queues", {"queueName": "High-priority"})
    enqueued = await booth.ask("POST", f"{QUEUE}/enqueue", {"item": item})
    dequeued = await booth.ask("POST", f"{QUEUE}/dequeue", {"queueName": "High-priority"})
    done = await booth.ask("POST", f"{QUEUE}/acknowledge", {"itemId": "3"})
    late = await booth.ask("POST", f"{QUEUE}/acknowledge", {"itemId": "3"})

    answers = [made, again, enqueued, dequeued, done, late]
    assert [answer.status for answer in answers] == [201, 400, 200, 200, 200, 404]
    assert b"".join(answer.body for answer in answers).decode() == PRINTED


class SlowStorage(MemoryStorage):
    """Knows of a topic only when it has been written."""

    async def set_policy(self, topic: str, policy: TopicPolicy) -> None:
        await settle()
        await super().set_policy(topic, policy)


@pytest.mark.parametrize("storage", [MemoryStorage(), SlowStorage()])
async def test_only_one_of_two_makes_the_queue(clock: ManualClock, storage: Storage) -> None:
    booth = open_coramq(clock, storage=storage)

    answers = await asyncio.gather(
        *(booth.ask("POST", "/queues", {"queueName": "jobs"}) for _ in range(5))
    )

    assert sorted(answer.status for answer in answers) == [201, 400, 400, 400, 400]
    assert booth.storage.topics() == ["jobs"]


async def test_topic_that_others_made_exists(booth: Booth) -> None:
    await booth.publish("jobs", b"one")
    await booth.administration.set_policy("jobs", policy := TopicPolicy(lease=5.0))

    answer = await booth.ask("POST", "/queues", {"queueName": "jobs"})

    assert answer.status == 400
    assert booth.administration.overview("jobs").policy == policy


@pytest.mark.parametrize("priority", [{}, {"priority": None}, {"priority": 0}])
async def test_item_that_names_no_priority_has_0(booth: Booth, priority: dict[str, Any]) -> None:
    item = {"id": "3", "payload": "x", **priority}

    status, answer = await ask(booth, "/enqueue", {"item": item})

    assert (status, answer["item"]["priority"]) == (200, 0)
    assert (await get(booth))["priority"] == 0


async def test_highest_priority_comes_first_and_then_the_oldest(booth: Booth) -> None:
    for item_id, priority in (("a", 0), ("b", 255), ("c", 7), ("d", 255), ("e", 0)):
        await put(booth, item_id, priority=priority)

    assert [(await get(booth))["id"] for _ in range(5)] == ["b", "d", "c", "a", "e"]


async def test_item_without_a_priority_has_none(booth: Booth) -> None:
    _, answer = await ask(booth, "/enqueue", {"item": {"id": "1", "payload": "x"}})

    assert answer["item"] == {"id": "1", "payload": "x", "priority": 0}


async def test_payload_comes_back_whatever_is_in_it(booth: Booth) -> None:
    payloads = ["", '\0\n"\\', "Zürich \U0001f600", '{"id":"1","payload":"2"}', "\ud800"]
    for payload in payloads:
        await put(booth, "same", payload)

    assert [(await get(booth))["payload"] for _ in payloads] == payloads


async def test_empty_queue_says_so(booth: Booth) -> None:
    assert await ask(booth, "/dequeue") == (
        404,
        {"status": "error", "message": "Queue is empty", "queueName": "High-priority"},
    )


@pytest.mark.parametrize(
    "body", [b"", {}, {"queueName": "High-priority"}, {"queueName": "queueName"}, {"more": 1}]
)
async def test_path_says_which_queue_whatever_the_body_of_a_dequeue_says(
    booth: Booth, body: object
) -> None:
    await put(booth, "1")

    assert (await ask(booth, "/dequeue", body))[0] == 200


async def test_item_comes_back_when_its_timeout_ends(booth: Booth, clock: ManualClock) -> None:
    await put(booth, "1")
    first = await get(booth)

    await expire(booth, clock, VISIBILITY_SECONDS - 0.001)
    assert (await ask(booth, "/dequeue"))[0] == 404
    await expire(booth, clock, 0.001)

    assert await acknowledge(booth, "1") == 404
    again = await get(booth)
    assert again == {**first, "visibilityTimeout": "2024-10-07T12:45:10Z"}
    assert await acknowledge(booth, "1") == 200


async def test_timeout_is_over_when_it_says_so_and_not_when_somebody_looks(
    booth: Booth, clock: ManualClock
) -> None:
    await put(booth, "1")
    await get(booth)

    await clock.advance(VISIBILITY_SECONDS)  # no tick of the broker

    assert await acknowledge(booth, "1") == 404


async def test_item_is_there_again_at_the_instant_that_was_told(
    booth: Booth, clock: ManualClock
) -> None:
    ticking = asyncio.create_task(Timekeeper(booth.broker, 3600.0, raise_it).run())
    await clock.advance(0.25)  # in the middle between two ticks
    await put(booth, "1")
    await get(booth)

    await clock.advance(VISIBILITY_SECONDS)

    assert (await get(booth))["id"] == "1"
    assert await acknowledge(booth, "1") == 200
    ticking.cancel()


class RunningClock(ManualClock):
    """Goes on when somebody has looked at it."""

    seconds_a_look = 0.0

    def now(self) -> float:
        now = super().now()
        self._now += self.seconds_a_look
        return now


async def test_item_is_held_until_the_timeout_that_was_told() -> None:
    clock = RunningClock(NOON)
    booth = open_coramq(clock)
    await booth.ask("POST", "/queues", {"queueName": "High-priority"})
    await put(booth, "1")

    clock.seconds_a_look = 1.0
    told = (await get(booth))["visibilityTimeout"]
    clock.seconds_a_look = 0.0
    left = datetime.fromisoformat(told).timestamp() - clock.now()
    await expire(booth, clock, left - 0.001)

    assert await acknowledge(booth, "1") == 200


async def test_policy_of_the_topic_says_how_long_an_item_is_held(
    booth: Booth, clock: ManualClock
) -> None:
    await booth.administration.set_policy("High-priority", TopicPolicy(lease=0.5))
    await put(booth, "1")

    assert (await get(booth))["visibilityTimeout"] == "2024-10-07T12:44:50.500Z"
    await expire(booth, clock, 0.5)

    assert await acknowledge(booth, "1") == 404
    assert (await get(booth))["id"] == "1"


async def test_two_items_of_one_id_are_acknowledged_one_after_the_other(
    booth: Booth, clock: ManualClock
) -> None:
    await put(booth, "same", "first")
    await put(booth, "same", "second")
    await get(booth)
    await clock.advance(5.0)
    await get(booth)

    assert await acknowledge(booth, "same") == 200
    await expire(booth, clock, VISIBILITY_SECONDS)

    assert (await get(booth))["payload"] == "second"
    assert await acknowledge(booth, "same") == 200
    assert await acknowledge(booth, "same") == 404


async def test_late_acknowledge_counts_for_whoever_has_the_item_now(
    booth: Booth, clock: ManualClock
) -> None:
    await put(booth, "1")
    await get(booth)
    await expire(booth, clock, VISIBILITY_SECONDS)
    await get(booth)

    assert await acknowledge(booth, "1") == 200  # by the first: nothing tells them apart
    assert await acknowledge(booth, "1") == 404

    await expire(booth, clock, VISIBILITY_SECONDS)
    assert (await ask(booth, "/dequeue"))[0] == 404


async def test_item_is_in_flight_in_its_own_queue_only(booth: Booth) -> None:
    await booth.ask("POST", "/queues", {"queueName": "other"})
    await put(booth, "1")
    await get(booth)

    status, answer = await ask(booth, "/acknowledge", {"itemId": "1"}, "/queues/other")

    assert (status, answer["itemId"]) == (404, "1")
    assert await acknowledge(booth, "1") == 200


async def test_what_a_deleted_queue_had_in_flight_is_forgotten(
    booth: Booth, clock: ManualClock
) -> None:
    await put(booth, "1")
    await get(booth)

    await booth.broker.delete("High-priority")

    assert not booth.broker.receipts._held
    await booth.ask("POST", "/queues", {"queueName": "High-priority"})
    assert await acknowledge(booth, "1") == 404


async def test_item_survives_a_restart_with_its_id_though_it_was_in_flight(
    clock: ManualClock, tmp_path: Path
) -> None:
    first = open_coramq(clock, storage=open_storage(str(tmp_path / "db")))
    await first.ask("POST", "/queues", {"queueName": "High-priority"})
    await put(first, "3", PAYLOAD, 5)
    await get(first)
    await first.storage.aclose()

    second = open_coramq(clock, storage=open_storage(str(tmp_path / "db")))

    assert await acknowledge(second, "3") == 404
    item = await get(second)
    assert (item["id"], item["payload"], item["priority"]) == ("3", PAYLOAD, 5)
    assert await acknowledge(second, "3") == 200
    await second.storage.aclose()


@pytest.mark.parametrize(
    ("body", "payload"),
    [
        (b"plain words", "plain words"),
        (b"", ""),
        (b"\xff\xfe", "//4="),
        (b'{"id":"3"}', '{"id":"3"}'),
        (b'{"id":3,"payload":"x"}', '{"id":3,"payload":"x"}'),
        (b'{"id":"","payload":"x"}', '{"id":"","payload":"x"}'),
        (b'{"id":"3","payload":{}}', '{"id":"3","payload":{}}'),
        (b'{"id":"3","payload":"x","type":"y"}', '{"id":"3","payload":"x","type":"y"}'),
        (b'{"id":"3","payload":"x","id":"4"}', '{"id":"3","payload":"x","id":"4"}'),
        (b"[" * 100_000, "[" * 100_000),
    ],
)
async def test_what_others_publish_goes_by_the_id_of_its_message(
    booth: Booth, body: bytes, payload: str
) -> None:
    await booth.publish("High-priority", body, priority=9)

    item = await get(booth)

    assert (item["payload"], item["priority"]) == (payload, 9)
    assert item["id"] == "1-1"
    assert await acknowledge(booth, "1-1") == 200


async def test_others_are_shown_the_item_as_json(booth: Booth) -> None:
    await put(booth, "3", "Zürich", 5)

    [(_, delivery)] = await receive(booth.broker, "High-priority", 1, 0.0)

    assert delivery.message.body == '{"id":"3","payload":"Zürich"}'.encode()
    assert delivery.message.extras.priority == 5


async def test_item_that_is_taken_too_often_is_a_dead_letter(
    booth: Booth, clock: ManualClock
) -> None:
    await booth.administration.set_policy("High-priority", TopicPolicy(max_deliveries=2))
    await put(booth, "1")
    for _ in range(2):
        await get(booth)
        await expire(booth, clock, VISIBILITY_SECONDS)

    assert (await ask(booth, "/dequeue"))[0] == 404
    assert booth.bodies("High-priority.dead") == [b'{"id":"1","payload":""}']
