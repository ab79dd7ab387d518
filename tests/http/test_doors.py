"""Requests to verbs, errors to statuses; Quart for what is no stream."""

import json
from time import perf_counter
from typing import Any

import pytest
from quart import Quart

from miniqueue_py import errors
from miniqueue_py.broker.administration import Administration
from miniqueue_py.broker.admission import Limits
from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.events import Observers
from miniqueue_py.errors import BadTopicName, MiniqueueError
from miniqueue_py.http.asgi_exchange import AsgiRoute
from miniqueue_py.http.door import Door
from miniqueue_py.http.names import topic_name
from miniqueue_py.http.native.receiving import LONGEST_BODY_BYTES
from miniqueue_py.http.native.streams import Streams
from miniqueue_py.http.pages.app import create_app
from miniqueue_py.http.pages.pages import Pages
from miniqueue_py.http.problems import problem_of
from miniqueue_py.http.servers.connections import ConnectionLimits, Connections
from miniqueue_py.storage.memory import MemoryStorage
from miniqueue_py.telemetry.metrics import Metrics
from miniqueue_py.testing.clock import ManualClock
from tests.http.exchanges import Exchange, request

pytestmark = pytest.mark.anyio


class FailingStorage(MemoryStorage):
    """An engine that stumbles in a way nobody foresaw, or in a known one."""

    problem: Exception | None = None

    def append(self, *_: Any) -> Any:
        raise self.problem or RuntimeError("unforeseen")

    @property
    def failure(self) -> errors.StorageUnavailable | None:
        return self.problem if isinstance(self.problem, errors.StorageUnavailable) else None


@pytest.fixture
def storage() -> MemoryStorage:
    return MemoryStorage()


@pytest.fixture
def broker(storage: MemoryStorage) -> Broker:
    return Broker(storage, ManualClock(), limits=Limits(max_message_bytes=10))


@pytest.fixture
def app(broker: Broker, storage: MemoryStorage) -> Door:
    return make_app(broker, storage, [])


def make_app(broker: Broker, storage: MemoryStorage, stumbles: list[str]) -> Door:
    administration = Administration(broker, storage, Observers())
    native: Any = create_pages(broker, administration, storage)

    def stumble(path: str, _error: Exception) -> None:
        stumbles.append(path)

    pages = Pages(lambda: {"": native})
    streams = Streams(broker, AsgiRoute(pages), drain_seconds=1.0, on_error=stumble)
    return Door(streams.route, on_error=stumble)


def create_pages(broker: Broker, administration: Administration, storage: MemoryStorage) -> Quart:
    metrics = Metrics(storage.write_times())
    return create_app(broker, administration, metrics, Connections(ConnectionLimits()))


@pytest.mark.parametrize(
    ("error", "status", "has_retry"),
    [
        (errors.BadTopicName("it is empty"), 400, False),
        (errors.BadParameter("delay", "is not a duration"), 400, False),
        (errors.BadPolicy("it is not a JSON object"), 400, False),
        (errors.MessageTooLong(10), 413, False),
        (errors.UnknownContentType("text/html", "text/plain"), 415, False),
        (errors.TopicNotFound("orders"), 404, False),
        (errors.Contradiction("this is not that"), 409, False),
        (errors.CapReached("-max-msgs", 3), 429, True),
        (errors.ShuttingDown(), 503, True),
        (errors.StorageUnavailable("fsync failed"), 503, True),
        (errors.DiskFull(), 507, False),
        (errors.StorageCorrupt("a record"), 500, False),
    ],
    ids=lambda value: type(value).__name__,
)
def test_each_error_has_its_status(error: MiniqueueError, status: int, has_retry: bool) -> None:
    answered, headers, body = problem_of(error)

    assert answered == status
    assert json.loads(body) == {"error": str(error)}
    assert (b"retry-after" in dict(headers)) == has_retry


