"""The pages of topics: what is in them, and how they are named and listed."""

import pytest

from miniqueue_py.broker.policy import DEFAULT_POLICY, policy_as_json
from miniqueue_py.http.pages import topics
from miniqueue_py.testing.clock import ManualClock
from tests.http.desk import Desk, value_of

pytestmark = pytest.mark.anyio


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def desk(clock: ManualClock) -> Desk:
    return Desk(clock)


async def test_topic_tells_what_is_in_it_and_what_was(desk: Desk, clock: ManualClock) -> None:
    await desk.publish("orders", b"one", b"three", b"four", b"dead")
    await desk.publish("orders", b"later", delay_seconds=60.0)
    await clock.advance(2.5)
    acked, _held, dead = [(await desk.receive("orders", "max=1"))[0] for _ in range(3)]
    await desk.value("POST", "/settle/orders", {"ack": [acked], "dead": [dead]})

    assert await desk.value("GET", "/topics/orders") == {
        "name": "orders",
        "ready": 1,
        "inFlight": 1,
        "delayed": 1,
        "bytes": len(b"three" + b"dead" + b"later"),
        "oldestAgeSeconds": 2.5,
        "published": 5,
        "delivered": 3,
        "acknowledged": 1,
        "expired": 0,
        "deadLettered": 1,
        "consumers": 0,
        "paused": False,
        "policy": policy_as_json(DEFAULT_POLICY),
        "deadLetterTopic": "orders.dead",
    }


async def test_those_who_wait_are_counted_as_consumers(desk: Desk) -> None:
    await desk.publish("orders", b"one")
    await desk.receive("orders", "max=1")
    async with desk.begin("POST", "/receive/orders?wait=20s") as waiting:
        await waiting.say(b"", is_last=True)

        assert (await desk.value("GET", "/topics/orders"))["consumers"] == 1

        await waiting.leave()
        assert (await desk.value("GET", "/topics/orders"))["consumers"] == 0


async def test_topic_is_found_by_its_name_decoded_once(desk: Desk) -> None:
    await desk.publish("a b", b"1")
    await desk.publish("%2F", b"1")
    await desk.publish("\u00e9", b"1")

    for segment, name in (("a%20b", "a b"), ("%252F", "%2F"), ("%C3%A9", "\u00e9")):
        assert (await desk.value("GET", f"/topics/{segment}"))["name"] == name


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/topics/orders"),
        ("GET", "/topics/orders/peek"),
        ("POST", "/topics/orders/pause"),
        ("POST", "/topics/orders/resume"),
        ("POST", "/topics/orders/purge"),
        ("POST", "/topics/orders/redrive"),
    ],
)
async def test_topic_that_does_not_exist_is_not_found_and_not_made(
    desk: Desk, method: str, path: str
) -> None:
    status, error = await desk.refusal(method, path)

    assert status == 404
    assert error.startswith("there is no topic 'orders'")
    assert await desk.value("GET", "/topics") == {"topics": []}


@pytest.mark.parametrize("segment", ["a%2Fb", "%00", "%FF", "x" * 256])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/topics/{}"),
        ("PUT", "/topics/{}"),
        ("DELETE", "/topics/{}"),
        ("GET", "/topics/{}/peek"),
        ("POST", "/topics/{}/pause"),
        ("POST", "/topics/{}/resume"),
        ("POST", "/topics/{}/purge"),
        ("POST", "/topics/{}/redrive"),
    ],
)
async def test_bad_topic_name_is_refused_on_every_page(
    desk: Desk, method: str, path: str, segment: str
) -> None:
    status, error = await desk.refusal(method, path.format(segment), b"{}")

    assert status == 400
    assert error.startswith("invalid topic value: ")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("POST", "/topics", 405),
        ("PUT", "/topics", 405),
        ("POST", "/topics/orders", 405),
        ("GET", "/topics/orders/pause", 405),
        ("POST", "/topics/orders/peek", 405),
        ("DELETE", "/topics/orders/peek", 405),
        ("OPTIONS", "/topics", 405),
        ("GET", "/topics/", 404),
        ("GET", "/topics//peek", 404),
        ("GET", "/topics/orders/", 404),
        ("GET", "/topics/orders/settings", 404),
        ("GET", "/topics/orders/peek/more", 404),
    ],
)
async def test_what_is_not_there_is_told_in_json(
    desk: Desk, method: str, path: str, status: int
) -> None:
    answer = await desk.ask(method, path)

    assert answer.status == status
    assert value_of(answer).keys() == {"error"}
    assert ("allow" in answer.headers) == (status == 405)


