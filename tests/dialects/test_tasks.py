"""The task queue's pages: what is posted becomes a message, and the counts are right."""

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from miniqueue_py.broker.message import Publication
from miniqueue_py.broker.policy import TopicPolicy
from miniqueue_py.broker.settling import Decision
from miniqueue_py.broker.storage import Storage
from miniqueue_py.http.dialects.tasks.requests import LONGEST_TYPE, POLICY
from miniqueue_py.http.json_text import MOST_NESTED, longest_request_bytes
from miniqueue_py.storage.memory import MemoryStorage
from miniqueue_py.testing.clock import ManualClock
from tests.broker.scenes import receive
from tests.dialects.desk import Booth as DialectBooth
from tests.http.exchanges import Exchange
from tests.storage.faulty import faulty, reopen

pytestmark = pytest.mark.anyio

NOW = 1734301548.0


class Booth(DialectBooth):
    """The application, and the broker behind it."""

    def __init__(self, storage: Storage, clock: ManualClock) -> None:
        super().__init__("tasks", clock, storage=storage)

    async def post(self, **task: object) -> Exchange:
        return await self.ask("POST", "/task", json.dumps(task).encode())

    async def refusal(self, body: bytes) -> tuple[int, str]:
        return refusal_of(await self.ask("POST", "/task", body))

    async def stats(self) -> Any:
        answer = await self.ask("GET", "/stats")
        assert answer.status == 200
        assert answer.headers["content-type"] == "application/json"
        return json.loads(answer.body)

    async def take(self, count: int) -> list[str]:
        return [each.receipt for each in await receive(self.broker, "tasks", count, 0)]

    def settle(self, receipts: list[str], decision: Decision) -> None:
        assert not self.broker.receipts.settle("tasks", receipts, decision)

    async def tasks(self) -> list[Any]:
        waiting = await self.administration.peek("tasks", 1000)
        return [json.loads(message.body) for message in waiting]

    @property
    def policy(self) -> TopicPolicy:
        return self.storage.policy("tasks")


def refusal_of(answer: Exchange) -> tuple[int, str]:
    value = json.loads(answer.body)
    assert answer.headers["content-type"] == "application/json"
    assert value == {"status": "error", "error": value["error"]}
    return answer.status, value["error"]


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(NOW)


@pytest.fixture
async def booth(clock: ManualClock) -> AsyncIterator[Booth]:
    storage = MemoryStorage()
    yield Booth(storage, clock)
    await storage.aclose()


async def test_a_task_is_queued_as_the_seed_shows(booth: Booth) -> None:
    answer = await booth.ask(
        "POST",
        "/task",
        b'{"type": "email-notification", "payload": "user@example.com"}',
        headers={"content-type": "application/json"},
    )

    assert answer.status == 202
    task_id = json.loads(answer.body)["task_id"]
    assert json.loads(answer.body) == {"status": "queued", "task_id": task_id}
    assert task_id == "1734301548000000000"
    assert await booth.tasks() == [
        {"id": task_id, "type": "email-notification", "payload": "user@example.com"}
    ]


@pytest.mark.parametrize(
    "payload", [None, True, 17, -1.5, "Grüße", "", [], {}, {"a": [1, {"b": None}]}, "\ud800", 2**70]
)
async def test_a_payload_is_whatever_json_can_say(booth: Booth, payload: object) -> None:
    await booth.post(type="any", payload=payload)

    assert (await booth.tasks())[0]["payload"] == payload


async def test_a_payload_that_is_missing_is_null_and_other_keys_are_left_alone(
    booth: Booth,
) -> None:
    assert (await booth.post(type="any", other=1)).status == 202

    assert (await booth.tasks())[0].keys() == {"id", "type", "payload"}
    assert (await booth.tasks())[0]["payload"] is None


async def test_ids_grow_though_the_clock_stands_or_goes_back(
    booth: Booth, clock: ManualClock
) -> None:
    answers = [await booth.post(type="any") for _ in range(3)]
    clock.set(-5.0)
    answers.append(await booth.post(type="any"))
    await clock.advance(10.0)
    answers.append(await booth.post(type="any"))

    ids = [json.loads(answer.body)["task_id"] for answer in answers]
    assert ids == sorted(set(ids))
    assert {len(each) for each in ids} == {19}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b"", "the body is empty"),
        (b"type=email", "the body is not JSON from line 1, character 1 on"),
        (b'{"type": "a", "payload": \xff}', "the body is not UTF-8"),
        (b'{"type": "a", "type": "b"}', "the body has a key twice"),
        (b"[]", "the body is not a JSON object with a type and a payload"),
        (b'"email"', "the body is not a JSON object"),
        (b'{"payload": 1}', "type is missing"),
        (b'{"type": ""}', "type is empty"),
        (b'{"type": 17}', "type is not a string"),
        (b'{"type": null}', "type is not a string"),
        (b'{"type": "%b"}' % (b"a" * (LONGEST_TYPE + 1)), "type is longer than 255 characters"),
        (b'{"type": "a", "payload": NaN}', "the body has NaN in it"),
        (b'{"type": "a", "payload": %b}' % (b"[" * 100_000), "the body is nested too deeply"),
    ],
)
async def test_what_is_no_task_is_refused_and_makes_nothing(
    booth: Booth, body: bytes, told: str
) -> None:
    status, text = await booth.refusal(body)

    assert (status, told in text) == (400, True), text
    assert not booth.storage.knows("tasks")


