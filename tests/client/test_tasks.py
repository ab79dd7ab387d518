"""Tasks go to the function for their type, with the payload as its annotation says."""

import json
import logging
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import pydantic
import pytest

from miniqueue_py.client import Client, Delivery, Reject, Retry, Task, Worker
from miniqueue_py.client.errors import BadHandler
from miniqueue_py.client.worker.handlers import Attempt
from miniqueue_py.client.worker.outcomes import Unreadable
from miniqueue_py.client.worker.task_handlers import LEASE_SECONDS, TOPIC, TaskFunctions
from miniqueue_py.http.dialects.tasks import dialect
from miniqueue_py.http.dialects.tasks import requests as tasks
from tests.client.waiting import publish_all, wait_counts, wait_until
from tests.client.workshop import at_work, logged

pytestmark = pytest.mark.anyio


class Email(pydantic.BaseModel):
    to: str


@dataclass
class Point:
    x: int


class Held:
    """Of a delivery, what is asked for here."""

    topic = "tasks"
    is_over = False


def delivery_of(body: bytes) -> Delivery:
    return Delivery(Held(), (b64encode(body), b"1", b"2", b"1-7", b""))  # type: ignore[arg-type]


def task_of(payload: object, kind: str = "any") -> bytes:
    return json.dumps({"id": "17", "type": kind, "payload": payload}).encode()


async def attempt(functions: Any, body: bytes) -> Attempt:
    return await TaskFunctions(functions).attempt(delivery_of(body), anyio.CapacityLimiter(1))


def function_taking(annotation: Any, seen: list[Any]) -> Callable[..., Any]:
    async def function(payload: Any) -> None:
        seen.append(payload)

    function.__annotations__["payload"] = annotation
    return function


async def test_what_the_broker_calls_it_is_what_workers_do() -> None:
    assert TOPIC == dialect.TOPIC
    assert tasks.POLICY.lease == LEASE_SECONDS


@pytest.mark.parametrize(
    ("annotation", "payload", "value"),
    [
        (str, "Grüße", "Grüße"),
        (bytes, "Grüße", "Grüße".encode()),
        (str, {"a": 1}, '{"a":1}'),
        (bytes, [1, "é"], '[1,"é"]'.encode()),
        (str, None, "null"),
        (dict, {"a": 1}, {"a": 1}),
        (list, [1], [1]),
        (list[int], [1], [1]),
        (int, -17, -17),
        (float, 1.5, 1.5),
        (float, 2, 2.0),
        (bool, True, True),
        (Any, 17, 17),
        (Any, None, None),
        (Any, "text", "text"),
        (Email, {"to": "me"}, Email(to="me")),
        (Point, {"x": 1}, Point(1)),
        (Task, [1], Task("17", "any", [1])),
    ],
)
async def test_a_payload_becomes_what_the_annotation_says(
    annotation: Any, payload: object, value: object
) -> None:
    seen: list[Any] = []

    done = await attempt({"any": function_taking(annotation, seen)}, task_of(payload))

    assert done.raised is None
    assert seen == [value]
    assert type(seen[0]) is type(value)
    assert done.task == Task("17", "any", payload)
    assert done.name == "task 17 'any' (attempt 2)"


@pytest.mark.parametrize(
    ("annotation", "payload"),
    [
        (dict, [1]),
        (list, "[1]"),
        (int, "17"),
        (int, True),
        (int, 1.0),
        (int, None),
        (float, "1.5"),
        (float, False),
        (float, 10**400),
        (bool, 1),
        (bool, None),
        (Email, {}),
        (Point, {"x": "1"}),
        (bytes, "\ud800"),
    ],
)
async def test_a_payload_that_does_not_fit_never_will(annotation: Any, payload: object) -> None:
    done = await attempt(function_taking(annotation, []), task_of(payload))

    assert isinstance(done.raised, Unreadable)


@pytest.mark.parametrize(
    "body", [b"\xff", b"", b"17", b"[]", b"{}", b'{"type": 3}', b"[" * 100_000]
)
async def test_what_is_no_task_is_called_with_by_nobody(body: bytes) -> None:
    seen: list[Any] = []

    done = await attempt(function_taking(Any, seen), body)

    assert isinstance(done.raised, Unreadable)
    assert "it is no task" in str(done.raised)
    assert done.name == "message 1-7 of 'tasks'"
    assert not seen


async def test_one_function_has_all_types_and_what_was_published_by_hand() -> None:
    seen: list[Any] = []
    function = function_taking(Task, seen)

    await attempt(function, task_of(1, "one"))
    await attempt(function, b'{"type": "two", "more": true}')

    assert seen == [Task("17", "one", 1), Task("1-7", "two", None)]


async def test_a_type_that_nobody_knows_is_named() -> None:
    done = await attempt({"any": function_taking(Any, [])}, task_of(1, "other"))

    assert isinstance(done.raised, Reject)
    assert str(done.raised) == "nothing here does 'other'"


