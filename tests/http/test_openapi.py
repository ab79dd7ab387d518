"""/openapi.json is true: what it allows is done, what it forbids is refused, all as it says."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from schemathesis.config import SchemathesisConfig

from miniqueue_py.broker.clock import Timer
from miniqueue_py.http.asgi import App, Receive, Scope, Send
from miniqueue_py.http.door import Door
from miniqueue_py.http.pages.openapi.document import document
from miniqueue_py.version import __version__
from tests.http.desk import Desk
from tests.http.exchanges import Exchange

EXAMPLES = 25
"""A page, of those made at random; what is made by rule comes on top."""

CONFIG = SchemathesisConfig.from_dict(
    {
        "seed": 1,
        "generation": {
            "deterministic": True,
            "max-examples": EXAMPLES,
            "allow-extra-parameters": False,  # MiniQueue's own pages ignore them
        },
        # Words from our own source would make the examples change with it.
        "analysis": {"constants": {"enabled": False}},
    }
)


class HastyClock:
    """Time that is over as soon as somebody waits for it."""

    def __init__(self) -> None:
        self._now = 1_000_000.0

    def now(self) -> float:
        return self._now

    monotonic = now

    async def sleep(self, seconds: float) -> None:
        self._now += seconds
        await asyncio.sleep(0)

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Timer:
        self._now += seconds
        return asyncio.get_running_loop().call_soon(callback)


async def no_application(_scope: Scope, _receive: Receive, _send: Send) -> None:
    raise AssertionError("each test has an application of its own")


def as_application(door: Door) -> App:
    """Return what leads a client of ASGI to a door."""

    async def ask(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await send({"type": f"{(await receive())['type']}.complete"})
            return
        query = scope["query_string"].decode("latin-1")
        target = scope["raw_path"].decode("latin-1") + (f"?{query}" if query else "")
        headers = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in scope["headers"]
            if name != b"host"  # its own name for us
        }
        exchange = Exchange(door, scope["method"], target, headers=headers)
        has_more = True
        while has_more:
            event = await receive()
            has_more = event.get("more_body", False)
            await exchange.say(event.get("body", b""), is_last=not has_more)
        answer = await exchange.answer()
        head = [(name.encode(), value.encode()) for name, value in answer.headers.items()]
        await send({"type": "http.response.start", "status": answer.status, "headers": head})
        await send({"type": "http.response.body", "body": answer.body})

    return ask


durations = st.builds("{}{}".format, st.integers(1, 59), st.sampled_from(["ms", "s"]))
schemathesis.openapi.format("go-duration", durations)
schema = schemathesis.openapi.from_dict(document(), config=CONFIG)
schema.app = no_application


@pytest.fixture
def desk() -> Desk:
    desk = Desk(HastyClock())
    asyncio.run(fill(desk, "orders"))
    return desk


async def fill(desk: Desk, topic: str) -> None:
    """Have messages of all kinds in the topic that the description takes for its example."""
    await desk.value("PUT", f"/topics/{topic}.old", {"deadLetter": topic})
    await desk.publish(f"{topic}.old", *[b"dead"] * 5, priority=2)
    received = await desk.value("POST", f"/receive/{topic}.old?max=5")
    dead = [each["receipt"] for each in received]
    await desk.value("POST", f"/settle/{topic}.old", {"dead": dead})
    await desk.publish(topic, b"", b"plain", priority=1)
    await desk.publish(topic, b"later", delay_seconds=60.0)
    [delivery] = await desk.value("POST", f"/receive/{topic}")
    await desk.value("POST", f"/settle/{topic}", {"dack": {delivery["receipt"]: 0}})
    await desk.broker.tick()


@schema.parametrize()
@settings(
    derandomize=True,
    max_examples=EXAMPLES,
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
def test_every_answer_is_as_described(case: schemathesis.Case[Any], desk: Desk) -> None:
    case.call_and_validate(app=as_application(desk.door))

    assert not desk.stumbles


@pytest.mark.anyio
async def test_description_is_served_with_the_version(desk: Desk) -> None:
    served = await desk.value("GET", "/openapi.json")

    assert served == document()
    assert served["info"]["version"] == __version__


@pytest.mark.anyio
async def test_every_page_is_described(desk: Desk) -> None:
    described = set(document()["paths"])

    served = {rule.rule.replace("<segment>", "{topic}") for rule in desk.pages.url_map.iter_rules()}

    assert served <= described
    in_front_of_the_pages = {f"/{verb}/{{topic}}" for verb in ("publish", "receive", "settle")}
    assert described - served == in_front_of_the_pages | {"/healthz", "/readyz"}
