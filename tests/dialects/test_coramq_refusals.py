"""What CoraMQ's pages refuse, each in CoraMQ's own shape, and nothing of it is kept."""

import json
from collections.abc import Sequence
from typing import Any

import pytest

from miniqueue_py.broker.admission import Limits
from miniqueue_py.broker.message import Publication
from miniqueue_py.broker.policy import TopicPolicy
from miniqueue_py.errors import DiskFull
from miniqueue_py.storage.memory import MemoryStorage
from miniqueue_py.testing.clock import ManualClock
from tests.dialects.desk import Booth
from tests.http.exchanges import Exchange

pytestmark = pytest.mark.anyio

ITEM = {"id": "3", "payload": "x", "priority": 5}
LONGEST = 1000
NO_PRIORITIES: Sequence[object] = (
    True,
    False,
    1.5,
    "5",
    "high",
    [],
    {},
    256,
    300,
    -1,
    10**30,
)


@pytest.fixture
async def booth() -> Booth:
    booth = open_coramq(MemoryStorage())
    assert (await booth.ask("POST", "/queues", {"queueName": "jobs"})).status == 201
    return booth


def open_coramq(storage: MemoryStorage) -> Booth:
    limits = Limits(max_message_bytes=LONGEST)
    return Booth("coramq", ManualClock(), storage=storage, limits=limits)


def expect_refused(answer: Exchange, status: int, **what: str) -> str:
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/json"
    value: dict[str, Any] = json.loads(answer.body)
    assert list(value)[:2] == ["status", "message"]
    assert value.pop("status") == "error"
    message: str = value.pop("message")
    assert value == what
    return message


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("enqueue", {"item": ITEM}),
        ("dequeue", {}),
        ("dequeue", {"queueName": "nothing"}),
        ("acknowledge", {"itemId": "3"}),
    ],
)
async def test_unknown_queue(booth: Booth, path: str, body: object) -> None:
    answer = await booth.ask("POST", f"/queues/nothing/{path}", body)

    assert expect_refused(answer, 404, queueName="nothing") == "Queue not found"
    assert booth.storage.topics() == ["jobs"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/queues"),
        ("PUT", "/queues"),
        ("DELETE", "/queues"),
        ("OPTIONS", "/queues"),
        ("GET", "/queues/jobs/enqueue"),
        ("GET", "/queues/jobs/dequeue"),
        ("DELETE", "/queues/jobs/acknowledge"),
    ],
)
async def test_wrong_method(booth: Booth, method: str, path: str) -> None:
    answer = await booth.ask(method, path)

    expect_refused(answer, 405)
    assert answer.headers["allow"] == "POST"


@pytest.mark.parametrize(
    "path", ["/", "/queue", "/queues/", "/queues/jobs", "/queues/jobs/peek", "/queues//dequeue"]
)
async def test_page_that_is_not_there(booth: Booth, path: str) -> None:
    expect_refused(await booth.ask("POST", path, {}), 404)


@pytest.mark.parametrize("path", ["/queues", "/queues/jobs/enqueue", "/queues/jobs/acknowledge"])
@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "is empty"),
        (b"nonsense", "is not JSON"),
        (b"{'item': 1}", "is not JSON"),
        (b'{"item":', "is not JSON"),
        (b"\xff\xfe", "is not UTF-8"),
        (b"[" * 5000, "nested too deeply"),
        (b'{"item":1,"item":2}', "a key twice"),
        (b'{"item":NaN}', "no number in JSON"),
        (b"[]", "is not a JSON object"),
        (b"null", "is not a JSON object"),
        (b'"jobs"', "is not a JSON object"),
        (b"1e999", "number in it that is too large"),
    ],
)
async def test_body_that_is_no_object(booth: Booth, path: str, body: bytes, words: str) -> None:
    assert words in expect_refused(await booth.ask("POST", path, body), 400)


@pytest.mark.parametrize("body", [b"nonsense", b"[]", b"null", b" "])
async def test_body_of_a_dequeue_that_is_no_object(booth: Booth, body: bytes) -> None:
    expect_refused(await booth.ask("POST", "/queues/jobs/dequeue", body), 400)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "queueName is missing"),
        ({"name": "jobs"}, "queueName is missing"),
        ({"queueName": None}, "queueName is not a string"),
        ({"queueName": 5}, "queueName is not a string"),
        ({"queueName": ["jobs"]}, "queueName is not a string"),
        ({"queueName": ""}, "it is empty"),
        ({"queueName": "a/b"}, "it contains '/'"),
        ({"queueName": "a\nb"}, "control character"),
        ({"queueName": "x" * 256}, "256 bytes long"),
        ({"queueName": "é" * 128}, "256 bytes long"),
        ({"queueName": "\ud800"}, "not UTF-8"),
    ],
)
async def test_queue_that_cannot_be_named_so(booth: Booth, body: object, words: str) -> None:
    assert words in expect_refused(await booth.ask("POST", "/queues", body), 400)
    assert booth.storage.topics() == ["jobs"]