async def test_a_function_may_ask_for_the_delivery_and_be_of_an_object() -> None:
    seen = []

    class Mailer:
        def send(self, to: str, delivery: Delivery) -> None:
            seen.append((to, delivery.attempt))

    done = await attempt({"any": Mailer().send}, task_of("me"))

    assert done.raised is None
    assert seen == [("me", 2)]


def unannotated(payload) -> None: ...  # type: ignore[no-untyped-def] # noqa: ANN001
def unheard_of(payload: complex) -> None: ...
def twice(payload: bytes, task: Task) -> None: ...


@pytest.mark.parametrize(
    ("functions", "advice"),
    [
        ({}, "there is no type of task in it"),
        ({"a": unannotated}, "'a': unannotated cannot handle messages: annotate 'payload'"),
        (unheard_of, "'payload' is annotated as complex: say bytes, str, int, float, bool, .*"),
        (unheard_of, " a dataclass for the payload, Task for all of it, or Delivery$"),
        (twice, "it asks for the payload twice: 'payload' and 'task'"),
        ({17: twice}, "17 is no type of task"),
        ({"": twice}, "'' is no type of task"),
        ({"a": None}, "'a': None cannot handle messages: it is no function"),
        (17, "17 cannot handle messages: it is no function"),
    ],
)
async def test_what_cannot_be_called_is_refused_with_advice(functions: Any, advice: str) -> None:
    with pytest.raises(BadHandler, match=advice):
        Worker().handles_tasks(functions)


BACKOFF = {"initial": 0.02, "factor": 2, "max": 1, "jitter": 0}


async def test_what_fails_is_tried_again_by_the_policy_and_then_a_dead_letter(
    url: str, ca: Path, queue: Client, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    await queue.set_policy(topic, {"maxDeliveries": 4, "backoff": BACKOFF})
    worker = Worker(url, ca=ca, retry_by_policy=True, backoff_seconds=600)
    attempts = []

    @worker.handles(topic)
    async def fail(delivery: Delivery) -> None:
        attempts.append((delivery.attempt, delivery.dack_count))
        raise ValueError

    await queue.publish(topic, b"1")
    async with at_work(worker):
        await wait_counts(queue, f"{topic}.dead", ready=1)

    assert attempts == [(1, 0), (2, 0), (3, 0), (4, 0)]
    [letter] = await queue.peek(f"{topic}.dead")
    assert letter.origin is not None
    assert letter.origin.reason == "maxDeliveries"
    said = [line.partition(") ")[2] for line in logged(caplog, logging.ERROR)]
    waits = [f"failed, and comes again in some {wait:.1f} s" for wait in (0.02, 0.04, 0.08)]
    assert said == [*waits, "failed for the last time, and is made a dead letter"]


async def test_a_time_that_a_handler_asks_for_goes_before_the_policy(
    url: str, ca: Path, queue: Client, topic: str
) -> None:
    await queue.set_policy(topic, {"backoff": BACKOFF | {"initial": 600, "max": 600}})
    worker = Worker(url, ca=ca, retry_by_policy=True)

    @worker.handles(topic)
    async def handle(body: bytes, delivery: Delivery) -> None:
        if delivery.dack_count == 0:
            raise Retry(after=0) if body == b"soon" else Retry

    await publish_all(queue, topic, b"soon", b"as the policy says")
    async with at_work(worker):
        await wait_counts(queue, topic, acknowledged=1, delayed=1, in_flight=0, ready=0)


async def test_without_a_backoff_in_the_policy_the_worker_waits_itself(
    url: str, ca: Path, queue: Client, topic: str
) -> None:
    worker = Worker(url, ca=ca, retry_by_policy=True, backoff_seconds=600)

    @worker.handles(topic)
    async def fail() -> None:
        raise ValueError

    await queue.publish(topic, b"1")
    async with at_work(worker):
        await wait_counts(queue, topic, delayed=1, delivered=1)


async def test_a_worker_that_is_refused_the_policy_goes_by_its_own_times_and_goes_on(
    url: str, ca: Path, queue: Client, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    worker = Worker(url, ca=ca, retry_by_policy=True)

    @worker.handles(topic)
    async def handle(body: bytes) -> None:
        if body == b"last of its topic":
            await queue.delete(topic)
            raise ValueError

    await queue.publish(topic, b"last of its topic")
    async with at_work(worker):
        await wait_until(lambda: any(logged(caplog, logging.ERROR)), "the failure was logged")
        await queue.publish(topic, b"first of another")
        await wait_counts(queue, topic, acknowledged=1)

    assert "failed, and is set aside for" in next(logged(caplog))


async def test_what_is_put_off_for_the_last_time_is_told_to_be_a_dead_letter(
    url: str, ca: Path, queue: Client, topic: str, caplog: pytest.LogCaptureFixture
) -> None:
    await queue.set_policy(topic, {"maxDeliveries": 1})
    worker = Worker(url, ca=ca, retry_by_policy=True)

    @worker.handles(topic)
    async def put_off() -> None:
        raise Retry(after=5)

    await queue.publish(topic, b"1")
    async with at_work(worker):
        await wait_counts(queue, f"{topic}.dead", ready=1)

    assert "for the last time" in next(logged(caplog))
