"""A client on the other side of ASGI's WebSockets: says what it wants, reads when it wants."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Self

from miniqueue_py.http.asgi import App, Event
from tests.http.exchanges import settle


class Caller:
    """One WebSocket to an application, in this process."""

    def __init__(
        self,
        app: App,
        path: str,
        *,
        has_read: bool = True,
        headers: Sequence[tuple[bytes, bytes]] = (),
    ) -> None:
        self.sent: list[Event] = []
        self.has_left = False
        self._has_read = has_read
        """It answers each mark as soon as it is sent."""
        self.may_send = asyncio.Event()
        self.may_send.set()
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._events.put_nowait({"type": "websocket.connect"})
        scope = {
            "type": "websocket",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": list(headers),
            "http_version": "1.1",
            "client": ("127.0.0.1", 1),
            "extensions": {
                "miniqueue.socket": {"has_left": lambda: self.has_left},
                "websocket.http.response": {},
            },
        }
        self.task = asyncio.ensure_future(app(scope, self._events.get, self._send))

    async def __aenter__(self) -> Self:
        await settle()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task

    def say_nowait(self, words: object) -> None:
        """Send a message: bytes or text as they are, all else as JSON."""
        is_bytes = isinstance(words, bytes)
        text = words if isinstance(words, bytes | str) else json.dumps(words)
        self._events.put_nowait(
            {"type": "websocket.receive", "bytes" if is_bytes else "text": text}
        )

    async def say(self, *messages: object) -> None:
        """Send messages, and let the other side act."""
        for words in messages:
            self.say_nowait(words)
        await settle()

    async def answer_mark(self, mark: bytes) -> None:
        """Say that everything was read up to there."""
        self._events.put_nowait({"type": "websocket.pong", "bytes": mark})
        await settle()

    async def leave(self) -> None:
        """Be gone, without a word."""
        self._events.put_nowait({"type": "websocket.disconnect", "code": 1006})
        await settle()

    @property
    def unheard(self) -> int:
        """How much of what was said was not received yet."""
        return self._events.qsize()

    @property
    def values(self) -> list[Any]:
        """Return what was sent, as JSON."""
        texts = [each["text"] for each in self.sent if each["type"] == "websocket.send"]
        return [json.loads(text) for text in texts]

    @property
    def marks(self) -> list[bytes]:
        return [each["bytes"] for each in self.sent if each["type"] == "websocket.ping"]

    @property
    def code(self) -> int | None:
        """Why the other side closed, if it has."""
        return self.sent[-1].get("code") if self.sent else None

    @property
    def refusal(self) -> int:
        """Return the status that the handshake was refused with; 0 if it was not."""
        told = [each for each in self.sent if each["type"] == "websocket.http.response.start"]
        return int(told[0]["status"]) if told else 0

    async def _send(self, event: Event) -> None:
        await self.may_send.wait()
        self.sent.append(event)
        if self._has_read and event["type"] == "websocket.ping":
            self._events.put_nowait({"type": "websocket.pong", "bytes": event["bytes"]})
