"""An application of WebSockets that are hard to serve."""

import asyncio

from miniqueue_py.http.asgi import Event, Receive, Scope, Send

LONGEST = 10_000
"""Bytes of a message."""


class Sockets:
    """Each path is a kind of socket."""

    def __init__(self) -> None:
        self.open = self.sent = 0
        self.scopes: list[Scope] = []
        self.heard: list[Event] = []
        self.release = asyncio.Event()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scopes.append(scope)
        self.open += 1
        try:
            refuse = getattr(self, scope["path"].replace("/", "_refuse_"), None)
            if refuse is not None:
                await refuse(send)
                return
            await receive()
            if scope["path"] == "/late":
                await self.release.wait()
            longest = 0 if scope["path"] == "/deaf" else LONGEST
            await send({"type": "websocket.accept", "longest": longest})
            await getattr(self, scope["path"].replace("/", "_"))(receive, send)
        finally:
            self.open -= 1

    async def _echo(self, receive: Receive, send: Send) -> None:
        while (event := await receive())["type"] == "websocket.receive":
            await send({**event, "type": "websocket.send"})
        self.heard.append(event)

    async def _deaf(self, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.ping", "bytes": b"mark"})
        while (event := await receive())["type"] != "websocket.disconnect":
            self.heard.append(event)
        self.heard.append(event)

    async def _hold(self, receive: Receive, _send: Send) -> None:
        await self.release.wait()
        await self._echo(receive, _send)

    async def _late(self, receive: Receive, send: Send) -> None:
        await self._echo(receive, send)

    async def _early(self, _receive: Receive, send: Send) -> None:
        await asyncio.sleep(0.1)
        await send({"type": "websocket.close", "code": 1001})

    async def _fails(self, _receive: Receive, _send: Send) -> None:
        await asyncio.sleep(0.1)
        raise ConnectionAbortedError("the page failed, as it should")

    async def _flood(self, _receive: Receive, send: Send) -> None:
        while not self.release.is_set():
            await send({"type": "websocket.send", "text": "x" * 10_000})
            self.sent += 1

    async def _refuse_refuses(self, send: Send) -> None:
        await send({"type": "websocket.http.response.start", "status": 404, "headers": []})
        await send({"type": "websocket.http.response.body", "body": b"told"})

    async def _refuse_closes(self, send: Send) -> None:
        await send({"type": "websocket.close"})

    async def _refuse_falls(self, _send: Send) -> None:
        raise ConnectionAbortedError("the page failed, as it should")