@pytest.mark.parametrize(
    ("segment", "name"),
    [
        (b"foo", "foo"),
        (b"a%20b", "a b"),
        (b"%C3%A9", "\u00e9"),
        ("\u00e9".encode(), "\u00e9"),
        (b"%252F", "%2F"),
        (b"100%", "100%"),
        (b"a+b", "a+b"),
        (b"." * 255, "." * 255),
    ],
)
def test_topic_name_is_decoded_once(segment: bytes, name: str) -> None:
    assert topic_name(segment) == name


@pytest.mark.parametrize(
    "segment",
    [b"", b"a%2Fb", b"%00", b"a%0Ab", b"%7F", b"%C2%85", b"%FF", b"x" * 256, b"%C0%AF"],
)
def test_bad_topic_name_is_refused(segment: bytes) -> None:
    with pytest.raises(BadTopicName, match="a topic name is 1 to 255 bytes"):
        topic_name(segment)


async def test_publish_is_created_with_nothing_to_say(app: Door, storage: MemoryStorage) -> None:
    answer = await request(app, "POST", "/publish/orders", b"hello")

    assert (answer.status, answer.body) == (201, b"")
    assert storage.statistics("orders").ready == 1


async def test_message_too_long_is_refused_before_it_is_read(
    app: Door, storage: MemoryStorage
) -> None:
    declared = await request(app, "POST", "/publish/orders", headers={"content-length": "11"})
    async with Exchange(app, "POST", "/publish/orders") as undeclared:
        await undeclared.say(b"x" * 11)
        await undeclared.answer()

    assert declared.status == undeclared.status == 413
    assert not storage.topics()


async def test_publish_that_ends_early_stores_nothing(app: Door, storage: MemoryStorage) -> None:
    async with Exchange(app, "POST", "/publish/orders") as publish:
        await publish.say(b"half")
        await publish.leave()

    assert not publish.is_begun
    assert not storage.topics()


@pytest.mark.parametrize("problem", [errors.DiskFull(), errors.StorageUnavailable("bad disk")])
async def test_storage_that_refuses_is_told(problem: MiniqueueError) -> None:
    storage = FailingStorage()
    storage.problem = problem
    app = make_app(Broker(storage, ManualClock()), storage, [])

    publish = await request(app, "POST", "/publish/orders", b"x")
    ready = await request(app, "GET", "/readyz")

    assert publish.status == (507 if isinstance(problem, errors.DiskFull) else 503)
    assert json.loads(publish.body) == {"error": str(problem)}
    assert (ready.status, json.loads(ready.body)) == (503, {"error": str(problem)})
    assert ready.headers["retry-after"] == "1"


async def test_unforeseen_error_fails_one_request_and_is_told() -> None:
    stumbles: list[str] = []
    storage = FailingStorage()
    app = make_app(Broker(storage, ManualClock()), storage, stumbles)

    answer = await request(app, "POST", "/publish/orders", b"x")

    assert stumbles == ["/publish/orders"]
    assert answer.status == 500
    assert json.loads(answer.body) == {"error": "the broker failed; its log tells how"}


async def test_unforeseen_error_ends_one_stream_in_words_and_is_told() -> None:
    class Unreadable(MemoryStorage):
        def lease(self, *_: Any) -> Any:
            raise errors.StorageCorrupt("a record")

    stumbles: list[str] = []
    storage = Unreadable()
    app = make_app(Broker(storage, ManualClock()), storage, stumbles)

    answer = await request(app, "POST", "/subscribe/orders", b'"INIT"')

    assert stumbles == ["/subscribe/orders"]
    assert answer.status == 200
    assert json.loads(answer.body) == {"error": "the broker failed; its log tells how"}
    assert answer.has_ended


