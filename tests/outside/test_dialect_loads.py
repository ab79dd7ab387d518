"""The loads that the other systems' documents suggest: many at once, and each message counted.

`python -m benchmarks peers --works http1` times the same requests.
"""

import asyncio
import json
import ssl
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest
from websockets.asyncio.client import connect

from miniqueue_py.tls.paths import CertificatePaths
from tests.outside.conftest import QUICK
from tests.outside.dialects import dialect_broker, dialect_url, empty
from tests.outside.keep_alive import drive, from_each, get, post
from tests.outside.server import RunningBroker

pytestmark = pytest.mark.anyio

LIMIT_SECONDS = 60.0
PARALLEL = 100
CONSUMERS = 8
MESSAGES = 1000


@pytest.fixture(scope="module")
def module_broker(
    certificates: CertificatePaths, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningBroker]:
    directory = tmp_path_factory.mktemp("loads") / "db"
    with dialect_broker(directory, certificates, *QUICK) as broker:
        yield broker


@pytest.fixture(autouse=True)
def begin_with_nothing(broker: RunningBroker) -> None:
    empty(broker)


class Answers:
    """What came back, counted by status."""

    def __init__(self) -> None:
        self.statuses: Counter[int] = Counter()
        self.bodies: list[bytes] = []

    def take(self, status: int, body: bytes) -> None:
        self.statuses[status] += 1
        if body:
            self.bodies.append(body)

    def texts(self) -> list[Any]:
        return [json.loads(body) for body in self.bodies]


async def put(broker: RunningBroker, name: str, path: str, bodies: list[bytes]) -> Answers:
    """Post all of them over a hundred connections."""
    answers = Answers()
    requests = iter([post(path, body) for body in bodies])
    port = port_of(broker, name)
    await drive(port, PARALLEL, from_each(requests), answers.take, LIMIT_SECONDS)
    return answers


async def take_all(broker: RunningBroker, name: str, request: bytes, empty: int) -> Answers:
    """Ask by several consumers at once, until each is told that there is no more."""
    answers = Answers()
    port = port_of(broker, name)

    def ask() -> bytes | None:
        return request if answers.statuses[empty] < CONSUMERS else None

    await drive(port, CONSUMERS, ask, answers.take, LIMIT_SECONDS)
    return answers


def port_of(broker: RunningBroker, name: str) -> int:
    port = urlsplit(dialect_url(broker, name)).port
    assert port is not None
    return port


def page(broker: RunningBroker, name: str, path: str) -> Any:
    return httpx.get(f"{dialect_url(broker, name)}{path}", timeout=LIMIT_SECONDS).json()


async def test_a_hundred_parallel_enqueues_of_zapq_are_each_dequeued_once(
    broker: RunningBroker,
) -> None:
    assert (await put(broker, "zapq", "/clear", [b""])).statuses == {200: 1}
    bodies = [b"message %d" % number for number in range(MESSAGES)]

    accepted = await put(broker, "zapq", "/enqueue", bodies)
    held = page(broker, "zapq", "/metrics")
    taken = await take_all(broker, "zapq", get("/dequeue"), 204)

    assert accepted.statuses == {202: MESSAGES}
    assert (held["queue_length"], held["queue_bytes"]) == (MESSAGES, sum(map(len, bodies)))
    assert taken.statuses[200] == MESSAGES
    assert sorted(taken.bodies) == sorted(bodies)
    told = page(broker, "zapq", "/metrics")
    assert (told["enqueue_count"], told["dequeue_count"]) == (MESSAGES, MESSAGES)
    assert told["dequeue_miss"] == taken.statuses[204]
    assert (told["queue_length"], told["queue_bytes"]) == (0, 0)


async def test_producers_and_consumers_of_zapq_at_once_lose_nothing(broker: RunningBroker) -> None:
    bodies = [b"message %d" % number for number in range(MESSAGES)]
    taken = Answers()
    putting = asyncio.create_task(put(broker, "zapq", "/enqueue", bodies))

    def ask() -> bytes | None:
        return get("/dequeue") if taken.statuses[200] < MESSAGES else None

    port = port_of(broker, "zapq")
    await drive(port, CONSUMERS, ask, taken.take, LIMIT_SECONDS)

    assert (await putting).statuses == {202: MESSAGES}
    assert sorted(taken.bodies) == sorted(bodies)


