"""A publish that is not taken is told once, and alike whichever dialect it came by."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from miniqueue_py.broker.admission import Limits
from miniqueue_py.broker.events import Loaded, Published, Refused
from miniqueue_py.broker.policy import TopicPolicy
from miniqueue_py.errors import DiskFull
from miniqueue_py.http.dialects.coramq import coramq, explain_coramq
from miniqueue_py.http.dialects.options import ZapqOptions, ZoldyqOptions
from miniqueue_py.http.dialects.tasks import explain_task, tasks
from miniqueue_py.http.dialects.zapq import explain_zapq, zapq
from miniqueue_py.http.dialects.zoldyq import explain_zoldyq, zoldyq
from miniqueue_py.http.dialects.zoldyq_queues import ZoldyqQueues
from miniqueue_py.storage.memory import MemoryStorage
from miniqueue_py.telemetry.rates import Rates
from miniqueue_py.testing.clock import ManualClock
from tests.dialects.desk import Booth
from tests.dialects.zapq_snapshots import encoded

pytestmark = pytest.mark.anyio

LONGEST = 1000
TOO_LONG = b"x" * (LONGEST + 1)
MUCH_TOO_LONG = b"x" * (1 << 18)


class FullStorage(MemoryStorage):
    """On a disk that has no room, if it is full."""

    is_full = False

    def append(self, *others: Any) -> Any:
        if self.is_full:
            raise DiskFull
        return super().append(*others)

    async def set_policy(self, topic: str, policy: TopicPolicy) -> None:
        if self.is_full:
            raise DiskFull
        await super().set_policy(topic, policy)


def open_zapq(booth: Booth) -> None:
    options = ZapqOptions(max_msgs=1)
    pages = zapq(booth.broker, booth.administration, booth.snapshots, options)
    booth.open(pages, explain_zapq)


def open_coramq(booth: Booth) -> None:
    booth.open(coramq(booth.broker, booth.administration), explain_coramq)


def open_zoldyq(booth: Booth) -> None:
    options = ZoldyqOptions(capacity=1, max_queues=1)
    queues = ZoldyqQueues(booth.broker, booth.administration, options)
    booth.open(zoldyq(queues), explain_zoldyq)


def open_tasks(booth: Booth) -> None:
    rates = Rates(booth.broker.clock, "tasks")
    booth.open(tasks(booth.broker, booth.administration, rates), explain_task)


Open = Callable[[Booth], None]

DIALECTS: Sequence[tuple[Open, str, str, bytes, bytes]] = (
    (open_zapq, "zapq", "/enqueue", b"one", TOO_LONG),
    (
        open_coramq,
        "jobs",
        "/queues/jobs/enqueue",
        b'{"item":{"id":"1","payload":""}}',
        b'{"item":{"id":"1","payload":"%b"}}' % TOO_LONG,
    ),
    (
        open_zoldyq,
        "jobs",
        "/queues/jobs/enqueue",
        b'{"payload":1}',
        b'{"payload":"%b"}' % TOO_LONG,
    ),
    (open_tasks, "tasks", "/task", b'{"type":"a"}', b'{"type":"a","payload":"%b"}' % TOO_LONG),
)
"""Who opens it, its topic, where publishes go, one that can be taken and one that is too long."""


def new_booth(open_dialect: Open, storage: MemoryStorage | None = None) -> Booth:
    booth = Booth(ManualClock(), storage=storage, limits=Limits(max_message_bytes=LONGEST))
    open_dialect(booth)
    return booth


def refused(booth: Booth) -> list[Refused]:
    return [fact for fact in booth.facts if isinstance(fact, Refused)]


@pytest.mark.parametrize(("open_dialect", "topic", "path", "good", "long"), DIALECTS)
async def test_what_can_happen_to_all_is_told_alike(
    open_dialect: Open, topic: str, path: str, good: bytes, long: bytes
) -> None:
    storage = FullStorage()
    booth = new_booth(open_dialect, storage)
    if open_dialect is not open_tasks:
        await booth.administration.set_policy(topic, TopicPolicy(max_messages=1))

    async def refuse(body: bytes, status: int, reason: str) -> None:
        booth.facts.clear()
        answer = await booth.ask("POST", path, body)
        assert (answer.status, booth.facts) == (status, [Refused(topic, reason)]), answer.body

    storage.is_full = True
    await booth.broker.tick()
    answer = await booth.ask("POST", path, good)
    assert (answer.status, refused(booth)) == (507, [Refused(topic, "disk_full")])
    storage.is_full = False
    await refuse(long, 413, "message_too_long")
    await refuse(MUCH_TOO_LONG, 413, "message_too_long")
    if open_dialect is open_tasks:
        await booth.administration.set_policy(topic, TopicPolicy(max_messages=1, lease=5))
    booth.facts.clear()
    assert (await booth.ask("POST", path, good)).status in {200, 202}
    assert [type(fact) for fact in booth.facts] == [Published]
    await refuse(good, 429, "topic_full")
    booth.broker.drain()
    await refuse(good, 503, "draining")


@pytest.mark.parametrize(
    ("open_dialect", "path", "body", "fact"),
    [
        *(
            (each, path, body, Refused(topic, "bad_parameter"))
            for each, topic, path, _, _ in DIALECTS[1:]
            for body in (b"", b"{", b"[]", b"{}", b'{"a":NaN}', b"\xff", b"[" * 9000)
        ),
        *(
            (
                open_coramq,
                "/queues/jobs/enqueue",
                b'{"item":{"id":"1","payload":"","priority":%b}}' % priority,
                Refused("jobs", "bad_parameter"),
            )
            for priority in (b'"high"', b"-1", b"1.5")
        ),
        (
            open_coramq,
            "/queues/nothing/enqueue",
            b'{"item":{"id":"1","payload":""}}',
            Refused("nothing", "other"),
        ),
        (open_coramq, "/queues/%ff/enqueue", b"{}", Refused("", "bad_request")),
        (open_zoldyq, "/queues/%ff/enqueue", b"{}", Refused("", "bad_request")),
        (open_zoldyq, "/queues/new/enqueue", b'{"payload":1}', Refused("new", "topic_full")),
        (open_tasks, "/task", b'{"type":1}', Refused("tasks", "bad_parameter")),
    ],
)
async def test_what_is_no_message_is_told_once(
    open_dialect: Open, path: str, body: bytes, fact: Refused
) -> None:
    booth = new_booth(open_dialect)
    await booth.administration.set_policy("jobs", TopicPolicy())
    booth.facts.clear()

    answer = await booth.ask("POST", path, body)

    assert 400 <= answer.status < 500
    assert booth.facts == [fact]


async def test_message_that_was_cut_short_is_told() -> None:
    booth = new_booth(open_zapq)

    await booth.ask("POST", "/enqueue", b"hal", headers={"content-length": "4"})

    assert booth.facts == [Refused("zapq", "body_cut_short")]


@pytest.mark.parametrize(
    ("open_dialect", "method", "path"),
    [
        (open_coramq, "POST", "/queues/jobs/dequeue"),
        (open_coramq, "POST", "/queues/%ff/dequeue"),
        (open_coramq, "POST", "/queues"),
        (open_zoldyq, "GET", "/queues/%ff/dequeue"),
        (open_zapq, "GET", "/enqueue"),
        (open_zapq, "POST", "/load?file=none"),
        (open_tasks, "POST", "/tasks"),
    ],
)
async def test_what_would_publish_nothing_is_no_publish_refused(
    open_dialect: Open, method: str, path: str
) -> None:
    booth = new_booth(open_dialect)

    assert (await booth.ask(method, path, b"{")).status >= 400
    assert not booth.facts


async def test_clearing_and_loading_are_told(tmp_path: Path) -> None:
    booth = Booth(ManualClock())
    options = ZapqOptions(snapshots=tmp_path)
    pages = zapq(booth.broker, booth.administration, booth.snapshots, options)
    booth.open(pages, explain_zapq)
    await booth.ask("POST", "/enqueue", b"one")
    (tmp_path / "three").write_text(encoded(b"1", b"2", b"3"))
    (tmp_path / "torn").write_text('["MQ==", "MQ')
    booth.facts.clear()

    for target in "/load?file=three", "/load?file=torn", "/clear":
        await booth.ask("POST", target)

    assert booth.facts == [Loaded("zapq", 3), Loaded("zapq", 0)]
