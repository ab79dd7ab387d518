"""A broker on memory whose time is moved, and a dialect in front of it."""

import json
from collections.abc import Sequence
from functools import cached_property
from typing import Any

from miniqueue_py.broker.administration import Administration
from miniqueue_py.broker.admission import Limits
from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.clock import Clock
from miniqueue_py.broker.events import Event, Observers
from miniqueue_py.broker.message import Publication
from miniqueue_py.broker.snapshots import Snapshots
from miniqueue_py.broker.storage import Storage
from miniqueue_py.http.asgi import Receive, Scope, Send
from miniqueue_py.http.asgi_exchange import AsgiRoute
from miniqueue_py.http.dialects.app import dialect_app
from miniqueue_py.http.dialects.dialect import Dialect, Tools
from miniqueue_py.http.dialects.known import DIALECTS
from miniqueue_py.http.door import Door
from miniqueue_py.http.json_text import longest_request_bytes
from miniqueue_py.http.pages.pages import ask_page
from miniqueue_py.storage.memory import MemoryStorage
from tests.http.exchanges import Exchange


class Booth:
    """Everything between a request to a dialect and what is kept, in this process.

    The dialect has every path, as on a port of its own.
    """

    def __init__(
        self,
        name: str,
        clock: Clock,
        *,
        storage: Storage | None = None,
        limits: Limits = Limits(),  # noqa: B008  never changed
        of_dialects: Sequence[Dialect] = (),
    ) -> None:
        self.storage: Storage = storage or MemoryStorage()
        self.facts: list[Event] = []
        observers = Observers(self.facts.append)
        self.broker = Broker(
            self.storage, clock, limits=limits, observers=observers, chance=lambda: 0.5
        )
        self.administration = Administration(self.broker, self.storage, Observers())
        self.snapshots = Snapshots(self.storage, clock)
        self.stumbles: list[Exception] = []
        chosen = {each.name: each() for each in DIALECTS} | {
            each.name: each for each in of_dialects
        }
        tools = Tools(self.broker, self.administration, self.snapshots, observers)
        self.dialect: Any = chosen[name].open(tools)
        route = self.dialect.busy.at_root(AsgiRoute(self._ask_page))
        self.door = Door(route, on_error=self._stumble)

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

    def bodies(self, topic: str) -> list[bytes]:
        """Return what is ready in a topic, in its order."""
        with self.storage.snapshot(topic, self.broker.clock.now()) as messages:
            return [message.body for message in messages]

    @cached_property
    def app(self) -> Any:
        """The pages, which are made when they are first needed."""
        longest = longest_request_bytes(self.broker.limits.max_message_bytes)
        return dialect_app(self.dialect, longest_body_bytes=longest, access=None)

    async def _ask_page(self, scope: Scope, receive: Receive, send: Send) -> None:
        # In this turn of the loop: Pages make the application in a thread first.
        await ask_page(self.app, scope, scope["raw_path"], receive, send)

    def _stumble(self, _path: str, error: Exception) -> None:
        self.stumbles.append(error)
