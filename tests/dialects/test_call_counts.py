"""What the busy requests cost: Python calls above the engine, which are the same on any machine.

A hundred requests come in one turn of the loop, as from a hundred connections,
from the route to the answer. Before there were handlers each cost some 500.
"""

import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

from miniqueue_py.storage import open_storage
from miniqueue_py.testing.clock import ManualClock
from tests.dialects.desk import Booth
from tests.http.exchanges import Exchange
from tests.profiling import profiled

pytestmark = pytest.mark.anyio

CROWD = 100

ITEM = json.dumps({"item": {"id": "1", "payload": "x" * 50, "priority": 5}}).encode()


class Calls:
    """Counts calls of Python code, but those of the engine and of the tests."""

    def __init__(self) -> None:
        self.count = 0

    @contextmanager
    def counting(self) -> Iterator[None]:
        with profiled(self._note):
            yield

    def _note(self, frame: FrameType, event: str, _about: object) -> None:
        if event == "call":
            name = frame.f_code.co_filename
            self.count += not ("/storage/" in name or "/tests/" in name or "asyncio/" in name)


OpenBooth = Callable[[str], Booth]


@pytest.fixture
async def open_booth(tmp_path: Path) -> AsyncIterator[OpenBooth]:
    storage = open_storage(str(tmp_path / "db"), fsync="never")
    yield lambda name: Booth(name, ManualClock(), storage=storage)
    await storage.aclose()


async def calls_of(
    booth: Booth, method: str, target: str, bodies: Sequence[bytes], status: int
) -> float:
    """Return what one of a crowd costs; the first of all has more to do, and comes before."""
    answers = [await booth.ask(method, target, bodies[0])]
    calls = Calls()
    with calls.counting():
        for body in bodies[1:]:
            exchange = Exchange(booth.door, method, target)
            exchange.say_nowait(body, is_last=True)
            answers.append(exchange)
        for exchange in answers:
            await exchange.answer()
    assert {each.status for each in answers} == {status}
    return calls.count / (len(bodies) - 1)


@pytest.mark.parametrize(
    ("request_line", "body", "status", "most"),
    [
        ("zapq POST /enqueue", b"hello", 202, 20),
        ("zapq GET /dequeue", b"", 200, 22),
        ("coramq POST /queues/q/enqueue", ITEM, 200, 37),
        ("coramq POST /queues/q/dequeue", b"", 200, 54),
        ("zoldyq POST /queues/q/enqueue", b'{"payload":{"a":1}}', 200, 34),
        ("zoldyq GET /queues/q/dequeue", b"", 200, 34),
        ("tasks POST /task", b'{"type":"mail","payload":{"a":1}}', 202, 38),
    ],
)
async def test_busy_request_costs_few_calls(
    open_booth: OpenBooth, request_line: str, body: bytes, status: int, most: int
) -> None:
    name, method, target = request_line.split()
    booth = open_booth(name)
    await booth.publish("zapq" if name == "zapq" else "q", *[b"1"] * (CROWD + 1))

    calls = await calls_of(booth, method, target, [body] * (CROWD + 1), status)

    assert calls <= most


async def test_acknowledging_costs_few_calls(open_booth: OpenBooth) -> None:
    booth = open_booth("coramq")
    items = [b'{"id":"%d","payload":"x"}' % number for number in range(CROWD + 1)]
    await booth.publish("q", *items)
    for _ in items:
        await booth.ask("POST", "/queues/q/dequeue")
    bodies = [b'{"itemId":"%d"}' % number for number in range(CROWD + 1)]

    calls = await calls_of(booth, "POST", "/queues/q/acknowledge", bodies, 200)

    assert calls <= 42
