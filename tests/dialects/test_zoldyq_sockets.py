"""ZoldyQ's WebSockets in this process: order, pace, and who gets what when somebody leaves."""

import asyncio

import pytest

from miniqueue_py.broker.admission import Limits
from miniqueue_py.errors import StorageUnavailable
from miniqueue_py.http.dialects.zoldyq.conversation import FAREWELL_SECONDS
from miniqueue_py.http.dialects.zoldyq.dequeuing import (
    MOST_MARKS,
    SENT_TOGETHER,
    SENT_TOGETHER_BYTES,
)
from miniqueue_py.http.dialects.zoldyq.dialect import Zoldyq
from miniqueue_py.http.dialects.zoldyq.enqueuing import MOST_UNANSWERED, MOST_UNANSWERED_BYTES
from miniqueue_py.storage.memory import MemoryStorage
from miniqueue_py.testing.clock import ManualClock
from tests.dialects.caller import Caller
from tests.dialects.desk import Booth
from tests.http.exchanges import settle
from tests.http.streaming import SlowStorage

pytestmark = pytest.mark.anyio

EMAILS = "/queues/emails"
MOST_UNSEEN = MOST_MARKS * SENT_TOGETHER


class Counter(Booth):
    """A booth with WebSockets."""

    def __init__(self, storage: MemoryStorage | None = None, *, longest: int = 1 << 20) -> None:
        limits = Limits(max_message_bytes=longest)
        zoldyq = Zoldyq(capacity=2000, max_queues=2)
        super().__init__(
            "zoldyq", ManualClock(), storage=storage, limits=limits, of_dialects=[zoldyq]
        )
        self.sockets = self.dialect.sockets

    def call(self, path: str, *, has_read: bool = True) -> Caller:
        return Caller(self.sockets, path, has_read=has_read)

    def counts(self) -> tuple[int, int, int]:
        """Return how many are ready, in flight, acknowledged."""
        statistics = self.storage.statistics("emails")
        return statistics.ready, statistics.in_flight, statistics.acknowledged

    async def drain(self) -> None:
        self.broker.drain()
        self.sockets.drain()
        await settle()


@pytest.fixture
def counter() -> Counter:
    return Counter()


