"""ZapQ's pages: what its README says of each, and what it says of nothing else."""

import json
from typing import Any

import pytest

from miniqueue_py.broker.admission import Limits
from miniqueue_py.broker.policy import TopicPolicy
from miniqueue_py.http.dialects.zapq.dialect import Zapq
from miniqueue_py.http.dialects.zapq.requests import LONGEST_MESSAGE_BYTES
from miniqueue_py.testing.clock import ManualClock
from tests.broker.scenes import receive
from tests.dialects.desk import Booth
from tests.http.exchanges import Exchange

pytestmark = pytest.mark.anyio

COUNTERS = ("enqueue_count", "dequeue_count", "dequeue_miss", "queue_length", "queue_bytes")


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def booth(clock: ManualClock) -> Booth:
    return open_zapq(clock)


def open_zapq(
    clock: ManualClock,
    limits: Limits | None = None,
    zapq: Zapq = Zapq(),  # noqa: B008
) -> Booth:
    return Booth("zapq", clock, limits=limits or Limits(), of_dialects=[zapq])


async def metrics(booth: Booth) -> dict[str, Any]:
    answer = await booth.ask("GET", "/metrics")
    assert (answer.status, answer.headers["content-type"]) == (200, "application/json")
    value: dict[str, Any] = json.loads(answer.body)
    return value


async def counted(booth: Booth) -> tuple[int, ...]:
    value = await metrics(booth)
    return tuple(value[name] for name in COUNTERS)


def expect_refused(answer: Exchange, status: int) -> str:
    """The sentence, as Go's http.Error writes it."""
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "text/plain; charset=utf-8"
    assert answer.headers["x-content-type-options"] == "nosniff"
    text = answer.body.decode()
    assert text.endswith("\n")
    assert text.count("\n") == 1
    return text


async def test_messages_come_out_as_they_went_in_first_in_first_out(booth: Booth) -> None:
    sent = [b"one", b"", bytes(range(256)), b"x" * LONGEST_MESSAGE_BYTES]
    for body in sent:
        answer = await booth.ask("POST", "/enqueue", body)
        assert (answer.status, answer.body) == (202, b"")

    taken = [await booth.ask("GET", "/dequeue") for _ in sent]

    assert [(each.status, each.body) for each in taken] == [(200, body) for body in sent]
    assert {each.headers["content-type"] for each in taken} == {"application/octet-stream"}


@pytest.mark.parametrize("http_version", ["1.1", "2"])
async def test_nothing_to_take_is_no_content(booth: Booth, http_version: str) -> None:
    answer = await booth.ask("GET", "/dequeue", http_version=http_version)

    assert (answer.status, answer.body, answer.headers) == (204, b"", {})


async def test_message_that_was_taken_is_gone_whether_or_not_it_arrived(booth: Booth) -> None:
    await booth.publish("zapq", b"one")

    await booth.ask("GET", "/dequeue")

    statistics = booth.storage.statistics("zapq")
    assert (statistics.ready, statistics.in_flight, statistics.acknowledged) == (0, 0, 1)


async def test_head_takes_nothing(booth: Booth) -> None:
    await booth.publish("zapq", b"one")

    answer = await booth.ask("HEAD", "/dequeue")

    assert (answer.status, answer.headers["allow"]) == (405, "GET")
    assert booth.bodies("zapq") == [b"one"]


