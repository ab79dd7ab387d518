"""A subscription stream with a credit, from the client's side."""

import asyncio
from itertools import pairwise

import pytest

from miniqueue_py.broker.message import Publication
from miniqueue_py.broker.policy import TopicPolicy
from miniqueue_py.broker.subscriber import MOST_HELD
from miniqueue_py.broker.topic import SHARE_BYTES
from miniqueue_py.broker.untaken import MOST_UNTAKEN, MOST_UNTAKEN_BYTES
from miniqueue_py.http.exchange import ROOM_BYTES
from miniqueue_py.http.native import subscription
from tests.http.exchanges import Exchange, settle
from tests.http.streaming import Wire

pytestmark = pytest.mark.anyio

NOT_ANY_MORE = "it is not in flight any more; it was settled, or its lease ran out"
NEVER_MADE = "no such delivery was made on this stream"


def not_held(delivery: int) -> dict[str, object]:
    return {"error": f"ACK {delivery}: {NOT_ANY_MORE}", "code": "not_held", "id": delivery}


@pytest.fixture
def wire() -> Wire:
    return Wire()


def ids(stream: Exchange) -> list[int]:
    return [value["id"] for value in stream.values if "id" in value]


def spelled(first: int, last: int) -> bytes:
    return b" ".join([b"%d" % number for number in range(first, last + 1)])


async def test_line_of_a_plain_message(wire: Wire) -> None:
    await wire.publish(b"1", b"2")
    async with wire.subscribe() as stream:
        await stream.say(b'"INIT 100"')

    assert stream.body == (
        b'{"msg":"MQ==","id":1,"attempt":1,"messageId":"1-1","publishedAt":1000000000}\n'
        b'{"msg":"Mg==","id":2,"attempt":1,"messageId":"1-2","publishedAt":1000000000}\n'
    )


async def test_line_of_a_message_with_a_past(wire: Wire) -> None:
    await wire.publish(b"1", priority=7)
    async with wire.subscribe() as stream:
        await stream.say(b'"INIT 1""DACK 1"')
        await wire.tick_after(1)
        await settle()

        assert stream.pieces[1] == (
            b'{"msg":"MQ==","dackCount":1,"id":2,"attempt":2,"messageId":"1-1",'
            b'"publishedAt":1000000000,"priority":7}\n'
        )


async def test_line_of_a_dead_letter(wire: Wire) -> None:
    await wire.publish(b"1")
    async with wire.subscribe() as stream:
        await stream.say(b'"INIT 1""NACK""NACK 2""DEAD 3"')
    async with Exchange(wire.door, "POST", "/subscribe/orders.dead") as stream:
        await stream.say(b'"INIT 1"')

    assert stream.body == (
        b'{"msg":"MQ==","id":1,"attempt":1,"messageId":"1-1","publishedAt":1000000000,'
        b'"dead":{"topic":"orders","reason":"DEAD","attempts":3,"at":1000000000}}\n'
    )


async def test_many_deliveries_are_one_piece_of_body(wire: Wire) -> None:
    await wire.publish(*[b"x"] * 500)
    async with wire.subscribe() as stream:
        await stream.say(b'"INIT 1000"')
        assert len(stream.pieces) == 1

        await stream.say(b'"ACK ..500"')
        await wire.publish(*[b"x"] * 500)
        await settle()

        assert len(stream.pieces) == 2
        assert ids(stream) == list(range(1, 1001))


async def test_what_is_dealt_in_a_turn_is_said_after_it_in_one_piece(wire: Wire) -> None:
    async with wire.subscribe() as stream:
        await stream.say(b'"INIT 10"')
        stored = [wire.broker.publish("orders", [Publication((b"x",))]) for _ in range(3)]
        assert wire.places() == (0, 3, 0)
        assert not stream.pieces, "others are not kept waiting"

        await asyncio.wait(stored)
        await settle()

        assert len(stream.pieces) == 1
        assert ids(stream) == [1, 2, 3]


async def test_many_commands_in_one_piece_are_carried_out_together(wire: Wire) -> None:
    await wire.publish(*[b"x"] * 200)
    async with wire.subscribe() as stream:
        await stream.say(b'"INIT 100"')
        await stream.say(b"".join(b'"ACK %d"' % number for number in range(1, 101)))

        assert wire.places() == (0, 100, 0)
        assert len(stream.pieces) == 2


async def test_settlement_said_with_init_waits_for_the_first_message(wire: Wire) -> None:
    async with wire.subscribe() as stream:
        await stream.say(b'"INIT 5""ACK 1"', is_last=True)
        await wire.publish(b"1", b"2")

        await stream.answer()

    assert wire.places() == (1, 0, 0)


