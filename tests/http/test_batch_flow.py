"""A streamed publish and time: what is durable, who is slow, and how it ends."""

import asyncio

import pytest

from miniqueue_py.http.native import batch as rules
from tests.http import exchanges
from tests.http.exchanges import settle
from tests.http.streaming import NDJSON, SlowStorage, Wire

pytestmark = pytest.mark.anyio


@pytest.fixture
def wire() -> Wire:
    return Wire()


def published(count: int) -> dict[str, int]:
    return {"published": count}


async def test_nothing_is_confirmed_before_it_is_durable() -> None:
    storage = SlowStorage()
    async with Wire(storage).batch() as stream:
        await stream.say(b"1\n2\n")
        await stream.say(b"3\n")
        assert stream.body == b""

        storage.finish()
        await settle()
        assert stream.values == [published(2)]
        await stream.say(b"4\n", is_last=True)
        storage.finish(2)
        await stream.answer()

    assert stream.values == [published(2), published(4), published(4)]


async def test_storage_that_fails_ends_the_stream_and_says_from_which_line_on() -> None:
    storage = SlowStorage()
    async with Wire(storage).batch() as stream:
        await stream.say(b"1\n2\n")
        storage.finish()
        await stream.say(b"3\n")
        await stream.say(b"4\n")

        storage.fail("bad disk")
        await stream.answer()

    first, last = stream.values
    assert first == published(2)
    assert last["line"] == 3
    assert "storage is unavailable: bad disk" in last["error"]
    assert stream.has_ended


async def test_what_is_durable_is_confirmed_before_what_failed_with_it_is_told() -> None:
    storage = SlowStorage()
    async with Wire(storage).batch() as stream:
        await stream.say(b"1\n2\n")
        await stream.say(b"3\n")

        storage.finish()
        storage.fail("bad disk")
        await stream.answer()

    first, last = stream.values
    assert first == published(2)
    assert last["line"] == 3


