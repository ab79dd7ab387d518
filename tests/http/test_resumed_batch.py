"""A batch under a key of its own: where it goes on, and who goes on with it."""

import asyncio
import json
from base64 import b64encode
from itertools import pairwise

import pytest

from miniqueue_py.broker.policy import TopicPolicy
from tests.http.exchanges import settle
from tests.http.streaming import NDJSON, TEXT, SlowStorage, Wire

pytestmark = pytest.mark.anyio

TAKEN_OVER = {"error": "this batch goes on in another request", "code": "batch_taken_over"}


@pytest.fixture
def wire() -> Wire:
    return Wire()


def published(count: int) -> dict[str, int]:
    return {"published": count}


def line(body: bytes, **options: object) -> bytes:
    return json.dumps({"msg": b64encode(body).decode(), **options}).encode() + b"\n"


async def send(
    wire: Wire, body: bytes, key: str = "k", kind: dict[str, str] = TEXT
) -> list[object]:
    """Send a whole request under a key; return what it was told."""
    async with wire.resume(key, kind) as stream:
        await stream.say(body, is_last=True)
        await stream.answer()
    return stream.values


async def test_request_is_told_at_once_how_much_of_its_batch_is_durable(wire: Wire) -> None:
    async with wire.resume() as stream:
        assert stream.values == [published(0)]
        await stream.say(b"1\n2\n3")
        await stream.leave()

    async with wire.resume() as stream:
        assert stream.values == [published(2)]
        await stream.say(b"3\n4\n", is_last=True)
        await stream.answer()

    assert stream.values == [published(2), published(4), published(4)]
    assert wire.kept() == [b"1", b"2", b"3", b"4"]


async def test_batch_that_was_whole_has_nothing_left(wire: Wire) -> None:
    assert await send(wire, b"1\n2\n") == [published(0), published(2), published(2)]

    assert await send(wire, b"") == [published(2), published(2)]

    assert wire.kept() == [b"1", b"2"]


async def test_batch_goes_on_in_the_other_format(wire: Wire) -> None:
    await send(wire, b"1\n2\n")

    values = await send(wire, line(b"3") + line(b"4", priority=1), kind=NDJSON)
    assert (values[0], values[-1]) == (published(2), published(4))
    assert (await send(wire, b"5\n"))[-1] == published(5)

    assert wire.kept() == [b"4", b"1", b"2", b"3", b"5"]


async def test_error_counts_the_lines_of_its_own_request(wire: Wire) -> None:
    await send(wire, b"1\n2\n")

    values = await send(wire, line(b"3") + b"\n" + b"bad\n", kind=NDJSON)

    assert values[:-1] == [published(2), published(3)]
    assert isinstance(values[-1], dict)
    assert values[-1]["line"] == 3


async def test_line_whose_own_key_is_known_counts(wire: Wire) -> None:
    keyed = line(b"1", key="a") + line(b"1", key="a") + line(b"2", key="k")
    assert (await send(wire, keyed, kind=NDJSON))[-1] == published(3)

    assert (await send(wire, b""))[0] == published(3)
    assert wire.kept() == [b"1", b"2"]


async def test_key_of_a_batch_and_key_of_a_message_do_not_meet(wire: Wire) -> None:
    await wire.publish(b"1", key="k")

    assert (await send(wire, line(b"1", key="k") + line(b"3"), kind=NDJSON))[0] == published(0)

    await wire.publish(b"1", key="k")
    assert wire.kept() == [b"1", b"3"]


async def test_another_key_and_another_topic_are_another_batch(wire: Wire) -> None:
    await send(wire, b"1\n")

    assert (await send(wire, b"", key="K"))[0] == published(0)
    await wire.broker.delete("orders")
    assert (await send(wire, b""))[0] == published(0)


async def test_empty_batch_makes_no_topic(wire: Wire) -> None:
    assert await send(wire, b"") == [published(0), published(0)]

    assert not wire.storage.knows("orders")


async def test_batch_is_forgotten_when_it_was_left_alone_for_the_window(wire: Wire) -> None:
    await send(wire, b"1\n")
    await wire.tick_after(299)
    assert (await send(wire, b"2\n"))[0] == published(1)
    await wire.tick_after(299)
    assert (await send(wire, b""))[0] == published(2), "to ask lengthens nothing"

    await wire.tick_after(1)

    assert (await send(wire, b""))[0] == published(0)


async def test_batch_that_is_slower_than_the_window_keeps_its_count(wire: Wire) -> None:
    async with wire.resume() as stream:
        await stream.say(b"1\n")
        await wire.tick_after(301)
        await stream.say(b"2\n")

    assert (await send(wire, b""))[0] == published(2)


async def test_without_a_window_each_request_is_a_batch(wire: Wire) -> None:
    await wire.administration.set_policy("orders", TopicPolicy(dedupe_window=0.0))
    async with wire.resume() as stream:
        await stream.say(b"1\n")

        assert await send(wire, b"1\n") == [published(0), published(1), published(1)]

        await stream.say(b"2\n", is_last=True)
        await stream.answer()
    assert stream.values[-1] == published(2)
    assert wire.kept() == [b"1", b"1", b"2"]