@pytest.mark.parametrize("path", ["/topics", "/topics/orders", "/topics/orders/peek"])
async def test_head_is_get_without_a_body(desk: Desk, path: str) -> None:
    await desk.publish("orders", b"1")
    whole = await desk.ask("GET", path)

    head = await desk.ask("HEAD", path)

    assert (head.status, head.body) == (200, b"")
    assert head.headers == whole.headers


async def test_topics_are_listed_by_name_page_by_page(desk: Desk) -> None:
    for name in ("b", "a b", "c", "a", "\u00e9"):
        await desk.publish(name, b"1")

    first = await desk.value("GET", "/topics?max=2")
    second = await desk.value("GET", "/topics?max=2&after=a+b")
    third = await desk.value("GET", "/topics?max=2&after=c")

    assert [each["name"] for each in first["topics"]] == ["a", "a b"]
    assert first["next"] == "a b"
    assert [each["name"] for each in second["topics"]] == ["b", "c"]
    assert second["next"] == "c"
    assert [each["name"] for each in third["topics"]] == ["\u00e9"]
    assert "next" not in third
    assert await desk.value("GET", "/topics?after=%C3%A9") == {"topics": []}


async def test_list_tells_of_each_topic_what_its_page_tells(desk: Desk) -> None:
    await desk.publish("orders", b"1")

    [listed] = (await desk.value("GET", "/topics"))["topics"]

    assert listed == await desk.value("GET", "/topics/orders")


async def test_long_list_lets_others_have_their_turn_and_misses_only_what_was_deleted(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(topics, "_OVERVIEWS_A_TURN", 1)
    for number in range(topics.MOST_TOPICS):
        await desk.publish(f"{number:04}", b"1")
    async with desk.begin("GET", "/topics") as listing:
        await desk.broker.delete("0999")
        assert not listing.is_begun
        await listing.say(b"", is_last=True)
        await listing.answer()

    value = value_of(listing)
    assert [each["name"] for each in value["topics"]] == [f"{n:04}" for n in range(999)]
    assert "next" not in value


@pytest.mark.parametrize(
    "path",
    [
        "/topics?max=0",
        "/topics?max=1001",
        "/topics?max=all",
        "/topics?max=1&max=2",
        "/topics?after=%FF",
        "/topics/orders/peek?max=0",
        "/topics/orders/peek?max=1001",
        "/topics/orders/peek?max=-1",
    ],
)
async def test_bad_parameter_is_refused_by_name(desk: Desk, path: str) -> None:
    await desk.publish("orders", b"1")

    status, error = await desk.refusal("GET", path)

    assert status == 400
    assert error.startswith(("max is ", "after is "))


async def test_query_of_nothing_is_none(desk: Desk) -> None:
    for query in ("", "&&", "max=1&", "="):
        assert await desk.value("GET", f"/topics?{query}") == {"topics": []}


async def test_both_ways_to_delete_remove_everything_of_a_topic(desk: Desk) -> None:
    for path in ("/topics/orders", "/orders"):
        await desk.value("PUT", "/topics/orders", {"ttl": 60})
        await desk.publish("orders", b"1")
        await desk.publish("orders-2", b"1")

        answer = await desk.ask("DELETE", path)

        assert (answer.status, answer.body) == (200, b"")
        assert desk.administration.topics() == ["orders-2"]
    assert (await desk.ask("DELETE", "/topics/never-was")).status == 200


async def test_no_name_is_reserved(desk: Desk) -> None:
    for name in ("topics", "receive", "settle", "openapi.json", "peek"):
        await desk.publish(name, b"1")
        assert (await desk.value("GET", f"/topics/{name}"))["ready"] == 1
        assert (await desk.ask("DELETE", f"/{name}")).status == 200
    assert not desk.administration.topics()
