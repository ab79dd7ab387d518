"""ZoldyQ's queues: payloads in and out, and what is refused in its own words."""

import asyncio

import pytest

from miniqueue_py.http.dialects.zoldyq.dialect import Zoldyq
from miniqueue_py.testing.clock import ManualClock
from tests.dialects.desk import Booth
from tests.dialects.zoldyq import dequeue, enqueue, metrics, open_zoldyq, value_of
from tests.http.exchanges import Exchange
from tests.http.streaming import SlowStorage

pytestmark = pytest.mark.anyio


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def booth(clock: ManualClock) -> Booth:
    return open_zoldyq(clock)


@pytest.mark.parametrize(
    "payload",
    [
        {"email": "user@example.com"},
        [1, 2.5, -3],
        "text",
        "",
        0,
        True,
        None,
        {},
        "\u00e9\u2028\U0001f600",
    ],
)
async def test_payload_comes_back_as_it_was(booth: Booth, payload: object) -> None:
    assert await enqueue(booth, payload) == {
        "queued": True,
        "queue_name": "emails",
        "queue_size": 1,
    }
    assert await dequeue(booth) == {"payload": payload, "queue_name": "emails", "queue_size": 0}


async def test_payload_is_stored_by_the_letter_without_what_is_around_it(booth: Booth) -> None:
    body = b'{ "other": 1, "payload" : { "a": [1,\n 2] , "b": "\\u00e9" } }'
    assert (await booth.ask("POST", "/queues/emails/enqueue", body)).status == 200

    assert booth.bodies("emails") == [b'{ "a": [1,\n 2] , "b": "\\u00e9" }']


async def test_queue_is_first_in_first_out(booth: Booth) -> None:
    sizes = [(await enqueue(booth, number))["queue_size"] for number in range(3)]
    taken = [await dequeue(booth) for _ in range(3)]

    assert sizes == [1, 2, 3]
    assert [each["payload"] for each in taken] == [0, 1, 2]
    assert [each["queue_size"] for each in taken] == [2, 1, 0]


@pytest.mark.parametrize(
    ("body", "payload"),
    [
        (b' {"a": 1, "a": 2} ', {"a": 2}),
        (b"plain words", "plain words"),
        (b"", ""),
        (b"NaN", "NaN"),
        ("\u00e9".encode(), "\u00e9"),
        (b"\xff\x00", "/wA="),
        (b"[" * 900, "[" * 900),
    ],
)
async def test_what_another_system_put_there_is_a_payload(
    booth: Booth, body: bytes, payload: object
) -> None:
    await booth.publish("emails", body)

    assert (await dequeue(booth))["payload"] == payload


async def test_name_of_a_queue_may_be_any_text(booth: Booth) -> None:
    assert (await enqueue(booth, 1, "%C3%BCber%20all"))["queue_name"] == "über all"
    assert booth.administration.topics() == ["über all"]


async def test_empty_queue_answers_204_at_once(booth: Booth) -> None:
    await enqueue(booth, 1)
    await dequeue(booth)

    answer = await booth.ask("GET", "/queues/emails/dequeue")
    assert (answer.status, answer.body) == (204, b"")


async def test_consumer_waits_for_as_long_as_it_says(booth: Booth, clock: ManualClock) -> None:
    await enqueue(booth, 1)
    await dequeue(booth)

    async with booth.begin("GET", "/queues/emails/dequeue?timeout=2.5") as waiting:
        await waiting.say(b"", is_last=True)
        await clock.advance(2.4)
        assert not waiting.is_begun
        await clock.advance(0.2)
        assert (await waiting.answer()).status == 204

    async with booth.begin("GET", "/queues/emails/dequeue?timeout=60") as waiting:
        await waiting.say(b"", is_last=True)
        await enqueue(booth, "just in time")
        assert value_of(await waiting.answer())["payload"] == "just in time"


async def test_consumer_that_left_while_it_waited_takes_nothing(booth: Booth) -> None:
    await booth.publish("emails", b"1")
    await dequeue(booth)
    async with booth.begin("GET", "/queues/emails/dequeue?timeout=60") as waiting:
        await waiting.say(b"", is_last=True)
        await waiting.leave()
        await booth.publish("emails", b"2")

    assert (await dequeue(booth))["payload"] == 2


@pytest.mark.parametrize(
    "seconds",
    [
        "-1",
        "1e9",
        "61",
        "60.1",
        "nan",
        "inf",
        "abc",
        "",
        "5s",
        "+5",
        "%205",
        "1_0",
        "0x1",
        "5&timeout=5",
        "%ff",
        "٣".encode().decode("latin-1"),
    ],
)
async def test_timeout_that_is_none_is_refused(booth: Booth, seconds: str) -> None:
    await enqueue(booth, 1)
    answer = await booth.ask("GET", f"/queues/emails/dequeue?timeout={seconds}")

    assert value_of(answer, 400)["error"].startswith("timeout ")
    assert booth.bodies("emails") == [b"1"]


@pytest.mark.parametrize(
    "body",
    [
        *(b"", b"hello", b"{}", b"[]", b"1", b'"payload"', b'{"Payload":1}', b'{"payload":NaN}'),
        *(b'{"payload":1,"payload":2}', b'{"a":1,"payload":1,"a":1}', b"\xff", b'{"payload":1}}'),
        b'{"payload":' + b"[" * 9000,
    ],
)
async def test_body_without_a_payload_is_refused(booth: Booth, body: bytes) -> None:
    answer = await booth.ask("POST", "/queues/emails/enqueue", body)

    assert value_of(answer, 400).keys() == {"error"}
    assert booth.administration.topics() == []