async def test_full_topic_stops_a_batch_which_goes_on_when_there_is_room(wire: Wire) -> None:
    await wire.administration.set_policy("orders", TopicPolicy(max_messages=3))
    *_, counted, refused = await send(wire, b"1\n2\n3\n4\n5\n")
    assert counted == published(3)
    assert isinstance(refused, dict)
    assert refused["line"] == 4
    async with wire.subscribe() as consumer:
        await consumer.say(b'"INIT" "ACK"')

    assert (await send(wire, b"4\n"))[-1] == published(4)

    assert wire.kept() == [b"2", b"3", b"4"]


@pytest.mark.parametrize("key", ["", "x" * 257])
async def test_key_that_is_none_is_refused(wire: Wire, key: str) -> None:
    async with wire.resume(key) as stream:
        await stream.answer()

    assert stream.status == 400
    assert b"Idempotency-Key" in stream.body


# Who goes on


async def test_newer_request_takes_over_and_the_older_one_stores_nothing_more(wire: Wire) -> None:
    async with wire.resume() as older:
        await older.say(b"1\n2\nhal")
        async with wire.resume() as newer:
            older.say_nowait(b"f\nnever\n")
            await older.answer()
            assert newer.values == [published(2)]
            await newer.say(b"3\n", is_last=True)
            await newer.answer()

    assert older.values == [published(0), published(2), TAKEN_OVER]
    assert older.has_ended
    assert newer.values[-1] == published(3)
    assert wire.kept() == [b"1", b"2", b"3"]


async def test_what_came_before_the_newer_request_and_was_not_read_is_not_stored(
    wire: Wire,
) -> None:
    older, newer = wire.resume(), wire.resume()
    for number in range(50):
        older.say_nowait(b"%d\n" % number)

    async with older, newer:
        await older.answer()
        [start] = newer.values

    count = start["published"]
    assert count < 50
    assert wire.kept() == [b"%d" % number for number in range(count)]


async def test_newer_request_is_told_nothing_before_what_the_older_had_begun_is_durable() -> None:
    storage = SlowStorage()
    wire = Wire(storage)
    async with wire.resume() as older:
        await older.say(b"1\n")
        await older.say(b"2\n")
        async with wire.resume() as newer:
            await newer.say(b"3\n")
            assert newer.values == []
            storage.finish(2)
            await settle()
            assert newer.values == [published(2)]
            storage.finish()
            await settle()

        await older.answer()
    assert newer.values == [published(2), published(3)]
    assert older.values == [published(0), published(2), TAKEN_OVER]


async def test_what_came_before_the_count_is_taken_piece_by_piece_and_others_have_turns() -> None:
    storage = SlowStorage()
    wire = Wire(storage)
    async with wire.resume() as older:
        await older.say(b"1\n")
        async with wire.resume() as newer:
            for number in range(2, 7):
                await newer.say(b"%d\n" % number)
            assert storage.writing == 1

            storage.finish()
            begun = [0]
            while begun[-1] < 5:
                await asyncio.sleep(0)
                begun.append(storage.writing)
            storage.finish(5)
            await settle()

    assert max(after - before for before, after in pairwise(begun)) == 1
    assert newer.values == [published(1), published(6)]
    assert wire.kept() == [b"%d" % number for number in range(1, 7)]


async def test_request_that_is_gone_counts_with_all_that_it_had_begun() -> None:
    storage = SlowStorage()
    wire = Wire(storage)
    older = wire.resume()
    await older.say(b"1\n2\n")
    await older.leave()

    async with wire.resume() as newer:
        assert newer.values == []
        storage.finish()
        await settle()

    assert newer.values == [published(2)]


async def test_request_that_waits_for_its_count_is_taken_over_too() -> None:
    storage = SlowStorage()
    wire = Wire(storage)
    async with wire.resume() as first:
        await first.say(b"1\n")
        async with wire.resume() as second, wire.resume() as third:
            await second.answer()
            storage.finish()
            await settle()

    assert second.values == [TAKEN_OVER]
    assert third.values == [published(1)]


async def test_count_that_storage_cannot_tell_is_not_told() -> None:
    storage = SlowStorage()
    wire = Wire(storage)
    async with wire.resume() as older:
        await older.say(b"1\n")
        async with wire.resume() as newer:
            storage.fail("bad disk")
            await newer.answer()

    told = "storage is unavailable: bad disk; publishing is refused"
    assert newer.values == [{"error": told, "code": "storage_unavailable"}]
    assert not wire.stumbles


async def test_broker_that_drains_waits_for_no_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("miniqueue_py.http.native.batch.FAREWELL_SECONDS", 0.01)
    wire = Wire(SlowStorage())
    async with wire.resume() as older:
        await older.say(b"1\n")
        async with wire.resume() as newer:
            wire.broker.drain()
            wire.streams.abandon_uploads()
            await newer.answer()

    assert newer.values == [{"closing": "draining"}]


async def test_batch_that_nobody_adds_to_costs_nothing(wire: Wire) -> None:
    await send(wire, b"1\n")
    async with wire.resume() as older, wire.resume():
        await older.answer()

    assert repr(wire.broker.batches) == "<Batches, 0 of them being added to>"
