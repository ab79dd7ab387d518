"""Settling by receipts."""

import pytest

from miniqueue_py.http.native import receiving
from miniqueue_py.testing.clock import ManualClock
from tests.http.desk import Desk, value_of

pytestmark = pytest.mark.anyio

NOTHING_LATE: dict[str, list[str]] = {"expired": []}


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def desk(clock: ManualClock) -> Desk:
    return Desk(clock)


async def test_each_receipt_ends_as_it_was_settled(desk: Desk, clock: ManualClock) -> None:
    await desk.publish("orders", *[b"%d" % number for number in range(8)])
    ack, nack, back, release, dead, touch, soon, later = await desk.receive("orders")

    settled = await desk.value(
        "POST",
        "/settle/orders",
        {
            "dack": {soon: 1, later: "1h"},
            "touch": [touch],
            "dead": [dead],
            "release": [release],
            "back": [back],
            "nack": [nack],
            "ack": [ack],
        },
    )

    assert settled == NOTHING_LATE
    assert desk.counts() == (3, 1, 2)
    assert desk.counts("orders.dead") == (1, 0, 0)
    await clock.advance(1.0)
    await desk.broker.tick()
    ready = (await desk.value("GET", "/topics/orders/peek"))["messages"]
    assert [(each["messageId"], each["attempt"]) for each in ready] == [
        ("1-7", 2),  # soon
        ("1-2", 2),  # nack
        ("1-4", 1),  # release
        ("1-3", 2),  # back
    ]
    assert ready[0]["dackCount"] == 1


async def test_receipts_that_are_not_held_are_named_and_the_others_still_count(desk: Desk) -> None:
    await desk.publish("orders", b"1", b"2", b"3")
    one, two, three = await desk.receive("orders")

    settled = await desk.value(
        "POST",
        "/settle/orders",
        {"ack": ["x", one, one, ""], "dack": {two: 5, "y": 5}, "nack": [two, "\ud800", three]},
    )

    assert settled == {"expired": ["x", one, "", "y", two, "\ud800"]}
    assert desk.counts() == (1, 0, 1)


async def test_receipt_is_good_for_its_own_topic_alone(desk: Desk) -> None:
    await desk.publish("orders", b"1")
    [receipt] = await desk.receive("orders")

    for verb in ("ack", "touch", "dead"):
        settled = await desk.value("POST", "/settle/others", {verb: [receipt]})
        assert settled == {"expired": [receipt]}

    assert desk.counts() == (0, 1, 0)


async def test_settling_what_was_deleted_meanwhile_is_no_error(desk: Desk) -> None:
    await desk.publish("orders", b"1")
    [receipt] = await desk.receive("orders")
    await desk.ask("DELETE", "/orders")
    await desk.publish("orders", b"2")

    assert await desk.value("POST", "/settle/orders", {"ack": [receipt]}) == NOTHING_LATE
    assert desk.counts() == (1, 0, 0)


async def test_attempts_that_are_used_up_make_a_dead_letter(desk: Desk) -> None:
    await desk.value("PUT", "/topics/orders", {"maxDeliveries": 2})
    await desk.publish("orders", b"1")

    for _ in range(2):
        await desk.value("POST", "/settle/orders", {"nack": await desk.receive("orders")})

    [dead] = (await desk.value("GET", "/topics/orders.dead/peek"))["messages"]
    assert dead["dead"]["reason"] == "maxDeliveries"
    assert dead["dead"]["attempts"] == 2


async def test_nothing_to_settle_is_settled(desk: Desk) -> None:
    bodies: list[dict[str, object]] = [{}, {"ack": []}, {"dack": {}}, {"touch": []}]
    for body in bodies:
        assert await desk.value("POST", "/settle/orders", body) == NOTHING_LATE