async def test_a_payload_of_any_depth_is_queued_or_refused(booth: Booth) -> None:
    answers = [
        await booth.ask("POST", "/task", b'{"type":"a","payload":%b%b}' % (b"[" * n, b"]" * n))
        for n in (1, MOST_NESTED - 1, MOST_NESTED, *range(850, 1010))
    ]

    assert [answer.status for answer in answers] == [202, 202, *[400] * 161]


async def test_a_type_as_long_as_may_be_is_taken(booth: Booth) -> None:
    assert (await booth.post(type="ä" * LONGEST_TYPE)).status == 202


async def test_a_task_longer_than_a_message_may_be_is_refused(booth: Booth) -> None:
    longest = booth.broker.limits.max_message_bytes

    status, text = refusal_of(await booth.post(type="any", payload="x" * (longest - 50)))

    assert (status, "-max-message" in text) == (413, True)
    assert await booth.refusal(b"x" * (longest_request_bytes(longest) + 1)) == (
        413,
        "the body is too long",
    )


@pytest.mark.parametrize(
    ("method", "target", "status", "told"),
    [
        ("GET", "/task", 405, "POST /task"),
        ("DELETE", "/stats", 405, "those in Allow are"),
        ("POST", "/tasks", 404, "no such page"),
        ("GET", "/task/17", 404, "no such page"),
        ("PATCH", "/nowhere", 404, "no such page"),
    ],
)
async def test_other_pages_and_methods_are_refused_in_the_same_shape(
    booth: Booth, method: str, target: str, status: int, told: str
) -> None:
    answer = await booth.ask(method, target, b"")

    assert refusal_of(answer)[0] == status
    assert told in refusal_of(answer)[1]
    assert ("allow" in answer.headers) == (status == 405)


async def test_the_topic_is_full_or_the_broker_drains(booth: Booth) -> None:
    await booth.administration.set_policy("tasks", TopicPolicy(max_messages=1))
    await booth.post(type="any")

    full = await booth.post(type="any")
    booth.broker.drain()
    draining = await booth.post(type="any")

    assert (refusal_of(full)[0], full.headers["retry-after"]) == (429, "1")
    assert (refusal_of(draining)[0], draining.headers["retry-after"]) == (503, "1")


async def test_the_first_task_gives_the_topic_its_policy(booth: Booth) -> None:
    assert not booth.storage.knows("tasks")

    answers = await asyncio.gather(*[booth.post(type="any", payload=each) for each in range(50)])

    assert {answer.status for answer in answers} == {202}
    assert booth.policy == POLICY
    assert len(await booth.tasks()) == 50
    assert POLICY.max_deliveries == 4  # one attempt and three retries
    assert POLICY.backoff is not None
    assert [POLICY.backoff.seconds(attempt, 0.5) for attempt in (1, 2, 3)] == [1, 2, 4]


async def test_a_broker_that_drains_sets_no_policy(booth: Booth) -> None:
    booth.broker.drain()

    answer = await booth.post(type="any")

    assert refusal_of(answer)[0] == 503
    assert not booth.storage.knows("tasks")


async def test_a_policy_of_an_operator_stays(booth: Booth) -> None:
    own = TopicPolicy(max_deliveries=9)
    await booth.administration.set_policy("tasks", own)

    await booth.post(type="any")

    assert booth.policy == own


async def test_a_topic_without_a_policy_gets_it_and_stays_paused(booth: Booth) -> None:
    await booth.broker.publish("tasks", [Publication([b"from elsewhere"])])
    await booth.administration.pause("tasks")

    await booth.post(type="any")

    assert booth.policy.is_paused
    assert booth.policy.backoff == POLICY.backoff


async def test_a_topic_that_was_deleted_gets_its_policy_again(booth: Booth) -> None:
    await booth.post(type="any")
    await booth.broker.delete("tasks")

    await booth.post(type="any")

    assert booth.policy == POLICY


