"""ZoldyQ on memory, and who asks it."""

import json
from typing import Any

from miniqueue_py.broker.admission import Limits
from miniqueue_py.http.dialects.zoldyq.dialect import Zoldyq
from miniqueue_py.storage.memory import MemoryStorage
from miniqueue_py.testing.clock import ManualClock
from tests.dialects.desk import Booth
from tests.http.exchanges import Exchange


def open_zoldyq(
    clock: ManualClock,
    zoldyq: Zoldyq = Zoldyq(),  # noqa: B008
    storage: MemoryStorage | None = None,
) -> Booth:
    limits = Limits(max_message_bytes=1000)
    return Booth("zoldyq", clock, storage=storage, limits=limits, of_dialects=[zoldyq])


def value_of(answer: Exchange, status: int = 200) -> Any:
    assert answer.status == status, answer.body
    assert answer.headers["content-type"] == "application/json"
    return json.loads(answer.body)


async def enqueue(booth: Booth, payload: object, queue: str = "emails") -> Any:
    answer = await booth.ask("POST", f"/queues/{queue}/enqueue", {"payload": payload})
    return value_of(answer)


async def dequeue(booth: Booth, query: str = "", queue: str = "emails") -> Any:
    return value_of(await booth.ask("GET", f"/queues/{queue}/dequeue{query}"))


async def metrics(booth: Booth) -> dict[str, float]:
    answer = await booth.ask("GET", "/metrics")
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    lines = [line for line in answer.body.decode().splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines)}
