"""A broker on memory whose time is moved, and somebody who asks for its pages."""

import json
from typing import Any

from miniqueue_py.broker.administration import Administration
from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.clock import Clock
from miniqueue_py.broker.events import Observers
from miniqueue_py.broker.message import Publication
from miniqueue_py.http.asgi import Receive, Scope, Send
from miniqueue_py.http.asgi_exchange import AsgiRoute
from miniqueue_py.http.door import Door
from miniqueue_py.http.doors import FOR_SUPERVISORS
from miniqueue_py.http.native.streams import Streams
from miniqueue_py.http.pages.app import create_app
from miniqueue_py.http.pages.pages import ask_page
from miniqueue_py.http.servers.connections import ConnectionLimits, Connections
from miniqueue_py.storage.memory import MemoryStorage
from miniqueue_py.telemetry.metrics import Metrics
from tests.http.exchanges import Exchange


class Desk:
    """Everything between a request and what is kept, in this process."""

    def __init__(
        self, clock: Clock, storage: MemoryStorage | None = None, max_wait_seconds: float = 60.0
    ) -> None:
        self.storage = storage or MemoryStorage()
        self.metrics = Metrics(self.storage.write_times())
        observers = Observers(self.metrics.observe)
        self.broker = Broker(self.storage, clock, chance=lambda: 0.5, observers=observers)
        self.administration = Administration(self.broker, self.storage, observers)
        self.stumbles: list[Exception] = []
        connections = Connections(ConnectionLimits())
        self.pages: Any = create_app(self.broker, self.administration, self.metrics, connections)
        streams = Streams(
            self.broker,
            AsgiRoute(self._ask_page),
            drain_seconds=1.0,
            max_wait_seconds=max_wait_seconds,
            on_error=self.stumble,
        )
        self.route = streams.route
        self.door = Door(self.route, harmless=FOR_SUPERVISORS, on_error=self.stumble)

    async def _ask_page(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask in this turn of the loop: Pages make the application in a thread first."""
        await ask_page(self.pages, scope, scope["raw_path"], receive, send)

    def stumble(self, _path: str, error: Exception) -> None:
        self.stumbles.append(error)

    async def publish(self, topic: str, *bodies: bytes, **terms: Any) -> None:
        await self.broker.publish(topic, [Publication(bodies, **terms)])

    def begin(self, method: str, target: str, **others: Any) -> Exchange:
        """Begin a request; its body comes with `say`."""
        return Exchange(self.door, method, target, **others)

    async def ask(self, method: str, target: str, body: object = b"", **others: Any) -> Exchange:
        """Make a whole request and return its whole answer; a body is bytes, or JSON."""
        exchange = self.begin(method, target, **others)
        await exchange.say(
            body if isinstance(body, bytes) else json.dumps(body).encode(), is_last=True
        )
        await exchange.answer()
        assert not self.stumbles
        return exchange

    async def value(self, method: str, target: str, body: object = b"") -> Any:
        """Return the JSON of an answer that is all right."""
        answer = await self.ask(method, target, body)
        assert answer.status == 200, answer.body
        return value_of(answer)

    async def receive(self, topic: str, query: str = "max=1000") -> list[str]:
        """Take messages; return their receipts."""
        received = await self.value("POST", f"/receive/{topic}?{query}")
        return [each["receipt"] for each in received]

    async def bury(self, topic: str, *bodies: bytes) -> None:
        """Publish dead letters of a topic that holds nothing else."""
        await self.publish(topic, *bodies)
        receipts = await self.receive(topic)
        assert await self.value("POST", f"/settle/{topic}", {"dead": receipts}) == {"expired": []}

    def counts(self, topic: str = "orders") -> tuple[int, int, int]:
        """Return how many are ready, in flight, delayed."""
        statistics = self.storage.statistics(topic)
        return statistics.ready, statistics.in_flight, statistics.delayed

    async def refusal(self, method: str, target: str, body: object = b"") -> tuple[int, str]:
        """Return the status of a refusal, and its sentence."""
        answer = await self.ask(method, target, body)
        value = value_of(answer)
        assert value.keys() == {"error"}
        return answer.status, value["error"]


def value_of(answer: Exchange) -> Any:
    assert answer.headers["content-type"] == "application/json"
    return json.loads(answer.body)