async def test_delete_removes_a_topic(app: Door, storage: MemoryStorage) -> None:
    await request(app, "POST", "/publish/a%20b", b"1")

    answer = await request(app, "DELETE", "/a%20b")

    assert (answer.status, answer.body) == (200, b"")
    assert not storage.topics()


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/publish/orders", 405),
        ("GET", "/subscribe/orders", 405),
        ("PUT", "/publish/orders", 405),
        ("GET", "/orders", 405),
        ("POST", "/healthz", 405),
        ("GET", "/no/such/page", 404),
        ("POST", "/publish/a/b", 404),
        ("DELETE", "/a/b", 404),
        ("DELETE", "//a", 404),
        ("DELETE", "/a%2Fb", 400),
        ("DELETE", "/%FF", 400),
        ("POST", "/publish/", 400),
        ("POST", "/publish/%00", 400),
        ("GET", "/publish/orders/batch", 405),
        ("POST", "/publish/a/b/batch", 404),
        ("POST", "/publish//batch", 400),
        ("POST", "/publish/%00/batch", 400),
        ("POST", "/subscribe/a%2Fb", 400),
    ],
)
async def test_what_is_not_there_is_told_in_json(
    app: Door, method: str, path: str, status: int
) -> None:
    answer = await request(app, method, path)

    assert answer.status == status
    assert json.loads(answer.body).keys() == {"error"}
    assert ("allow" in {name.lower() for name in answer.headers}) == (status == 405)


@pytest.mark.parametrize(
    ("http_version", "headers", "status"),
    [
        ("1.1", {"content-length": "6"}, 505),
        ("1.1", {}, 505),
        ("1.0", {"transfer-encoding": "chunked"}, 505),
        ("1.1", {"transfer-encoding": "chunked"}, 200),
        ("2", {"content-length": "6"}, 200),
    ],
)
async def test_subscribing_needs_two_directions(
    app: Door, http_version: str, headers: dict[str, str], status: int
) -> None:
    answer = await request(
        app,
        "POST",
        "/subscribe/orders",
        b'"INIT"',
        http_version=http_version,
        headers=headers,
    )

    assert answer.status == status
    if status == 505:
        assert "HTTP/2" in json.loads(answer.body)["error"]


async def test_health_tells_the_loop_turns_and_readiness_that_it_drains(
    app: Door, broker: Broker
) -> None:
    assert (await request(app, "GET", "/healthz")).body == b"ok\n"
    assert (await request(app, "GET", "/readyz")).status == 200
    broker.drain()

    assert (await request(app, "GET", "/healthz")).status == 200
    ready = await request(app, "GET", "/readyz")
    assert (ready.status, json.loads(ready.body)) == (503, {"error": "the broker is draining"})


async def test_disk_that_does_not_answer_is_not_ready_until_it_does(
    app: Door, storage: MemoryStorage
) -> None:
    fsync = storage.write_times().fsync
    fsync.began = perf_counter() - 9
    assert (await request(app, "GET", "/readyz")).status == 200

    fsync.began = perf_counter() - 11.2
    ready = await request(app, "GET", "/readyz")
    assert ready.status == 503
    assert json.loads(ready.body)["error"].startswith("the disk has not answered an fsync for 1")
    assert (await request(app, "GET", "/healthz")).status == 200

    fsync.began = None
    assert (await request(app, "GET", "/readyz")).status == 200


async def test_damage_is_told_by_a_broker_that_is_ready_all_the_same(
    app: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(MemoryStorage, "damages", ("messages of topic 'é' cannot be read",))

    ready = await request(app, "GET", "/readyz")

    told = "ok\ndamaged: messages of topic 'é' cannot be read\n"
    assert (ready.status, ready.body) == (200, told.encode())


async def test_topic_may_have_the_name_of_a_page(app: Door, storage: MemoryStorage) -> None:
    for name in ("healthz", "publish", "metrics", "topics"):
        await request(app, "POST", f"/publish/{name}", b"x")
        assert (await request(app, "DELETE", f"/{name}")).status == 200
    assert not storage.topics()


def test_quart_cuts_no_slow_peer_and_takes_no_long_body(
    broker: Broker, storage: MemoryStorage
) -> None:
    administration = Administration(broker, storage, Observers())
    config = create_pages(broker, administration, storage).config

    assert config["RESPONSE_TIMEOUT"] is None
    assert config["BODY_TIMEOUT"] is None
    assert config["MAX_CONTENT_LENGTH"] == LONGEST_BODY_BYTES