async def test_no_task_is_stored_without_the_policy(clock: ManualClock, tmp_path: Path) -> None:
    storage, database, _ = faulty(tmp_path)
    booth = Booth(storage, clock)
    database.error = "the disk is gone"

    answers = await asyncio.gather(*[booth.post(type="any") for _ in range(5)])

    assert {refusal_of(answer)[0] for answer in answers} == {503}
    await storage.aclose()
    database.error = None
    again = Booth(reopen(tmp_path), clock)
    assert (await again.post(type="any")).status == 202
    assert again.policy == POLICY
    assert len(await again.tasks()) == 1
    await again.storage.aclose()


async def test_the_policy_outlives_a_restart(clock: ManualClock, tmp_path: Path) -> None:
    booth = Booth(reopen(tmp_path / "db"), clock)
    await booth.post(type="before")
    await booth.storage.aclose()

    again = Booth(reopen(tmp_path / "db"), clock)
    await again.post(type="after")

    assert again.policy == POLICY
    assert [task["type"] for task in await again.tasks()] == ["before", "after"]
    await again.storage.aclose()


async def test_there_are_figures_before_there_are_tasks(booth: Booth, clock: ManualClock) -> None:
    await clock.advance(2.5)

    assert await booth.stats() == {
        "pending": 0,
        "processing": 0,
        "retrying": 0,
        "dead_letter": 0,
        "dead_letter_topic": "tasks.dead",
        "workers": 0,
        "oldest_pending_seconds": None,
        "paused": False,
        "rates": {"queued": 0.0, "completed": 0.0, "failed": 0.0},
        "history": {"queued": [0] * 60, "completed": [0] * 60, "failed": [0] * 60},
        "uptime_seconds": 2.5,
    }


async def test_the_figures_tell_where_tasks_are(booth: Booth, clock: ManualClock) -> None:
    for _ in range(6):
        await booth.post(type="any")
    done, failed, dead, *_ = await booth.take(4)
    booth.settle([done], Decision.ACK)
    booth.settle([failed], Decision.NACK)
    booth.settle([dead], Decision.DEAD)
    with booth.broker.subscribe("tasks", lambda: None) as subscriber:
        await booth.administration.pause("tasks")
        subscriber.start(1)
        await clock.advance(0.5)
        early = await booth.stats()
    await clock.advance(0.75)
    late = await booth.stats()

    assert early["pending"] == 2
    assert early["processing"] == 1
    assert early["retrying"] == 1
    assert early["dead_letter"] == 1
    assert early["workers"] == 1
    assert early["oldest_pending_seconds"] == 0.5
    assert early["paused"] is True
    assert late["rates"] == {"queued": 0.6, "completed": 0.1, "failed": 0.2}
    assert late["history"]["queued"] == [0] * 59 + [6]
    assert late["workers"] == 0


async def test_dead_letters_are_counted_where_the_policy_sends_them_and_whatever_they_do(
    booth: Booth,
) -> None:
    await booth.administration.set_policy("tasks", TopicPolicy(dead_letter="failures"))
    for _ in range(3):
        await booth.post(type="any")
    booth.settle(await booth.take(3), Decision.DEAD)
    await booth.broker.publish("failures", [Publication([b"later"], delay_seconds=60.0)])
    await receive(booth.broker, "failures", 1, 0.0)

    statistics = booth.storage.statistics("failures")
    assert (statistics.ready, statistics.in_flight, statistics.delayed) == (2, 1, 1)
    assert (await booth.stats())["dead_letter"] == 4


async def test_a_task_that_always_fails_has_three_retries_and_is_one_dead_letter(
    booth: Booth, clock: ManualClock
) -> None:
    await booth.post(type="hopeless")
    gaps = []
    for _ in range(3):
        booth.settle(await booth.take(1), Decision.NACK)
        began = clock.now()
        while not (await booth.stats())["pending"]:
            await clock.advance(0.25)
            await booth.broker.tick()
        gaps.append(clock.now() - began)
    booth.settle(await booth.take(1), Decision.NACK)

    assert gaps == [1.0, 2.0, 4.0]
    assert (await booth.stats())["dead_letter"] == 1
    assert (await booth.stats())["retrying"] == 0
    assert await booth.administration.redrive("tasks.dead") == 1
    assert (await booth.stats())["pending"] == 1


async def test_the_root_is_a_page_for_people(booth: Booth) -> None:
    answer = await booth.ask("GET", "/")

    assert answer.status == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"


async def test_what_is_worked_on_is_not_pending(booth: Booth, clock: ManualClock) -> None:
    await booth.post(type="a")
    with booth.broker.subscribe("tasks", lambda: None) as subscriber:
        subscriber.start(1)
        await clock.advance(3)
        stats = await booth.stats()

    assert (stats["pending"], stats["processing"]) == (0, 1)
    assert stats["oldest_pending_seconds"] is None
