"""A client on the other side of ASGI: says what it wants, reads when it wants."""

import asyncio
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Self

from miniqueue_py.http.asgi import App, Event


class Exchange:
    """One request to an application, in this process."""

    def __init__(
        self,
        app: App,
        method: str,
        target: str,
        *,
        headers: Mapping[str, str] | None = None,
        http_version: str = "2",
    ) -> None:
        self.sent: list[Event] = []
        self.may_send = asyncio.Event()
        self.may_send.set()
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        path, _, query = target.partition("?")
        scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "method": method,
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "scheme": "https",
            "http_version": http_version,
            "headers": [(k.encode(), v.encode()) for k, v in (headers or {}).items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 2),
        }
        self.task = asyncio.ensure_future(app(scope, self._events.get, self._send))

    async def __aenter__(self) -> Self:
        await settle()
        return self

    async def __aexit__(self, *_: object) -> None:
        self.task.cancel()
        with suppress(asyncio.CancelledError):
            await self.task

    async def say(self, body: bytes, *, is_last: bool = False) -> None:
        """Send a piece of the request body, and let the other side act."""
        self.say_nowait(body, is_last=is_last)
        await settle()

    def say_nowait(self, body: bytes, *, is_last: bool = False) -> None:
        """Send a piece of the request body."""
        self._events.put_nowait({"type": "http.request", "body": body, "more_body": not is_last})

    async def leave(self) -> None:
        """Be gone, without a word."""
        self._events.put_nowait({"type": "http.disconnect"})
        await settle()

    @property
    def unheard(self) -> int:
        """How much of what was said was not received yet."""
        return self._events.qsize()

    @property
    def status(self) -> int:
        status: int = self.sent[0]["status"]
        return status

    @property
    def headers(self) -> dict[str, str]:
        return {name.decode(): value.decode() for name, value in self.sent[0]["headers"]}

    @property
    def body(self) -> bytes:
        return b"".join(event.get("body", b"") for event in self.sent[1:])

    @property
    def pieces(self) -> list[bytes]:
        """Return the body as it was sent, without what was empty."""
        return [event["body"] for event in self.sent[1:] if event.get("body")]

    @property
    def values(self) -> list[Any]:
        """Return the lines of the body, as JSON."""
        return [json.loads(line) for line in self.body.splitlines()]

    @property
    def has_ended(self) -> bool:
        return len(self.sent) > 1 and not self.sent[-1].get("more_body", False)

    async def answer(self) -> Self:
        """Wait for the whole answer."""
        await asyncio.wait_for(self.task, 10)
        return self

    async def _send(self, event: Any) -> None:
        await self.may_send.wait()
        self.sent.append(event)


async def settle() -> None:
    """Let everything that can happen now happen."""
    for _ in range(20):
        await asyncio.sleep(0)


async def request(app: App, method: str, target: str, body: bytes = b"", **others: Any) -> Exchange:
    """Make a whole request and return its whole answer."""
    exchange = Exchange(app, method, target, **others)
    await exchange.say(body, is_last=True)
    return await exchange.answer()
