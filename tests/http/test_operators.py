"""What operators do with a topic: pause, resume, peek, redrive."""

from base64 import b64decode

import pytest

from miniqueue_py.broker.administration import ENOUGH_PEEKED_BYTES
from miniqueue_py.broker.message import Publication
from miniqueue_py.testing.clock import ManualClock
from tests.http.desk import Desk, value_of
from tests.http.exchanges import settle

pytestmark = pytest.mark.anyio


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def desk(clock: ManualClock) -> Desk:
    return Desk(clock)


async def test_paused_topic_takes_messages_and_delivers_none_until_resumed(desk: Desk) -> None:
    await desk.publish("orders", b"1")

    paused = await desk.value("POST", "/topics/orders/pause")
    await desk.value("PUT", "/topics/orders", {"ttl": 60})
    await desk.publish("orders", b"2")
    none = await desk.ask("POST", "/receive/orders")
    async with desk.begin("POST", "/receive/orders?wait=20s&max=2") as waiting:
        await waiting.say(b"", is_last=True)
        resumed = await desk.value("POST", "/topics/orders/resume")
        await waiting.answer()

    assert (paused["paused"], resumed["paused"]) == (True, False)
    assert (resumed["ready"], resumed["inFlight"]) == (0, 2)
    assert none.status == 204
    assert len(value_of(waiting)) == 2


async def test_peek_shows_what_comes_next_and_hands_out_nothing(
    desk: Desk, clock: ManualClock
) -> None:
    await desk.publish("orders", b"1", b"2", b"3")
    await desk.publish("orders", b"urgent", priority=9)
    receipts = await desk.receive("orders", "max=2")
    await desk.value("POST", "/settle/orders", {"nack": receipts[:1], "dack": {receipts[1]: 1}})
    await clock.advance(1.0)
    await desk.broker.tick()

    peeked = await desk.value("GET", "/topics/orders/peek?max=3")

    shown = {"publishedAt": 1_000_000_000}
    assert peeked == {
        "messages": [
            shown | {"msg": "dXJnZW50", "attempt": 2, "messageId": "1-4", "priority": 9},
            shown | {"msg": "MQ==", "attempt": 2, "messageId": "1-1", "dackCount": 1},
            shown | {"msg": "Mg==", "attempt": 1, "messageId": "1-2"},
        ]
    }
    assert await desk.value("GET", "/topics/orders/peek?max=3") == peeked
    assert (await desk.value("GET", "/topics/orders"))["inFlight"] == 0


