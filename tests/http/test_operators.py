"""What operators do with a topic: pause, resume, peek, redrive."""

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
    monkeypatch.setattr("miniqueue_py.broker.administration._REDRIVEN_A_TURN", 1)
    async with desk.begin("POST", "/topics/orders.dead/redrive") as redriving:
        await redriving.say(b"", is_last=True)
        await redriving.leave()
        await settle()

    left = await desk.value("GET", "/topics/orders.dead")
    back = (await desk.value("GET", "/topics/orders"))["ready"]
    assert left["inFlight"] == 0
    assert left["ready"] + back == 101
    assert 0 < back < 100
