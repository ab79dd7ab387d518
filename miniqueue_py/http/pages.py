"""The Quart application, imported when streams are already served.

Importing Quart takes longer than everything else at start-up, and a broker
that restarts has messages to deliver.
"""

import asyncio

from miniqueue_py.broker.administration import Administration
from miniqueue_py.broker.broker import Broker
from miniqueue_py.http.asgi import App, Receive, Scope, Send


class Pages:
    """An ASGI application that becomes Quart's when it is first needed."""

    def __init__(self, broker: Broker, administration: Administration) -> None:
        self._broker = broker
        self._administration = administration
        self._app: App | None = None
        self._loading = asyncio.Lock()

    async def load(self) -> App:
        async with self._loading:
            if self._app is None:
                self._app = await asyncio.to_thread(self._create)
        return self._app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await _answer_lifespan(receive, send)
        else:
            await (self._app or await self.load())(scope, receive, send)

    def _create(self) -> App:
        from miniqueue_py.http.app import create_app  # noqa: PLC0415  as said

        return create_app(self._broker, self._administration)  # type: ignore[return-value]


async def _answer_lifespan(receive: Receive, send: Send) -> None:
    while True:
        event = await receive()
        await send({"type": f"{event['type']}.complete"})
        if event["type"] == "lifespan.shutdown":
            return
