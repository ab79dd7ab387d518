"""Words of the wire to verbs of the broker, and back; no stream."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from miniqueue_py.broker.delivery import Delivery
from miniqueue_py.broker.subscriber import Subscriber
from miniqueue_py.http.native.commands import delivery_lines, obey, work_of
from miniqueue_py.protocol.codes import line_of
from miniqueue_py.protocol.commands import BadCommand, Sync, parse_command
from tests.http.streaming import Wire

pytestmark = pytest.mark.anyio

NEVER_MADE = "no such delivery was made on this stream"


@pytest.fixture
def wire() -> Wire:
    return Wire()


@pytest.fixture
async def subscriber(wire: Wire) -> AsyncIterator[Subscriber]:
    """Have three deliveries in flight, of five messages."""
    await wire.publish(*[b"%d" % number for number in range(1, 6)])
    with wire.broker.subscribe("orders", lambda: None, 10) as subscriber:
        say(wire, subscriber, "INIT 3")
        subscriber.take()
        yield subscriber


def say(wire: Wire, subscriber: Subscriber, text: str) -> bytes:
    command = parse_command(text)
    assert not isinstance(command, BadCommand | Sync)
    return b"".join(map(line_of, obey(subscriber, wire.clock, command)))


@pytest.mark.parametrize(
    ("text", "left", "places"),
    [
        ("ACK 2", [1, 3], (1, 3, 0)),
        ("ACK ..2", [3], (0, 3, 0)),
        ("NACK 2", [1, 3], (2, 3, 0)),
        ("BACK 2", [1, 3], (2, 3, 0)),
        ("DACK 5 2", [1, 3], (1, 3, 1)),
        ("DACK 5", [2, 3], (1, 3, 1)),
        ("DEAD 2 3", [1], (0, 3, 0)),
        ("RELEASE 2", [1, 3], (2, 3, 0)),
        ("TOUCH 2", [1, 2, 3], (2, 3, 0)),
    ],
)
async def test_each_verb_does_what_it_says_to_what_it_names(
    wire: Wire, subscriber: Subscriber, text: str, left: list[int], places: tuple[int, ...]
) -> None:
    assert say(wire, subscriber, text) == b""

    assert [number for number in subscriber.in_flight if number <= 3] == left
    assert wire.places() == places


async def test_back_goes_behind_what_waits_and_nack_before_it(
    wire: Wire, subscriber: Subscriber
) -> None:
    say(wire, subscriber, "CREDIT 0")
    say(wire, subscriber, "BACK 1")
    say(wire, subscriber, "NACK 3")

    assert wire.kept() == [b"3", b"4", b"5", b"1"]


async def test_dack_sets_aside_for_its_seconds(wire: Wire, subscriber: Subscriber) -> None:
    say(wire, subscriber, "CREDIT 0")
    say(wire, subscriber, "DACK 5 2")

    await wire.tick_after(4)
    assert wire.kept() == [b"4", b"5"]
    await wire.tick_after(1)

    assert wire.kept() == [b"2", b"4", b"5"]


async def test_dead_is_buried_and_release_is_not_counted(
    wire: Wire, subscriber: Subscriber
) -> None:
    say(wire, subscriber, "CREDIT 0")
    say(wire, subscriber, "DEAD 1")
    say(wire, subscriber, "RELEASE 2")
    say(wire, subscriber, "NACK 3")

    assert wire.kept("orders.dead") == [b"1"]
    assert [each.attempt for each in await wire.storage.peek("orders", 2, 1 << 20, 0)] == [1, 2]


async def test_touch_begins_leases_anew(wire: Wire, subscriber: Subscriber) -> None:
    await wire.clock.advance(9)
    say(wire, subscriber, "TOUCH ..2")

    await wire.tick_after(1)

    assert subscriber.take_expired() == [3]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (
            "INIT",
            [("INIT received while a message is in flight; settle it first", "already_a_consumer")],
        ),
        ("ACK 9", [(f"ACK 9: {NEVER_MADE}", "no_such_delivery", 9)]),
        ("TOUCH 9", [(f"TOUCH 9: {NEVER_MADE}", "no_such_delivery", 9)]),
        (
            "NACK 8 9",
            [
                (f"NACK 8: {NEVER_MADE}", "no_such_delivery", 8),
                (f"NACK 9: {NEVER_MADE}", "no_such_delivery", 9),
            ],
        ),
    ],
)
async def test_what_goes_wrong_is_a_line_each(
    wire: Wire, subscriber: Subscriber, text: str, told: list[tuple[Any, ...]]
) -> None:
    lines = say(wire, subscriber, text).splitlines()

    names = ("error", "code", "id")
    assert [json.loads(line) for line in lines] == [
        dict(zip(names, each, strict=False)) for each in told
    ]
    assert list(subscriber.in_flight) == [1, 2, 3]


async def test_dead_letters_without_a_name_to_go_to_are_an_error_line(wire: Wire) -> None:
    topic = "x" * 255
    await wire.publish(b"1", topic=topic)
    with wire.broker.subscribe(topic, lambda: None) as subscriber:
        say(wire, subscriber, "INIT")
        subscriber.take()

        assert b"it is 260 bytes long" in say(wire, subscriber, "DEAD")

        assert list(subscriber.in_flight) == [1]


async def test_message_without_a_date_is_delivered_without_one(wire: Wire) -> None:
    await wire.publish(b"1")
    with wire.broker.subscribe("orders", lambda: None) as subscriber:
        say(wire, subscriber, "INIT 1")
        [(number, delivery)] = subscriber.take()
        undated = Delivery(delivery.message._replace(published_ms=None), None)

        line = delivery_lines(subscriber, [(number, undated)])

    assert line == b'{"msg":"MQ==","id":1,"attempt":1,"messageId":"1-1"}\n'


@pytest.mark.parametrize(
    ("text", "work"),
    [
        ("INIT 5", 1),
        ("CREDIT 5", 1),
        ("ACK", 1),
        ("NACK 2", 1),
        ("DACK 5 1 2 3", 3),
        ("ACK 7 8 9 10 11", 5),
        ("TOUCH ..2", 2),
        ("BACK ..3", 3),
    ],
)
async def test_command_is_as_much_work_as_it_looks_at_deliveries(
    subscriber: Subscriber, text: str, work: int
) -> None:
    assert work_of(subscriber, parse_command(text)) == work


async def test_settling_up_to_what_was_settled_long_ago_is_little_work(
    wire: Wire, subscriber: Subscriber
) -> None:
    say(wire, subscriber, "ACK ..3")
    subscriber.take()

    assert work_of(subscriber, parse_command("ACK ..3")) == 1
    assert work_of(subscriber, parse_command("ACK ..5")) == 2