@pytest.mark.parametrize("is_declared", [True, False])
@pytest.mark.parametrize("more", [1, 1 << 20])
@pytest.mark.parametrize("pieces", [1, 5])
async def test_message_of_more_than_128_kilobytes_is_too_long(
    booth: Booth, is_declared: bool, more: int, pieces: int
) -> None:
    body = b"x" * (LONGEST_MESSAGE_BYTES + more)
    headers = {"content-length": str(len(body))} if is_declared else {}
    sending = booth.begin("POST", "/enqueue", headers=headers)
    size = -(-len(body) // pieces)
    for start in range(0, len(body), size):
        await sending.say(body[start : start + size], is_last=start + size >= len(body))

    await sending.answer()

    assert "131072" in expect_refused(sending, 413)
    assert booth.bodies("zapq") == []


async def test_message_without_an_end_is_refused_as_soon_as_it_is_too_long(booth: Booth) -> None:
    sending = booth.begin("POST", "/enqueue")
    await sending.say(b"x" * LONGEST_MESSAGE_BYTES)
    assert not sending.is_begun

    await sending.say(b"x")

    expect_refused(await sending.answer(), 413)


async def test_message_of_which_much_was_declared_is_refused_before_it_comes(booth: Booth) -> None:
    sending = booth.begin("POST", "/enqueue", headers={"content-length": str(10**12)})

    await sending.answer()

    expect_refused(sending, 413)


async def test_message_that_was_cut_short_is_not_kept(booth: Booth) -> None:
    answer = await booth.ask("POST", "/enqueue", b"hal", headers={"content-length": "4"})

    expect_refused(answer, 400)
    assert booth.bodies("zapq") == []


async def test_limit_of_the_broker_holds_if_it_is_lower(clock: ManualClock) -> None:
    booth = open_zapq(clock, Limits(max_message_bytes=10))

    assert (await booth.ask("POST", "/enqueue", b"x" * 10)).status == 202
    assert "10 bytes" in expect_refused(await booth.ask("POST", "/enqueue", b"x" * 11), 413)


@pytest.mark.parametrize(
    ("options", "cap"),
    [
        (Zapq(max_msgs=2), "-zapq-max-msgs is 2"),
        (Zapq(max_bytes=7), "-zapq-max-bytes is 7"),
    ],
)
async def test_full_queue_says_so_until_something_is_taken(
    clock: ManualClock, options: Zapq, cap: str
) -> None:
    booth = open_zapq(clock, zapq=options)
    for body in (b"one", b"two"):
        assert (await booth.ask("POST", "/enqueue", body)).status == 202

    refused = await booth.ask("POST", "/enqueue", b"three")
    await booth.ask("GET", "/dequeue")
    taken = await booth.ask("POST", "/enqueue", b"four")

    told = expect_refused(refused, 429)
    assert told.startswith("Queue Full: ")
    assert cap in told
    assert refused.headers["retry-after"] == "1"
    assert taken.status == 202
    assert booth.bodies("zapq") == [b"two", b"four"]


async def test_cap_of_the_topic_counts_too(booth: Booth) -> None:
    await booth.administration.set_policy("zapq", TopicPolicy(max_messages=1))
    await booth.ask("POST", "/enqueue", b"one")

    expect_refused(await booth.ask("POST", "/enqueue", b"two"), 429)


async def test_clear_removes_all_messages_and_counts_and_leaves_the_policy(booth: Booth) -> None:
    policy = TopicPolicy(max_messages=10)
    await booth.administration.set_policy("zapq", policy)
    for body in (b"one", b"two"):
        await booth.ask("POST", "/enqueue", body)
    for _ in range(3):
        await booth.ask("GET", "/dequeue")
    await booth.ask("POST", "/enqueue", b"three")
    assert await counted(booth) == (3, 2, 1, 1, 5)

    answer = await booth.ask("POST", "/clear")

    assert (answer.status, answer.body) == (200, b"")
    assert await counted(booth) == (0, 0, 0, 0, 0)
    assert (await booth.ask("GET", "/dequeue")).status == 204
    assert booth.administration.overview("zapq").policy == policy


async def test_queue_that_never_was_can_be_cleared(booth: Booth) -> None:
    assert (await booth.ask("POST", "/clear")).status == 200
    assert await counted(booth) == (0, 0, 0, 0, 0)


async def test_metrics_tell_all_that_is_known(booth: Booth, clock: ManualClock) -> None:
    await clock.advance(61.7)

    value = await metrics(booth)

    assert list(value) == [
        *("uptime_sec", "enqueue_count", "dequeue_count", "dequeue_miss", "queue_length"),
        *("queue_bytes", "max_bytes", "max_msgs", "open_fds", "tasks"),
    ]
    assert (value["uptime_sec"], value["max_bytes"], value["max_msgs"]) == (61, 256 << 20, 50_000)
    assert value["open_fds"] > 0
    assert value["tasks"] > 0


async def test_health_is_ok(booth: Booth) -> None:
    answer = await booth.ask("GET", "/health")

    assert (answer.status, answer.body) == (200, b"ok")


async def test_what_others_publish_to_the_topic_is_taken_here_and_the_other_way_round(
    booth: Booth,
) -> None:
    await booth.publish("zapq", b"theirs", priority=5)
    await booth.ask("POST", "/enqueue", b"ours")

    assert (await booth.ask("GET", "/dequeue")).body == b"theirs"
    [(_, delivery)] = await receive(booth.broker, "zapq", 1, 0.0)
    assert delivery.message.body == b"ours"


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/nowhere"), ("GET", "/"), ("POST", "/enqueue/"), ("GET", "/dequeue/x")],
)
async def test_page_that_is_not_there_is_told_as_go_does(
    booth: Booth, method: str, path: str
) -> None:
    answer = await booth.ask(method, path)

    assert expect_refused(answer, 404) == "404 page not found\n"


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        *((method, "/enqueue", {"POST"}) for method in ("GET", "PUT", "DELETE", "OPTIONS")),
        *((method, "/dequeue", {"GET"}) for method in ("POST", "DELETE", "HEAD")),
        ("GET", "/clear", {"POST"}),
        ("GET", "/persist", {"POST"}),
        ("GET", "/load", {"POST"}),
        ("POST", "/metrics", {"GET", "HEAD"}),
        ("POST", "/health", {"GET", "HEAD"}),
    ],
)
async def test_wrong_method_is_told_as_go_does(
    booth: Booth, method: str, path: str, allowed: set[str]
) -> None:
    answer = await booth.ask(method, path)

    if method != "HEAD":
        assert expect_refused(answer, 405) == "Method Not Allowed\n"
    assert set(answer.headers["allow"].split(", ")) == allowed


async def test_draining_broker_takes_and_gives_nothing(booth: Booth) -> None:
    await booth.publish("zapq", b"one")

    booth.broker.drain()

    expect_refused(await booth.ask("POST", "/enqueue", b"two"), 503)
    expect_refused(await booth.ask("GET", "/dequeue"), 503)
    assert booth.bodies("zapq") == [b"one"]
