"""SYNC: a client learns that what it said is done, and durable."""

import asyncio

import pytest

from miniqueue_py.errors import StorageUnavailable
from miniqueue_py.http.native.syncs import MOST_WAITING
from miniqueue_py.storage.memory import MemoryStorage
from tests.http.exchanges import settle
from tests.http.streaming import Wire

pytestmark = pytest.mark.anyio

REFUSED = {
    "error": "storage is unavailable: bad disk; publishing is refused",
    "code": "storage_unavailable",
}


class SlowToSettle(MemoryStorage):
    """What is settled is durable when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[asyncio.Future[None]] = []
        self.has_failed = False

    def settled(self) -> "asyncio.Future[None]":
        if self.has_failed:
            raise StorageUnavailable("bad disk")
        self.waiting.append(asyncio.get_running_loop().create_future())
        return self.waiting[-1]


@pytest.fixture
def storage() -> SlowToSettle:
    return SlowToSettle()


@pytest.fixture
def wire(storage: SlowToSettle) -> Wire:
    return Wire(storage)


async def test_answer_comes_when_what_was_said_before_is_done_and_durable(
    wire: Wire, storage: SlowToSettle
) -> None:
    await wire.publish(b"1", b"2")
    async with wire.subscribe() as stream:
        await stream.say(b'"INIT 1""ACK 1""SYNC 7"')
        assert wire.kept() == [], "it was carried out"
        assert [value["id"] for value in stream.values] == [1, 2]

        storage.waiting[0].set_result(None)
        await settle()

        assert stream.values[2:] == [{"synced": 7}]


async def test_answers_come_in_their_order_and_deliveries_go_on_meanwhile(
    wire: Wire, storage: SlowToSettle
) -> None:
    async with wire.subscribe() as stream:
        await stream.say(b'"INIT""SYNC 1""SYNC 1""SYNC 0"')
        await wire.publish(b"1")
        await settle()
        assert stream.values == [{"msg": "MQ=="}]

        for durable in storage.waiting:
            durable.set_result(None)
        await settle()

        assert stream.values[1:] == [{"synced": 1}, {"synced": 1}, {"synced": 0}]


async def test_stream_whose_client_has_ended_waits_for_the_answer(
    wire: Wire, storage: SlowToSettle
) -> None:
    async with wire.subscribe() as stream:
        await stream.say(b'"INIT 5""SYNC 3"', is_last=True)
        assert not stream.has_ended

        storage.waiting[0].set_result(None)
        await stream.answer()

    assert stream.values == [{"synced": 3}]


async def test_disk_that_fails_is_told_instead(wire: Wire, storage: SlowToSettle) -> None:
    async with wire.subscribe() as stream:
        await stream.say(b'"SYNC 1"')
        storage.waiting[0].set_exception(StorageUnavailable("bad disk"))
        await settle()
        storage.has_failed = True
        await stream.say(b'"SYNC 2"')

    assert stream.values == [REFUSED, REFUSED]
    assert not wire.stumbles


async def test_stream_with_many_unanswered_carries_out_nothing_more(
    wire: Wire, storage: SlowToSettle
) -> None:
    await wire.publish(b"1")
    async with wire.subscribe() as stream:
        await stream.say(b'"SYNC 1"' * (MOST_WAITING + 5) + b'"INIT"')
        assert len(storage.waiting) == MOST_WAITING
        assert stream.values == []

        for durable in storage.waiting[:]:
            durable.set_result(None)
        await settle()
        assert len(storage.waiting) == MOST_WAITING + 5
        assert stream.values[MOST_WAITING:] == [{"msg": "MQ=="}]


async def test_client_that_is_gone_is_told_nothing(wire: Wire, storage: SlowToSettle) -> None:
    async with wire.subscribe() as stream:
        await stream.say(b'"SYNC 1"')
    storage.waiting[0].set_exception(StorageUnavailable("bad disk"))
    await settle()

    assert stream.values == []
    assert not wire.stumbles