async def test_credit_changes_while_the_stream_lives(wire: Wire) -> None:
    await wire.publish(*[b"x"] * 10)
    async with wire.subscribe() as stream:
        await stream.say(b'"INIT"')
        assert stream.body == b'{"msg":"eA=="}\n'
        await stream.say(b'"CREDIT 3"')
        assert ids(stream) == [2, 3]
        await stream.say(b'"CREDIT 0""ACK ..3"')
        assert ids(stream) == [2, 3]

        await stream.say(b'"CREDIT 1"')

        assert ids(stream) == [2, 3, 4]


async def test_errors_name_their_deliveries_and_the_rest_counts(wire: Wire) -> None:
    await wire.publish(b"1", b"2", b"3")
    async with wire.subscribe() as stream:
        await stream.say(b'"INIT 3"')
        await stream.say(b'"ACK 2 2 99""NACK ..9""ACK 1 x""CREDIT 0"')

    assert stream.values[3:] == [
        not_held(2),
        {"error": f"ACK 99: {NEVER_MADE}", "code": "no_such_delivery", "id": 99},
        {"error": f"NACK 9: {NEVER_MADE}", "code": "no_such_delivery", "id": 9},
        {"error": "invalid ACK delivery argument at position [2]", "code": "bad_command"},
    ]


async def test_lease_that_runs_out_is_told_by_its_number(wire: Wire) -> None:
    await wire.publish(b"1", b"2")
    async with wire.subscribe("?lease=10s") as stream:
        await stream.say(b'"INIT 2"')
        await wire.tick_after(5)
        await stream.say(b'"TOUCH 2""CREDIT 1"')
        await wire.tick_after(5)
        await settle()
        assert stream.values[2:] == [{"expired": 1}]

        await stream.say(b'"ACK 1""ACK 2"')

    again = {**stream.values[0], "id": 3, "attempt": 2}
    assert stream.values[3:] == [not_held(1), again]


async def test_lease_of_the_policy_is_told_to_who_has_a_credit(wire: Wire) -> None:
    await wire.administration.set_policy("orders", TopicPolicy(lease=10))
    await wire.publish(b"1")
    async with wire.subscribe() as stream:
        await stream.say(b'"INIT 2"')
        await wire.tick_after(10)
        await settle()

        assert [value.get("id", value) for value in stream.values] == [1, {"expired": 1}, 2]


async def test_stream_that_has_no_lease_is_told_of_none(wire: Wire) -> None:
    await wire.publish(b"1")
    async with wire.subscribe() as stream:
        await stream.say(b'"INIT 2"')
        await wire.tick_after(100_000)
        await stream.say(b'"TOUCH"')

        assert ids(stream) == [1]
        assert len(stream.values) == 1


async def test_client_that_does_not_read_is_given_so_many_messages_whatever_its_credit(
    wire: Wire,
) -> None:
    await wire.publish(*[b"x"] * 2 * MOST_HELD)
    async with wire.subscribe() as stream:
        stream.stop_reading()
        await stream.say(b'"INIT 1000000"')
        for _ in range(10):
            await wire.publish(b"x")
            await settle()

        assert wire.places()[1] <= 2 * MOST_UNTAKEN

        stream.read_on()
        await settle()
        assert len(ids(stream)) == MOST_HELD


async def test_credit_past_all_bounds_brings_everything_to_who_settles(wire: Wire) -> None:
    messages = 3 * MOST_HELD
    await wire.publish(*[b"x"] * messages)
    async with wire.subscribe() as stream:
        await stream.say(b'"INIT 1000000"')
        await settle()
        for last in range(1000, messages + 1, 1000):
            assert wire.places()[1] <= MOST_HELD
            await stream.say(b'"ACK ..%d"' % last)

        assert ids(stream) == list(range(1, messages + 1))
    assert wire.places() == (0, 0, 0)


async def test_client_that_does_not_read_is_given_so_many_bytes_whatever_its_credit(
    wire: Wire,
) -> None:
    await wire.publish(*[bytes(10_000)] * 1000)
    async with wire.subscribe() as stream:
        stream.stop_reading()
        await stream.say(b'"INIT 1000000"')
        await settle()

        assert wire.places()[1] * 10_000 <= 2 * (MOST_UNTAKEN_BYTES + SHARE_BYTES)


async def test_client_that_does_not_read_loses_what_it_has_not_read_when_its_lease_is_over(
    wire: Wire,
) -> None:
    await wire.publish(*[b"x"] * 10_000)
    async with wire.subscribe("?lease=10s") as stream, wire.subscribe() as other:
        stream.stop_reading()
        await stream.say(b'"INIT 1000000"')
        for _ in range(5):
            await wire.tick_after(10)
        assert wire.places() == (10_000, 0, 0)

        await other.say(b'"INIT 20000"')
        await settle()

        assert len(ids(other)) == 10_000
        seen = {value["attempt"] for value in other.values}
        assert seen == {1, 2}, "what was on its way may have been seen, the rest was not"