async def test_unforeseen_error_ends_the_stream_in_words_and_is_told(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumble(*_: object) -> None:
        raise RuntimeError("unforeseen")

    monkeypatch.setattr(wire.storage, "append", stumble)
    async with wire.batch() as stream:
        await stream.say(b"1\n")
        await stream.answer()

    assert stream.values == [{"error": "the broker failed; its log tells how", "code": "failed"}]
    assert [str(error) for error in wire.stumbles] == ["unforeseen"]


async def test_torn_line_of_a_client_that_is_gone_is_not_stored(wire: Wire) -> None:
    async with wire.batch() as stream:
        await stream.say(b"1\n2\nhal")
        await stream.leave()
        await stream.answer()

    assert not stream.has_ended, "nobody is there to be told"
    assert wire.kept() == [b"1", b"2"]


@pytest.mark.parametrize("piece", [b"12345678\n" * 100, b"\n" * 1000])
async def test_stream_is_not_read_while_storage_stalls_whatever_is_sent(
    monkeypatch: pytest.MonkeyPatch, piece: bytes
) -> None:
    monkeypatch.setattr(rules, "MAX_UNCONFIRMED_BYTES", 50_000)
    monkeypatch.setattr(exchanges, "WINDOW_BYTES", 3000)
    storage = SlowStorage()
    async with Wire(storage).batch() as stream:
        for _ in range(100):
            await stream.say(piece)

        assert stream.unheard > 90
        while storage.writing:
            storage.finish()
            await settle()
        assert not stream.unheard

        await stream.say(b"", is_last=True)
        await stream.answer()
    assert stream.values[-1] == published(100 * piece.count(b"\n"))


async def test_client_may_send_everything_before_it_reads_a_confirm(
    wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rules, "MAX_UNCONFIRMED_BYTES", 5000)
    monkeypatch.setattr(rules, "ROOM_BYTES", 100)
    monkeypatch.setattr(exchanges, "ROOM_BYTES", 100)
    async with wire.batch() as stream:
        stream.stop_reading()
        for _ in range(100):
            await stream.say(b"12345678\n" * 10)
        assert not stream.unheard
        assert stream.queued < 2 * 100, "counts that nobody reads do not pile up"

        stream.read_on()
        await settle()
        assert stream.values[-1] == published(1000), "the newest is told without another"
        await stream.say(b"", is_last=True)
        await stream.answer()

    assert stream.values[-1] == published(1000)


async def test_who_reads_nothing_and_sent_a_bad_line_is_not_waited_for(wire: Wire) -> None:
    async with wire.batch(NDJSON) as stream:
        stream.stop_reading()
        await stream.say(b'{"msg":"eA=="}\nbad\n')
        assert stream.is_over

        stream.read_on()

    assert stream.values[0] == published(1)
    assert stream.values[1]["line"] == 2
    assert wire.kept() == [b"x"]


async def test_drain_confirms_what_was_taken_and_says_why_it_takes_no_more() -> None:
    storage = SlowStorage()
    wire = Wire(storage)
    async with wire.batch() as stream:
        await stream.say(b"1\n2\nhal")

        wire.broker.drain()
        wire.streams.abandon_uploads()
        await settle()
        storage.finish()
        await stream.answer()

    assert stream.values == [published(2), {"closing": "draining"}]
    assert stream.has_ended


async def test_drain_does_not_wait_long_for_storage_that_stalls(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rules, "FAREWELL_SECONDS", 0.01)
    wire = Wire(SlowStorage())
    async with wire.batch() as stream:
        await stream.say(b"1\n")

        wire.broker.drain()
        wire.streams.abandon_uploads()
        await stream.answer()

    assert stream.values == [{"closing": "draining"}]


@pytest.mark.parametrize("how", ["drain", "leave"])
async def test_what_was_not_granted_is_when_the_stream_ends(
    monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setattr(rules, "MAX_UNCONFIRMED_BYTES", 100)
    monkeypatch.setattr(rules, "FAREWELL_SECONDS", 0)
    wire = Wire(SlowStorage())
    async with wire.batch() as stream:
        await stream.say(b"1\n2\n")
        assert stream.ungranted == 4

        if how == "drain":
            wire.streams.abandon_uploads()
            await stream.answer()
        else:
            stream.leave_nowait()

        assert not stream.ungranted


async def test_batch_whose_body_is_over_has_its_whole_answer_from_a_broker_that_drains(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rules, "FAREWELL_SECONDS", 0)
    storage = SlowStorage()
    wire = Wire(storage)
    async with wire.batch() as stream:
        await stream.say(b"1\n2\n", is_last=True)

        wire.broker.drain()
        wire.streams.abandon_uploads()
        await settle()
        assert not stream.is_over
        storage.finish()
        await stream.answer()

    assert stream.values == [published(2), published(2)]


async def test_batch_whose_line_was_refused_is_confirmed_by_a_broker_that_drains() -> None:
    storage = SlowStorage()
    wire = Wire(storage)
    async with wire.batch(NDJSON) as stream:
        await stream.say(b'{"msg":"eA=="}\nbad\n')

        wire.broker.drain()
        wire.streams.abandon_uploads()
        await settle()
        storage.finish()
        await stream.answer()

    assert stream.values[0] == published(1)
    assert stream.values[1]["line"] == 2


async def test_drain_tells_what_is_durable_before_it_tells_that_it_closes(wire: Wire) -> None:
    async with wire.batch() as stream:
        stream.stop_reading()
        await stream.say(b"1\n")
        await stream.say(b"2\n")

        wire.broker.drain()
        wire.streams.abandon_uploads()
        stream.read_on()
        await stream.answer()

    assert stream.values[-2:] == [published(2), {"closing": "draining"}]
    assert stream.has_ended


@pytest.mark.parametrize("turns", range(6))
async def test_batch_that_has_just_begun_ends_with_a_last_line_when_the_broker_drains(
    wire: Wire, turns: int
) -> None:
    stream = wire.batch()
    stream.stop_reading()
    for _ in range(turns):
        await asyncio.sleep(0)

    stream.read_on()
    wire.broker.drain()
    wire.streams.abandon_uploads()
    async with stream:
        await stream.answer()

    if stream.status == 200:
        assert stream.values == [{"closing": "draining"}]
    else:
        assert stream.status == 503
    assert stream.has_ended


async def test_lines_that_come_when_the_broker_drains_are_no_bad_lines(wire: Wire) -> None:
    async with wire.batch() as stream:
        await stream.say(b"1\n")
        wire.broker.drain()
        await stream.say(b"2\n3\n")
        await stream.answer()

    assert stream.values[-1] == {"closing": "draining"}
    assert wire.kept() == [b"1"]


async def test_broker_that_drains_answers_a_new_batch_with_503(wire: Wire) -> None:
    wire.broker.drain()
    async with wire.batch() as stream:
        await stream.answer()

    assert stream.status == 503
    assert stream.headers["retry-after"] == "1"


async def test_client_that_leaves_while_it_waits_for_its_count_leaves_no_task_behind() -> None:
    wire = Wire(SlowStorage())
    async with wire.resume() as older:
        await older.say(b"1\n")
        before = asyncio.all_tasks()
        async with wire.resume() as newer:
            assert asyncio.all_tasks() > before

            await newer.leave()

            assert asyncio.all_tasks() == before