class SlowSettling(MemoryStorage):
    """What is settled is durable when the test says so, or never."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[asyncio.Future[None]] = []

    def settled(self) -> "asyncio.Future[None]":
        self.waiting.append(asyncio.get_running_loop().create_future())
        return self.waiting[-1]


async def test_each_payload_is_answered_in_order(counter: Counter) -> None:
    async with counter.call(f"{EMAILS}/enqueue") as caller:
        await caller.say({"payload": {"a": 1}}, b'{"payload": null}', "rubbish", {"payload": "x"})

        assert [each.get("queue_size") for each in caller.values] == [1, 2, None, 3]
        assert caller.values[0] == {"queued": True, "queue_size": 1}
        assert caller.values[2] == {"error": "the body is not JSON from line 1, character 1 on"}
    assert counter.bodies("emails") == [b'{"a": 1}', b"null", b'"x"']


@pytest.mark.parametrize(
    "nonsense", ["", "1", "[]", "{}", '{"payload":', '{"payload":NaN}', b"\xff", b"", "[" * 10_000]
)
async def test_rubbish_is_answered_and_the_socket_goes_on(
    counter: Counter, nonsense: object
) -> None:
    async with counter.call(f"{EMAILS}/enqueue") as caller:
        await caller.say(nonsense, {"payload": 1})

        assert caller.values[0].keys() == {"error"}
        assert caller.values[1] == {"queued": True, "queue_size": 1}


async def test_next_payload_is_stored_before_the_last_one_is_durable() -> None:
    storage = SlowStorage()
    counter = Counter(storage)
    async with counter.call(f"{EMAILS}/enqueue") as caller:
        await caller.say({"payload": 1}, "rubbish", {"payload": 2})
        assert storage.writing == 2
        assert caller.values == []

        storage.finish()
        await settle()
        assert [*map(len, caller.values)] == [2, 1]

        storage.fail("no disk")
        await settle()
        assert caller.values[2]["error"].startswith("storage is unavailable: no disk")


async def test_who_does_not_read_answers_is_not_heard_any_more(counter: Counter) -> None:
    async with counter.call(f"{EMAILS}/enqueue") as caller:
        caller.may_send.clear()
        await caller.say(*[{"payload": 1}] * (MOST_UNANSWERED + 100))
        for _ in range(MOST_UNANSWERED):
            await asyncio.sleep(0)
        assert caller.unheard == 100

        caller.may_send.set()
        await turns()
        assert len(caller.values) == MOST_UNANSWERED + 100


async def test_who_does_not_read_answers_is_heard_for_so_many_bytes_only(counter: Counter) -> None:
    long = {"payload": "x" * (MOST_UNANSWERED_BYTES // 8)}
    async with counter.call(f"{EMAILS}/enqueue") as caller:
        caller.may_send.clear()
        await caller.say(*[long] * 11)
        assert caller.unheard == 3

        caller.may_send.set()
        await settle()
        assert len(caller.values) == 11


async def test_payloads_sent_before_leaving_are_stored(counter: Counter) -> None:
    async with counter.call(f"{EMAILS}/enqueue") as caller:
        caller.say_nowait({"payload": 1})
        await caller.leave()

        assert caller.task.done()
    assert counter.bodies("emails") == [b"1"]


async def test_full_queue_and_a_queue_too_many_are_errors(counter: Counter) -> None:
    await counter.publish("emails", *[b"1"] * 2000)
    await counter.publish("others", b"1")
    async with (
        counter.call(f"{EMAILS}/enqueue") as full,
        counter.call("/queues/new/enqueue") as many,
    ):
        await full.say({"payload": 1})
        await many.say({"payload": 1})

        assert "full" in full.values[0]["error"]
        assert many.values == [{"error": "there are 2 queues already, which is -zoldyq-max-queues"}]


async def test_too_long_a_payload_is_an_error_and_not_the_end() -> None:
    counter = Counter(longest=10)
    async with counter.call(f"{EMAILS}/enqueue") as caller:
        await caller.say({"payload": "x" * 9}, {"payload": "x" * 8})

        assert caller.sent[0]["longest"] >= 6 * 10
        assert "longer than 10 bytes" in caller.values[0]["error"]
        assert caller.values[1] == {"queued": True, "queue_size": 1}


async def test_payloads_come_as_they_are_published(counter: Counter) -> None:
    async with counter.call(f"{EMAILS}/dequeue") as caller:
        assert caller.values == []

        await counter.publish("emails", b'{"a": 1}', b"text", b"\xff")
        await settle()

        assert caller.values == [{"payload": {"a": 1}}, {"payload": "text"}, {"payload": "/w=="}]
        assert counter.counts() == (0, 0, 3)


async def test_nothing_is_sent_before_nobody_else_can_have_it() -> None:
    storage = SlowSettling()
    counter = Counter(storage)
    await counter.publish("emails", b"1", b"2")
    async with counter.call(f"{EMAILS}/dequeue") as caller:
        assert caller.values == []
        assert counter.counts() == (0, 0, 2)

        await counter.publish("emails", b"3")
        assert counter.counts() == (1, 0, 2)
        storage.waiting[0].set_result(None)
        await settle()
        assert caller.values == [{"payload": 1}, {"payload": 2}]
        assert counter.counts() == (0, 0, 3)

        storage.waiting[1].set_exception(StorageUnavailable("no disk"))
        await settle()
        assert len(caller.values) == 2
        assert caller.code == 1011


async def test_slow_reader_has_no_more_than_it_is_being_sent(counter: Counter) -> None:
    async with counter.call(f"{EMAILS}/dequeue") as slow:
        slow.may_send.clear()
        await counter.publish("emails", *[b"1"] * 1000)
        await turns()
        assert counter.counts() == (1000 - SENT_TOGETHER, 0, SENT_TOGETHER)

        async with counter.call(f"{EMAILS}/dequeue") as quick:
            await turns()
            assert len(quick.values) == 1000 - SENT_TOGETHER


async def test_what_is_dealt_beyond_one_go_is_for_the_others(counter: Counter) -> None:
    long = b'"%b"' % (b"x" * (SENT_TOGETHER_BYTES // 2))
    async with counter.call(f"{EMAILS}/dequeue") as slow:
        slow.may_send.clear()
        await counter.publish("emails", *[long] * 9)
        await settle()

        assert counter.counts() == (7, 0, 2)
        [first, *_] = await counter.storage.peek("emails", 9, 1 << 20, counter.broker.clock.now())
        assert (first.id[1], first.attempt) == (3, 1)


async def test_reader_that_answers_no_mark_is_sent_no_more_than_a_few(counter: Counter) -> None:
    await counter.publish("emails", *[b"1"] * 1000)
    async with counter.call(f"{EMAILS}/dequeue", has_read=False) as slow:
        await turns()
        assert len(slow.values) == MOST_UNSEEN
        assert counter.counts() == (1000 - MOST_UNSEEN, 0, MOST_UNSEEN)

        await slow.answer_mark(slow.marks[0])
        await turns()
        assert len(slow.values) == MOST_UNSEEN + SENT_TOGETHER

        async with counter.call(f"{EMAILS}/dequeue") as quick:
            await turns()
            assert len(quick.values) == 1000 - MOST_UNSEEN - SENT_TOGETHER


@pytest.mark.parametrize("mark", [b"0", b"-1", b"5", b"", b"x", b"1" * 125, b"\xff"])
async def test_mark_that_was_never_sent_counts_for_nothing(counter: Counter, mark: bytes) -> None:
    await counter.publish("emails", *[b"1"] * 1000)
    async with counter.call(f"{EMAILS}/dequeue", has_read=False) as slow:
        await turns()
        await slow.answer_mark(mark)
        await turns()
        assert len(slow.values) == MOST_UNSEEN


async def test_long_payloads_are_marked_by_their_bytes(counter: Counter) -> None:
    long = b'"%b"' % (b"x" * SENT_TOGETHER_BYTES)
    await counter.publish("emails", *[long] * 10)
    async with counter.call(f"{EMAILS}/dequeue", has_read=False) as slow:
        await turns()
        assert len(slow.values) == MOST_MARKS
        assert slow.marks == [b"%d" % number for number in range(1, MOST_MARKS + 1)]


async def test_what_a_consumer_says_is_ignored(counter: Counter) -> None:
    async with counter.call(f"{EMAILS}/dequeue") as caller:
        assert caller.sent == [{"type": "websocket.accept", "longest": 0}]
        await caller.say("more, please", b"\xff", {"payload": 1})
        await counter.publish("emails", b"1")
        await settle()

        assert caller.values == [{"payload": 1}]


async def test_reader_that_has_just_left_takes_nothing(counter: Counter) -> None:
    async with counter.call(f"{EMAILS}/dequeue") as caller:
        caller.has_left = True
        await counter.publish("emails", b"1")
        await settle()
        assert counter.counts() == (1, 0, 0)


async def test_reader_that_left_takes_nothing_more(counter: Counter) -> None:
    async with counter.call(f"{EMAILS}/dequeue") as caller:
        await caller.leave()
        await counter.publish("emails", b"1")

        assert caller.task.done()
    assert counter.counts() == (1, 0, 0)
    assert counter.broker.consumer_count("emails") == 0


async def test_reader_that_leaves_loses_only_what_it_is_being_sent(counter: Counter) -> None:
    await counter.publish("emails", *[b"1"] * 100)
    caller = counter.call(f"{EMAILS}/dequeue")
    while len(caller.sent) < 4:  # noqa: ASYNC110  no event tells of it
        await asyncio.sleep(0)
    caller.may_send.clear()
    await settle()
    caller.task.cancel()
    await settle()

    ready, in_flight, acknowledged = counter.counts()
    assert (ready, in_flight) == (100 - acknowledged, 0)
    assert acknowledged - len(caller.values) <= SENT_TOGETHER
    message = (await counter.storage.peek("emails", 1, 1 << 20, counter.broker.clock.now()))[0]
    assert message.attempt == 1


async def test_drain_closes_both_kinds_and_answers_what_is_stored() -> None:
    storage = SlowStorage()
    counter = Counter(storage)
    async with (
        counter.call(f"{EMAILS}/enqueue") as publisher,
        counter.call("/queues/others/dequeue") as consumer,
        counter.call("/queues/others/enqueue") as idle,
    ):
        await publisher.say({"payload": 1})
        await counter.drain()
        assert consumer.code == idle.code == 1001
        assert publisher.values == []

        storage.finish()
        await settle()
        assert publisher.values == [{"queued": True, "queue_size": 1}]
        assert publisher.code == 1001

    async with counter.call(f"{EMAILS}/enqueue") as late:
        assert late.sent[0]["status"] == 503


@pytest.mark.parametrize("verb", ["enqueue", "dequeue"])
async def test_drain_that_comes_during_the_handshake_closes_the_socket(
    counter: Counter, verb: str
) -> None:
    caller = counter.call(f"{EMAILS}/{verb}")
    caller.may_send.clear()
    async with caller:
        await counter.drain()
        caller.may_send.set()
        await settle()

        assert [each["type"] for each in caller.sent] == ["websocket.accept", "websocket.close"]
        assert caller.code == 1001


async def test_drain_does_not_wait_for_one_who_does_not_read(counter: Counter) -> None:
    async with counter.call(f"{EMAILS}/dequeue") as silent:
        silent.may_send.clear()
        await counter.publish("emails", b"1")
        await settle()
        await counter.drain()
        assert not silent.task.done()

        await asyncio.wait_for(silent.task, 5 * FAREWELL_SECONDS)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/", 404),
        ("/queues", 404),
        ("/queues/emails", 404),
        ("/queues/emails/", 404),
        ("/queues/emails/enqueue/", 404),
        ("/queues/emails/peek", 404),
        ("/zoldyq/queues/emails/enqueue", 404),
        ("/queues//enqueue", 400),
        ("/queues/%00/enqueue", 400),
        ("/queues/%ff/dequeue", 400),
        ("/queues/a%2Fb/dequeue", 400),
        (f"/queues/{'x' * 256}/dequeue", 400),
    ],
)
async def test_handshake_elsewhere_is_refused(counter: Counter, path: str, status: int) -> None:
    async with counter.call(path) as caller:
        assert caller.sent[0]["status"] == status
        assert b'{"error"' in caller.sent[1]["body"]


async def turns() -> None:
    for _ in range(20 * MOST_UNSEEN):
        await asyncio.sleep(0)