async def test_what_zapq_took_before_a_kill_is_gone_and_all_else_is_there(
    broker: RunningBroker,
) -> None:
    """At most once: of what was on its way to a consumer at that moment, nobody knows."""
    bodies = [b"message %d" % number for number in range(MESSAGES)]
    await put(broker, "zapq", "/enqueue", bodies)
    before = Answers()

    def ask() -> bytes:
        if before.statuses[200] == MESSAGES // 4 and broker.is_running:
            broker.kill()
        return get("/dequeue")

    with suppress(OSError):
        await drive(port_of(broker, "zapq"), CONSUMERS, ask, before.take, LIMIT_SECONDS)
    broker.restart()
    after = await take_all(broker, "zapq", get("/dequeue"), 204)

    taken, left = set(before.bodies), set(after.bodies)
    assert not taken & left
    assert len(taken) + len(left) == len(before.bodies) + len(after.bodies)
    assert taken | left <= set(bodies)
    assert len(set(bodies) - taken - left) <= CONSUMERS
    assert len(left) > MESSAGES // 2


async def test_each_item_of_coramq_is_dequeued_and_acknowledged_once(
    broker: RunningBroker,
) -> None:
    await put(broker, "coramq", "/queues", [b'{"queueName": "load"}'])
    items: list[dict[str, Any]] = [
        {"id": f"{number}", "payload": "p", "priority": number % 256} for number in range(MESSAGES)
    ]
    bodies = [json.dumps({"item": item}).encode() for item in items]

    accepted = await put(broker, "coramq", "/queues/load/enqueue", bodies)
    taken = await take_all(broker, "coramq", post("/queues/load/dequeue", b"{}"), 404)
    ids = [told["item"]["id"] for told in taken.texts() if "item" in told]
    acknowledged = await put(
        broker,
        "coramq",
        "/queues/load/acknowledge",
        [json.dumps({"itemId": item_id}).encode() for item_id in ids],
    )

    assert accepted.statuses == {200: MESSAGES}
    assert sorted(ids) == sorted(item["id"] for item in items)
    assert acknowledged.statuses == {200: MESSAGES}


async def test_an_item_of_coramq_that_nobody_acknowledges_comes_back(broker: RunningBroker) -> None:
    native = f"https://localhost:{broker.port}/topics/brief"
    url = f"{dialect_url(broker, 'coramq')}/queues"
    item = {"id": "3", "payload": "p", "priority": 5}
    trust = ssl.create_default_context(cafile=str(broker.ca))
    async with httpx.AsyncClient(timeout=LIMIT_SECONDS, verify=trust) as client:
        await client.post(url, json={"queueName": "brief"})
        await client.put(native, json={"lease": "1s"})
        await client.post(f"{url}/brief/enqueue", json={"item": item})

        first = await client.post(f"{url}/brief/dequeue")
        second = await client.post(f"{url}/brief/dequeue")
        async with asyncio.timeout(LIMIT_SECONDS):
            while (again := await client.post(f"{url}/brief/dequeue")).status_code != 200:
                pass

        assert second.status_code == 404
        assert instant_of(again) > instant_of(first)
        for answer in (first, again):
            assert answer.json()["item"] == item | {"visibilityTimeout": instant_of(answer)}
        late = await client.post(f"{url}/brief/acknowledge", json={"itemId": "3"})
        assert late.status_code == 200
        assert (await client.get(native)).json()["acknowledged"] == 1


def instant_of(answer: httpx.Response) -> str:
    instant: str = answer.json()["item"]["visibilityTimeout"]
    return instant


async def test_payloads_pipelined_into_zoldyq_are_streamed_out_in_order(
    broker: RunningBroker,
) -> None:
    url = dialect_url(broker, "zoldyq").replace("http", "ws", 1) + "/queues/load"
    async with (
        asyncio.timeout(LIMIT_SECONDS),
        connect(f"{url}/enqueue") as publisher,
        connect(f"{url}/dequeue") as consumer,
    ):

        async def publish() -> None:
            for number in range(MESSAGES):
                await publisher.send(json.dumps({"payload": {"number": number}}))

        publishing = asyncio.create_task(publish())
        answers = [json.loads(await publisher.recv()) for _ in range(MESSAGES)]
        payloads = [json.loads(await consumer.recv())["payload"] for _ in range(MESSAGES)]
        await publishing

    assert all(answer["queued"] for answer in answers)
    assert payloads == [{"number": number} for number in range(MESSAGES)]
    told = page(broker, "zoldyq", "/health")["queues"]["load"]
    assert told["size"] == 0
    assert (told["enqueued_total"], told["dequeued_total"]) == (MESSAGES, MESSAGES)


async def test_a_burst_of_tasks_is_queued_with_an_id_each(broker: RunningBroker) -> None:
    task = b'{"type": "email-notification", "payload": "user@example.com"}'

    accepted = await put(broker, "tasks", "/task", [task] * MESSAGES)

    assert accepted.statuses == {202: MESSAGES}
    assert len({told["task_id"] for told in accepted.texts()}) == MESSAGES
    assert page(broker, "tasks", "/stats")["pending"] == MESSAGES