async def test_payload_that_is_too_long_is_refused(booth: Booth) -> None:
    assert (await enqueue(booth, "x" * 998))["queue_size"] == 1
    for length in 999, 100_000:
        body = {"payload": "x" * length}
        answer = await booth.ask("POST", "/queues/emails/enqueue", body)
        assert value_of(answer, 413).keys() == {"error"}


@pytest.mark.parametrize("name", ["%00", "%ff", "a%2Fb", "x" * 256])
async def test_bad_name_of_a_queue_is_refused(booth: Booth, name: str) -> None:
    for method, verb in ("POST", "enqueue"), ("GET", "dequeue"):
        answer = await booth.ask(method, f"/queues/{name}/{verb}", {"payload": 1})
        assert value_of(answer, 400).keys() == {"error"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/queues/emails/dequeue", 404),
        ("GET", "/queues/emails/dequeue?timeout=5", 404),
        ("GET", "/", 404),
        ("GET", "/queues", 404),
        ("GET", "/queues/emails", 404),
        ("POST", "/queues//enqueue", 404),
        ("POST", "/queues/emails/enqueue/", 404),
        ("GET", "/queues/emails/enqueue", 405),
        ("PUT", "/queues/emails/enqueue", 405),
        ("POST", "/queues/emails/dequeue", 405),
        ("DELETE", "/queues/emails/dequeue", 405),
        ("POST", "/health", 405),
        ("POST", "/metrics", 405),
    ],
)
async def test_what_is_not_there_is_told_as_an_error(
    booth: Booth, method: str, path: str, status: int
) -> None:
    answer = await booth.ask(method, path)

    assert value_of(answer, status).keys() == {"error"}
    assert ("allow" in answer.headers) == (status == 405)


async def test_head_takes_nothing(booth: Booth) -> None:
    await enqueue(booth, 1)

    answer = await booth.ask("HEAD", "/queues/emails/dequeue")
    assert (answer.status, answer.headers["allow"]) == (405, "GET")
    answer = await booth.ask("POST", "/queues/emails/dequeue")
    assert (answer.status, answer.headers["allow"]) == (405, "GET")
    assert booth.bodies("emails") == [b"1"]


async def test_full_queue_refuses_and_the_others_do_not(clock: ManualClock) -> None:
    booth = open_zoldyq(clock, Zoldyq(capacity=2, max_queues=2))
    await enqueue(booth, 1)
    await enqueue(booth, 2)

    full = await booth.ask("POST", "/queues/emails/enqueue", {"payload": 3})
    assert "full: -zoldyq-capacity is 2" in value_of(full, 429)["error"]
    await enqueue(booth, 1, "others")
    many = await booth.ask("POST", "/queues/new/enqueue", {"payload": 3})
    assert "2 queues already" in value_of(many, 429)["error"]
    assert full.headers["retry-after"] == many.headers["retry-after"] == "1"

    await dequeue(booth)
    await enqueue(booth, 3)
    assert (await metrics(booth))["zoldyq_queue_full_total"] == 1, "one was not there"


async def test_capacity_counts_what_is_being_stored(clock: ManualClock) -> None:
    storage = SlowStorage()
    booth = open_zoldyq(clock, Zoldyq(capacity=2), storage)
    begun = [
        asyncio.ensure_future(booth.ask("POST", "/queues/emails/enqueue", {"payload": number}))
        for number in range(3)
    ]
    while storage.writing < 2:  # noqa: ASYNC110  no event tells of it
        await asyncio.sleep(0)
    storage.finish(2)
    answers = [await each for each in begun]

    assert sorted(each.status for each in answers) == [200, 200, 429]


async def test_full_disk_is_told(clock: ManualClock) -> None:
    storage = SlowStorage()
    booth = open_zoldyq(clock, storage=storage)
    asking = asyncio.ensure_future(booth.ask("POST", "/queues/emails/enqueue", {"payload": 1}))
    while not storage.writing:  # noqa: ASYNC110  no event tells of it
        await asyncio.sleep(0)
    storage.fail("no room")

    assert "no room" in value_of(await asking, 503)["error"]


async def ask_together(booth: Booth, *queues: str) -> list[Exchange]:
    """Enqueue in one turn of the loop."""
    asking = [booth.begin("POST", f"/queues/{queue}/enqueue") for queue in queues]
    for each in asking:
        each.say_nowait(b'{"payload":1}', is_last=True)
    return [await each.answer() for each in asking]


async def test_each_of_a_crowd_is_told_the_size_with_its_own_and_those_before_it(
    booth: Booth,
) -> None:
    for _ in range(2):
        answers = await ask_together(booth, *["emails"] * 3, *["others"] * 2)
        sizes = [value_of(each)["queue_size"] for each in answers]

    assert sizes == [4, 5, 6, 3, 4]


async def test_no_more_queues_are_made_in_one_turn_than_there_may_be(clock: ManualClock) -> None:
    booth = open_zoldyq(clock, Zoldyq(max_queues=2))

    answers = await ask_together(booth, "a", "b", "c", "a", "d")

    assert [each.status for each in answers] == [200, 200, 429, 200, 429]
    assert booth.administration.topics() == ["a", "b"]
