"""A publish that is not taken is told once, and alike whichever dialect it came by."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from miniqueue_py.broker.admission import Limits
from miniqueue_py.broker.events import Loaded, Published, Refused
from miniqueue_py.broker.policy import TopicPolicy
from miniqueue_py.errors import DiskFull
from miniqueue_py.http.dialects.zapq.dialect import Zapq
from miniqueue_py.http.dialects.zoldyq.dialect import Zoldyq
from miniqueue_py.http.problems import FAILED
from miniqueue_py.storage.memory import MemoryStorage
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


SMALL = (Zapq(max_msgs=1), Zoldyq(capacity=1, max_queues=1))

DIALECTS: Sequence[tuple[str, str, str, bytes, bytes]] = (
    ("zapq", "zapq", "/enqueue", b"one", TOO_LONG),
    (
        "coramq",
        "jobs",
        "/queues/jobs/enqueue",
        b'{"item":{"id":"1","payload":""}}',
        b'{"item":{"id":"1","payload":"%b"}}' % TOO_LONG,
    ),
    (
        "zoldyq",
        "jobs",
        "/queues/jobs/enqueue",
        b'{"payload":1}',
        b'{"payload":"%b"}' % TOO_LONG,
    ),
    ("tasks", "tasks", "/task", b'{"type":"a"}', b'{"type":"a","payload":"%b"}' % TOO_LONG),
)
"""Its name, its topic, where publishes go, one that can be taken and one that is too long."""


def new_booth(name: str, storage: MemoryStorage | None = None) -> Booth:
    limits = Limits(max_message_bytes=LONGEST)
    return Booth(name, ManualClock(), storage=storage, limits=limits, of_dialects=SMALL)


def refused(booth: Booth) -> list[Refused]:
    return [fact for fact in booth.facts if isinstance(fact, Refused)]


@pytest.mark.parametrize(("name", "topic", "path", "good", "long"), DIALECTS)
async def test_what_can_happen_to_all_is_told_alike(
    name: str, topic: str, path: str, good: bytes, long: bytes
) -> None:
    storage = FullStorage()
    booth = new_booth(name, storage)
    if name != "tasks":
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
    if name == "tasks":
        await booth.administration.set_policy(topic, TopicPolicy(max_messages=1, lease=5))
    booth.facts.clear()
    assert (await booth.ask("POST", path, good)).status in {200, 202}
    assert [type(fact) for fact in booth.facts] == [Published]
    await refuse(good, 429, "topic_full")
    booth.broker.drain()
    await refuse(good, 503, "draining")


@pytest.mark.parametrize(
    ("name", "path", "body", "fact"),
    [
        *(
            (each, path, body, Refused(topic, "bad_parameter"))
            for each, topic, path, _, _ in DIALECTS[1:]
            for body in (b"", b"{", b"[]", b"{}", b'{"a":NaN}', b"\xff", b"[" * 9000)
        ),
        *(
            (
                "coramq",
                "/queues/jobs/enqueue",
                b'{"item":{"id":"1","payload":"","priority":%b}}' % priority,
                Refused("jobs", "bad_parameter"),
            )
            for priority in (b'"high"', b"-1", b"1.5")
        ),
        (
            "coramq",
            "/queues/nothing/enqueue",
            b'{"item":{"id":"1","payload":""}}',
            Refused("nothing", "other"),
        ),
        ("coramq", "/queues/%ff/enqueue", b"{}", Refused("", "bad_request")),
        ("zoldyq", "/queues/%ff/enqueue", b"{}", Refused("", "bad_request")),
        ("zoldyq", "/queues/new/enqueue", b'{"payload":1}', Refused("new", "topic_full")),
        ("tasks", "/task", b'{"type":1}', Refused("tasks", "bad_parameter")),
    ],
)
async def test_what_is_no_message_is_told_once(
    name: str, path: str, body: bytes, fact: Refused
) -> None:
    booth = new_booth(name)
    await booth.administration.set_policy("jobs", TopicPolicy())
    booth.facts.clear()

    answer = await booth.ask("POST", path, body)

    assert 400 <= answer.status < 500
    assert booth.facts == [fact]


class BrokenStorage(MemoryStorage):
    def append(self, *_: Any) -> Any:
        raise ZeroDivisionError


@pytest.mark.parametrize(
    ("name", "path", "body", "told"),
    [
        ("zapq", "/enqueue", b"one", f"{FAILED}\n"),
        (
            "coramq",
            "/queues/jobs/enqueue",
            b'{"item":{"id":"1","payload":""}}',
            f'{{"status":"error","message":"{FAILED}"}}\n',
        ),
        ("zoldyq", "/queues/jobs/enqueue", b'{"payload":1}', f'{{"error":"{FAILED}"}}\n'),
        ("tasks", "/task", b'{"type":"a"}', f'{{"status":"error","error":"{FAILED}"}}\n'),
    ],
)
async def test_failure_that_nobody_foresaw_is_told_in_the_words_of_the_dialect(
    name: str, path: str, body: bytes, told: str
) -> None:
    booth = new_booth(name, BrokenStorage())
    await booth.administration.set_policy("jobs", TopicPolicy())

    failing = booth.begin("POST", path)
    await failing.say(body, is_last=True)
    await failing.answer()

    assert (failing.status, failing.body.decode()) == (500, told)
    assert list(map(type, booth.stumbles)) == [ZeroDivisionError]


async def test_message_that_was_cut_short_is_told() -> None:
    booth = new_booth("zapq")

    await booth.ask("POST", "/enqueue", b"hal", headers={"content-length": "4"})

    assert booth.facts == [Refused("zapq", "body_cut_short")]


@pytest.mark.parametrize(
    ("name", "method", "path"),
    [
        ("coramq", "POST", "/queues/jobs/dequeue"),
        ("coramq", "POST", "/queues/%ff/dequeue"),
        ("coramq", "POST", "/queues"),
        ("zoldyq", "GET", "/queues/%ff/dequeue"),
        ("zapq", "GET", "/enqueue"),
        ("zapq", "POST", "/load?file=none"),
        ("tasks", "POST", "/tasks"),
    ],
)
async def test_what_would_publish_nothing_is_no_publish_refused(
    name: str, method: str, path: str
) -> None:
    booth = new_booth(name)

    assert (await booth.ask(method, path, b"{")).status >= 400
    assert not booth.facts


async def test_clearing_and_loading_are_told(tmp_path: Path) -> None:
    booth = Booth("zapq", ManualClock(), of_dialects=[Zapq(snapshots=tmp_path)])
    await booth.ask("POST", "/enqueue", b"one")
    (tmp_path / "three").write_text(encoded(b"1", b"2", b"3"))
    (tmp_path / "torn").write_text('["MQ==", "MQ')
    booth.facts.clear()

    for target in "/load?file=three", "/load?file=torn", "/clear":
        await booth.ask("POST", target)

    assert booth.facts == [Loaded("zapq", 3), Loaded("zapq", 0)]