async def test_thousands_of_commands_leave_others_their_turns(wire: Wire) -> None:
    await wire.publish(*[b"x"] * 10_000)
    async with wire.subscribe() as stream:
        await stream.say(b'"INIT 10000"')
        await settle()
        assert len(ids(stream)) == 10_000

        held = [10_000]
        stream.say_nowait(b'"ACK"' * 10_000)
        while held[-1]:
            held.append(wire.places()[1])
            await asyncio.sleep(0)

        assert len(held) >= 10
        assert all(before - after <= 1000 for before, after in pairwise(held))


@pytest.mark.parametrize("touch", [b'"TOUCH ..3000"', b'"TOUCH %s"' % spelled(1, 900)])
async def test_command_counts_as_what_it_touches_when_others_want_their_turns(
    wire: Wire, touch: bytes
) -> None:
    await wire.publish(*[b"x"] * 3000)
    async with wire.subscribe("?lease=60s") as stream:
        await stream.say(b'"INIT 3000"')
        await settle()
        pieces = len(stream.pieces)

        await stream.say((touch + b'"PING"') * 2)

        answers = [piece.count(b"unrecognised") for piece in stream.pieces[pieces:]]
        assert answers == [1, 1], "one command a turn"


@pytest.mark.parametrize("is_draining", [False, True])
@pytest.mark.parametrize("names_each", [False, True])
async def test_settlements_of_many_leave_others_their_turns(
    wire: Wire, *, is_draining: bool, names_each: bool
) -> None:
    await wire.publish(*[b"x"] * 6000)
    async with wire.subscribe() as stream:
        await stream.say(b'"INIT 6000"')
        await settle()
        if is_draining:
            wire.broker.drain()
            await settle()

        held = [wire.places()[1]]
        for last in range(500, 6001, 500):
            named = spelled(last - 499, last) if names_each else b"..%d" % last
            stream.say_nowait(b'"ACK %s"' % named)
        while held[-1]:
            held.append(wire.places()[1])
            await asyncio.sleep(0)

        assert held[0] == 6000
        assert max(before - after for before, after in pairwise(held)) == 1000


async def test_waiting_settlement_counts_as_often_as_it_names_deliveries(wire: Wire) -> None:
    await wire.publish(*[bytes(ROOM_BYTES // 50)] * 100)
    async with wire.subscribe() as stream:
        await stream.say(b'"INIT 50"')
        stream.stop_reading()
        await stream.say(b'"ACK ..50"')
        await stream.say(b'"ACK %s"' % spelled(1, 500) * 2)
        await stream.say(b'"ACK"' * (subscription.MAX_WAITING_COMMANDS + 50 - 1000))
        assert wire.places() == (0, 50, 0)

        await stream.say(b'"ACK ..1"')

        assert stream.is_over
        assert wire.places() == (50, 0, 0)


async def test_command_that_was_carried_out_does_not_count_as_waiting(wire: Wire) -> None:
    await wire.publish(*[b"x"] * 100)
    async with wire.subscribe("?lease=60s") as stream:
        await stream.say(b'"INIT 50"')
        for _ in range(10):
            await stream.say(b'"TOUCH %s"' % spelled(1, 500))
        await stream.say(b'"ACK ..50"')

    assert wire.storage.statistics("orders").acknowledged == 50


async def test_client_that_only_talks_is_ended_past_so_many_commands(wire: Wire) -> None:
    await wire.publish(*[bytes(ROOM_BYTES // 50)] * 100)
    async with wire.subscribe() as stream:
        await stream.say(b'"INIT 50"')
        stream.stop_reading()
        await stream.say(b'"ACK ..50"')
        await stream.say(b'"ACK"' * (subscription.MAX_WAITING_COMMANDS + 50))
        assert wire.places() == (0, 50, 0)

        await stream.say(b'"ACK"')

        assert stream.is_over
        assert wire.places() == (50, 0, 0)


async def test_drain_lets_deliveries_be_settled_by_number(wire: Wire) -> None:
    await wire.publish(*[b"x"] * 10)
    async with wire.subscribe() as stream:
        await stream.say(b'"INIT 4"')
        wire.broker.drain()
        await settle()
        assert stream.pieces[-1] == b'{"closing":"draining"}\n'

        await stream.say(b'"ACK 2 4""NACK ..3"')

        await stream.answer()
    assert stream.has_ended
    assert wire.places() == (8, 0, 0)
    assert wire.storage.statistics("orders").acknowledged == 2


async def test_large_one_and_lockstep_one_side_by_side_are_both_served(wire: Wire) -> None:
    await wire.publish(*[b"%d" % number for number in range(3000)])
    async with wire.subscribe() as large, wire.subscribe() as small:
        await large.say(b'"INIT 1000"')
        await small.say(b'"INIT"')
        for turn in range(100):
            await small.say(b'"ACK"')
            await large.say(b'"ACK ..%d"' % (10 * (turn + 1)))

        assert len(small.values) == 101
        assert len(large.values) == 2000
        messages = [value["msg"] for value in small.values + large.values]
        assert len(set(messages)) == len(messages)