async def test_peek_shows_ten_if_nobody_says_and_fewer_large_ones(desk: Desk) -> None:
    await desk.broker.publish("small", [Publication([b"1"] * 20)])
    await desk.publish("large", *[b"x" * (ENOUGH_PEEKED_BYTES // 2)] * 4)

    small = await desk.value("GET", "/topics/small/peek")
    large = await desk.value("GET", "/topics/large/peek")

    assert len(small["messages"]) == 10
    assert len(large["messages"]) == 2


async def test_dead_letter_tells_where_it_came_from(desk: Desk) -> None:
    await desk.bury("orders", b"1")

    [message] = (await desk.value("GET", "/topics/orders.dead/peek"))["messages"]

    assert message["dead"] == {
        "topic": "orders",
        "reason": "DEAD",
        "attempts": 1,
        "at": 1_000_000_000,
    }


async def test_redrive_returns_dead_letters_all_or_by_number(desk: Desk) -> None:
    await desk.bury("orders", b"1", b"2", b"3")

    some = await desk.value("POST", "/topics/orders.dead/redrive?max=2")
    assert (await desk.value("GET", "/topics/orders"))["ready"] == 2
    rest = await desk.value("POST", "/topics/orders.dead/redrive")

    assert (some, rest) == ({"redriven": 2}, {"redriven": 1})
    [first, *_] = (await desk.value("GET", "/topics/orders/peek"))["messages"]
    assert (first["msg"], first["attempt"]) == ("MQ==", 1)
    assert "dead" not in first


async def test_redrive_of_the_wrong_topic_says_which_one_is_meant(desk: Desk) -> None:
    await desk.bury("a b", b"1")
    await desk.publish("no deaths", b"1")

    wrong = await desk.value("POST", "/topics/a%20b/redrive")
    empty = await desk.value("POST", "/topics/no%20deaths/redrive")

    assert wrong == {
        "redriven": 0,
        "hint": "the dead letters of 'a b' are in 'a b.dead': POST /topics/a%20b.dead/redrive",
    }
    assert empty == {"redriven": 0}
    assert (await desk.value("GET", "/topics/no%20deaths"))["ready"] == 1


@pytest.mark.parametrize("query", ["max=0", "max=-1", "max=all", "max=1&max=1"])
async def test_redrive_of_a_bad_number_moves_nothing(desk: Desk, query: str) -> None:
    await desk.bury("orders", b"1")

    status, error = await desk.refusal("POST", f"/topics/orders.dead/redrive?{query}")

    assert (status, error.partition(" ")[0]) == (400, "max")
    assert (await desk.value("GET", "/topics/orders.dead"))["ready"] == 1


async def test_redrive_whose_client_leaves_keeps_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.bury("orders", *[b"%d" % number for number in range(100)])
    await desk.publish("orders.dead", b"no dead letter")
    monkeypatch.setattr("miniqueue_py.broker.redriving.LOOKED_AT_A_TURN", 1)
    async with desk.begin("POST", "/topics/orders.dead/redrive") as redriving:
        await redriving.say(b"", is_last=True)
        await redriving.leave()
        await settle()

    left = await desk.value("GET", "/topics/orders.dead")
    back = (await desk.value("GET", "/topics/orders"))["ready"]
    assert left["inFlight"] == 0
    assert left["ready"] + back == 101
    assert 0 < back < 100


async def dead_ids(desk: Desk) -> dict[str, str]:
    """Return the ids of the dead letters of orders, by their bodies in base64."""
    page = await desk.value("GET", "/topics/orders.dead/peek?max=1000")
    return {each["msg"]: each["messageId"] for each in page["messages"]}


async def test_redrive_takes_those_that_are_named_and_no_others(desk: Desk) -> None:
    await desk.bury("orders", b"\0", b"\1", b"\2")
    ids = list((await dead_ids(desk)).values())

    told = await desk.value(
        "POST", f"/topics/orders.dead/redrive?id={ids[2]}&id={ids[0]}&id=7777-1"
    )

    assert told == {"redriven": 2}
    assert list((await dead_ids(desk)).values()) == [ids[1]]
    assert desk.counts() == (2, 0, 0)


async def test_redrive_takes_those_of_a_reason_and_an_age(desk: Desk, clock: ManualClock) -> None:
    await desk.bury("orders", b"old")
    await clock.advance(60)
    await desk.bury("orders", b"new")

    for query, redriven in (
        ("reason=maxDeliveries", 0),
        ("olderThan=61s", 0),
        ("olderThan=60s&reason=maxDeliveries", 0),
        ("olderThan=1m&reason=DEAD", 1),
        ("reason=DEAD&max=5", 1),
    ):
        told = await desk.value("POST", f"/topics/orders.dead/redrive?{query}")
        assert told["redriven"] == redriven


@pytest.mark.parametrize(
    ("query", "problem"),
    [
        ("id=", "id is not a message's id, such as 6-7"),
        ("id=6", "id is not a message's id"),
        ("id=6-7&id=x", "id is not a message's id"),
        ("id=6-7,6-8", "id is not a message's id"),
        ("id=%D9%A1-%D9%A1", "id is not a message's id"),
        ("id=-6-7", "id is not a message's id"),
        (f"id={'9' * 5000}-1", "id is not a message's id"),
        ("reason=dead", "reason is none; known are maxDeliveries, DEAD"),
        ("reason=", "reason is none"),
        ("reason=DEAD&reason=DEAD", "reason is given 2 times"),
        ("olderThan=1", "olderThan is not a duration"),
        ("olderThan=-1s", "olderThan is not a duration"),
        ("olderThan=999999h", "olderThan is not from 0"),
        ("older_than=1s", "'older_than' is an unknown parameter"),
    ],
)
async def test_redrive_of_a_filter_that_cannot_be_moves_nothing(
    desk: Desk, query: str, problem: str
) -> None:
    await desk.bury("orders", b"1")

    status, error = await desk.refusal("POST", f"/topics/orders.dead/redrive?{query}")

    assert status == 400
    assert error.startswith(problem)
    assert desk.counts("orders.dead") == (1, 0, 0)


async def test_letter_that_died_twice_tells_both_and_goes_home_by_either_way(
    desk: Desk, clock: ManualClock
) -> None:
    await desk.bury("orders", b"1")
    first_ms = int(clock.now() * 1000)
    await clock.advance(60)
    for topic in ("orders.dead", "orders.dead.dead"):
        dead = await desk.receive(topic)
        await desk.value("POST", f"/settle/{topic}", {"dead": dead})
    grave = "orders.dead.dead.dead"
    [letter] = (await desk.value("GET", f"/topics/{grave}/peek"))["messages"]
    assert letter["dead"] == {
        "topic": "orders.dead.dead",
        "reason": "DEAD",
        "attempts": 1,
        "at": first_ms + 60_000,
        "first": {"topic": "orders", "reason": "DEAD", "attempts": 1, "at": first_ms},
    }

    assert await desk.value("POST", f"/topics/{grave}/redrive") == {"redriven": 1}
    [letter] = (await desk.value("GET", "/topics/orders.dead.dead/peek"))["messages"]
    assert letter["dead"]["topic"] == "orders"
    assert "first" not in letter["dead"]
    assert (await desk.value("POST", "/topics/orders.dead.dead/redrive?to=first"))["redriven"] == 1

    [letter] = (await desk.value("GET", "/topics/orders/peek"))["messages"]
    assert "dead" not in letter


async def test_redrive_goes_to_a_topic_that_is_named_and_exists(desk: Desk) -> None:
    await desk.bury("orders", b"1")
    path = "/topics/orders.dead/redrive?to="
    for to, status in (("mended", 404), ("a%2Fb", 400), ("", 400), ("orders.dead", 409)):
        assert (await desk.refusal("POST", path + to))[0] == status
    assert desk.counts("orders.dead") == (1, 0, 0)
    await desk.value("PUT", "/topics/mended", {})

    assert await desk.value("POST", f"{path}mended") == {"redriven": 1}

    [message] = (await desk.value("GET", "/topics/mended/peek"))["messages"]
    assert "dead" not in message


async def test_peek_shows_what_is_in_flight_and_what_is_delayed(
    desk: Desk, clock: ManualClock
) -> None:
    await desk.publish("orders", b"held", b"ready")
    await desk.publish("orders", b"later", delay_seconds=60.0)
    await desk.publish("orders", b"sooner", delay_seconds=30.0)
    await desk.publish("orders too", b"other", delay_seconds=1.0)
    await desk.receive("orders", "max=1")
    now_ms = int(clock.now() * 1000)

    async def shown(query: str) -> list[tuple[str, int | None]]:
        page = await desk.value("GET", f"/topics/orders/peek?{query}")
        return [(b64decode(each["msg"]).decode(), each.get("dueAt")) for each in page["messages"]]

    assert await shown("state=ready") == await shown("") == [("ready", None)]
    assert await shown("state=inFlight") == [("held", None)]
    delayed = [("sooner", now_ms + 30_000), ("later", now_ms + 60_000)]
    assert await shown("state=delayed") == delayed
    assert await shown("state=delayed&max=1") == delayed[:1]
    assert desk.counts() == (1, 1, 2)


@pytest.mark.parametrize("state", ["", "READY", "inflight", "gone", "leased"])
async def test_peek_of_a_state_that_is_none_is_refused(desk: Desk, state: str) -> None:
    await desk.publish("orders", b"1")

    status, error = await desk.refusal("GET", f"/topics/orders/peek?state={state}")

    assert status == 400
    assert error == "state is none; known are ready, inFlight, delayed"


async def test_peek_of_a_state_shows_no_more_behind_its_bytes(desk: Desk) -> None:
    half = bytes(ENOUGH_PEEKED_BYTES // 2)
    await desk.publish("orders", half, half, b"1", delay_seconds=9.0)

    page = await desk.value("GET", "/topics/orders/peek?state=delayed")

    assert len(page["messages"]) == 2