@pytest.mark.parametrize("segment", ["a%2Fb", "%00", "%ff", "x" * 256, "%0A"])
@pytest.mark.parametrize("path", ["enqueue", "dequeue", "acknowledge"])
async def test_path_that_can_name_no_queue(booth: Booth, segment: str, path: str) -> None:
    expect_refused(await booth.ask("POST", f"/queues/{segment}/{path}", {}), 400)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "item is missing"),
        (ITEM, "item is missing"),
        ({"item": None}, "item is no object"),
        ({"item": []}, "item is no object"),
        ({"item": "3"}, "item is no object"),
        ({"item": {}}, "item.id is missing"),
        ({"item": {**ITEM, "id": 3}}, "item.id is not a string"),
        ({"item": {**ITEM, "id": None}}, "item.id is not a string"),
        ({"item": {**ITEM, "id": ""}}, "item.id is empty"),
        ({"item": {"id": "3", "priority": 5}}, "item.payload is missing"),
        ({"item": {**ITEM, "payload": {"name": "Lorem Ipsum"}}}, "item.payload is not a string"),
        ({"item": {**ITEM, "payload": 7}}, "item.payload is not a string"),
        ({"item": ITEM, "queueName": 7}, "queueName is not a string"),
        ({"item": ITEM, "queueName": None}, "queueName is not a string"),
        *(
            ({"item": {**ITEM, "priority": priority}}, "is not a whole number from 0 to 255")
            for priority in NO_PRIORITIES
        ),
        (
            b'{"item":{"id":"3","payload":"x","priority":1e999}}',
            "number in it that is too large",
        ),
        (b'{"item":{"id":"3","payload":"x","priority":%b}}' % (b"9" * 5000), "too many digits"),
    ],
)
async def test_item_that_cannot_be(booth: Booth, body: object, words: str) -> None:
    assert words in expect_refused(await booth.ask("POST", "/queues/jobs/enqueue", body), 400)
    assert booth.bodies("jobs") == []


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "itemId is missing"),
        ({"id": "3"}, "itemId is missing"),
        ({"itemId": 3}, "itemId is not a string"),
        ({"itemId": None}, "itemId is not a string"),
        ({"itemId": ["3"]}, "itemId is not a string"),
        ({"itemId": "3", "queueName": ["jobs"]}, "queueName is not a string"),
    ],
)
async def test_item_id_that_cannot_be(booth: Booth, body: object, words: str) -> None:
    answer = await booth.ask("POST", "/queues/jobs/acknowledge", body)

    assert words in expect_refused(answer, 400)


@pytest.mark.parametrize("item_id", ["unknown", "", "\ud800", "x" * 5000])
async def test_item_id_of_nothing(booth: Booth, item_id: str) -> None:
    answer = await booth.ask("POST", "/queues/jobs/acknowledge", {"itemId": item_id})

    text = expect_refused(answer, 404, itemId=item_id)
    assert text == "Item not found in the in-flight queue"


async def test_dequeue_with_a_queue_name_that_is_none(booth: Booth) -> None:
    await booth.publish("jobs", b"one")

    answer = await booth.ask("POST", "/queues/jobs/dequeue", {"queueName": 7})

    assert expect_refused(answer, 400) == "queueName is not a string"
    assert booth.bodies("jobs") == [b"one"]


async def test_payload_that_is_too_long(booth: Booth) -> None:
    around = len(b'{"id":"3","payload":""}')
    fits = {"item": {**ITEM, "payload": "x" * (LONGEST - around)}}
    more = {"item": {**ITEM, "payload": "x" * (LONGEST - around + 1)}}
    much = {"item": {**ITEM, "payload": "x" * (1 << 18)}}

    assert (await booth.ask("POST", "/queues/jobs/enqueue", fits)).status == 200
    assert "1000 bytes" in expect_refused(
        await booth.ask("POST", "/queues/jobs/enqueue", more), 413
    )
    expect_refused(await booth.ask("POST", "/queues/jobs/enqueue", much), 413)
    assert len(booth.bodies("jobs")) == 1


async def test_full_queue(booth: Booth) -> None:
    await booth.administration.set_policy("jobs", TopicPolicy(max_messages=1))
    await booth.publish("jobs", b"one")

    answer = await booth.ask("POST", "/queues/jobs/enqueue", {"item": ITEM})

    assert "full" in expect_refused(answer, 429)
    assert answer.headers["retry-after"] == "1"


async def test_draining_broker(booth: Booth) -> None:
    await booth.publish("jobs", b'{"id":"1","payload":"x"}', b'{"id":"2","payload":"x"}')
    assert (await booth.ask("POST", "/queues/jobs/dequeue")).status == 200

    booth.broker.drain()

    for path, body in (
        ("/queues", {"queueName": "other"}),
        ("/queues/jobs/enqueue", {"item": ITEM}),
        ("/queues/jobs/dequeue", {}),
    ):
        answer = await booth.ask("POST", path, body)
        assert "draining" in expect_refused(answer, 503)
        assert answer.headers["retry-after"] == "1"
    # What is done is done: to have it done again helps nobody.
    done = await booth.ask("POST", "/queues/jobs/acknowledge", {"itemId": "1"})
    assert done.status == 200


class FullStorage(MemoryStorage):
    """On a disk that has no room for another message, nor for a topic."""

    is_full = False

    def append(self, topic: str, publications: Sequence[Publication], *others: Any) -> Any:
        if self.is_full:
            raise DiskFull
        return super().append(topic, publications, *others)

    async def set_policy(self, topic: str, policy: TopicPolicy) -> None:
        if self.is_full:
            raise DiskFull
        await super().set_policy(topic, policy)


async def test_full_disk() -> None:
    storage = FullStorage()
    booth = open_coramq(storage)
    await booth.ask("POST", "/queues", {"queueName": "jobs"})
    storage.is_full = True

    for path, body in (("/queues", {"queueName": "b"}), ("/queues/jobs/enqueue", {"item": ITEM})):
        assert "the disk is full" in expect_refused(await booth.ask("POST", path, body), 507)

    storage.is_full = False
    assert (await booth.ask("POST", "/queues", {"queueName": "b"})).status == 201