async def test_thousands_are_settled_in_turns(desk: Desk) -> None:
    await desk.publish("orders", *[b"x"] * 3000)
    receipts = [receipt for _ in range(3) for receipt in await desk.receive("orders")]
    async with desk.begin("POST", "/settle/orders") as settling:
        body = b'{"ack":["%b"]}' % '","'.join(receipts).encode()
        assert len(receipts) == 3 * receiving.SETTLED_A_TURN

        settling.say_nowait(body, is_last=True)
        assert 0 < desk.counts()[1] < len(receipts), "others have their turn"
        await settling.answer()

    assert value_of(settling) == NOTHING_LATE
    assert desk.counts() == (0, 0, 0)


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "the body is empty"),
        (b"ack", "the body is not JSON from line 1, character 1 on"),
        (b'{"ack":["%b"]', "the body is not JSON"),
        (b'["%b"]', "the body is not a JSON object"),
        (b'{"ack":"%b"}', "ack is not a list of receipts"),
        (b'{"ack":{"%b":1}}', "ack is not a list of receipts"),
        (b'{"ack":null,"nack":["%b"]}', "ack is not a list of receipts"),
        (b'{"ack":["%b",1]}', "ack is not a list of receipts"),
        (b'{"ack":["%b"],"ack":[]}', "the body has a key twice"),
        (b'{"ack":["%b"],"ACK":[]}', "'ACK' is unknown; known are ack, nack, back, release"),
        (b'{"ack":["%b"],"expired":[]}', "'expired' is unknown"),
        (b'{"ack":["%b"],"\\ud800":[]}', "'\\ud800' is unknown"),
        (b'{"dack":["%b"]}', "dack is not an object of receipts"),
        (b'{"dack":{"%b":-1}}', "dack of "),
        (b'{"dack":{"%b":true}}', "dack of "),
        (b'{"dack":{"%b":null}}', "dack of "),
        (b'{"dack":{"%b":"soon"}}', "dack of "),
        (b'{"dack":{"%b":1e10}}', "dack of "),
        (b'{"dack":{"%b":1,"x":[]}}', "dack of 'x' is not a number of seconds"),
        (b'{"dack":{"%b":NaN}}', "the body has NaN in it"),
    ],
)
async def test_malformed_body_is_refused_and_nothing_of_it_carried_out(
    desk: Desk, body: bytes, says: str
) -> None:
    await desk.publish("orders", b"1")
    [receipt] = await desk.receive("orders")

    status, error = await desk.refusal(
        "POST", "/settle/orders", body.replace(b"%b", receipt.encode())
    )

    assert status == 400
    assert error.startswith(says)
    assert desk.counts() == (0, 1, 0)


async def test_dead_letters_that_have_nowhere_to_go_settle_nothing(desk: Desk) -> None:
    topic = "x" * 255
    await desk.publish(topic, b"1", b"2")
    received = await desk.value("POST", f"/receive/{topic}?max=2")
    one, two = (each["receipt"] for each in received)

    status, error = await desk.refusal("POST", f"/settle/{topic}", {"ack": [one], "dead": [two]})

    assert (status, error.partition(":")[0]) == (400, "invalid topic value")
    assert desk.counts(topic) == (0, 2, 0)


async def test_body_may_name_ten_thousand_receipts_and_has_an_end(desk: Desk) -> None:
    unknown = [f"{number:016}" for number in range(10_000)]

    assert await desk.value("POST", "/settle/orders", {"ack": unknown}) == {"expired": unknown}
    status, _ = await desk.refusal("POST", "/settle/orders", {"ack": unknown * 2})
    assert status == 413


async def test_touch_begins_the_lease_anew(desk: Desk, clock: ManualClock) -> None:
    await desk.publish("orders", b"1")
    [receipt] = await desk.receive("orders", "lease=10s")
    await clock.advance(9.0)

    assert await desk.value("POST", "/settle/orders", {"touch": [receipt]}) == NOTHING_LATE
    await clock.advance(9.0)
    await desk.broker.tick()

    assert desk.counts() == (0, 1, 0)


async def test_what_is_held_can_be_settled_while_the_broker_drains(desk: Desk) -> None:
    await desk.publish("orders", b"1")
    [receipt] = await desk.receive("orders")

    desk.broker.drain()

    assert await desk.value("POST", "/settle/orders", {"ack": [receipt]}) == NOTHING_LATE
    assert desk.counts() == (0, 0, 0)
