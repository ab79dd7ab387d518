"""An exchange answered by an ASGI application: the one place where a request has a task.

The pages are Quart's. What is hot does not come this way.
"""

import asyncio
from collections import deque
from typing import Any

from miniqueue_py.http.asgi import App, ClientGone, Event, Scope
from miniqueue_py.http.exchange import ROOM_BYTES, Exchange, Handler
from miniqueue_py.http.problems import Headers

REQUEST = "miniqueue.request"
"""Under which an application finds the request itself in its scope."""


class AsgiRoute:
    """Leads exchanges to an application, and holds the tasks in which it answers them."""

    def __init__(self, app: App) -> None:
        self._app = app
        self._tasks: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"<AsgiRoute, {len(self._tasks)} under way>"

    def __call__(self, exchange: Exchange) -> Handler:
        return AsgiExchange(exchange, self._app, self._tasks)


class AsgiExchange(Handler):
    """One request, and the task in which the application answers it."""

    def __init__(self, exchange: Exchange, app: App, tasks: "set[asyncio.Task[None]]") -> None:
        self._exchange = exchange
        self._app = app
        self._tasks = tasks
        self._events: deque[Event] = deque()
        self._changed = asyncio.Event()
        self._head: tuple[int, Headers] | None = None
        """The head of an answer whose body has not begun: both leave together."""
        exchange.when_room(self._start)

    def on_body(self, chunk: bytes) -> None:
        self._events.append({"type": "http.request", "body": chunk, "more_body": True})
        self._changed.set()

    def on_end(self) -> None:
        self._events.append({"type": "http.request", "body": b"", "more_body": False})
        self._changed.set()

    def on_gone(self) -> None:
        self._give_back()
        self._events.append({"type": "http.disconnect"})
        self._changed.set()

    def on_room(self) -> None:
        self._changed.set()

    def _start(self) -> None:
        task = asyncio.get_running_loop().create_task(self._run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _run(self) -> None:
        try:
            await self._app(_scope_of(self._exchange), self._receive, self._send)
        except ClientGone:
            return
        except Exception as error:  # noqa: BLE001  the boundary: one request fails, not the broker
            self._exchange.fail(error)
            return
        finally:
            self._give_back()
        if not self._exchange.is_over:
            self._exchange.fail(RuntimeError("the application left it unanswered"))

    def _give_back(self) -> None:
        """Grant what nobody will take: the connection's window is shared with the others."""
        unread = sum(len(event.get("body", b"")) for event in self._events)
        self._events.clear()
        if unread:
            self._exchange.grant(unread)

    async def _receive(self) -> Event:
        while not self._events:
            if self._exchange.is_over:  # as ASGI has it, once the answer is complete
                return {"type": "http.disconnect"}
            self._changed.clear()
            await self._changed.wait()
        event = self._events[0]
        if event["type"] == "http.disconnect":  # told as often as it is asked for
            return event
        self._events.popleft()
        if event["body"]:
            self._exchange.grant(len(event["body"]))
        return event

    async def _send(self, event: Any) -> None:
        if event["type"] == "http.response.start":
            self._head = event["status"], list(event.get("headers", ()))
            return
        if event["type"] != "http.response.body":
            return
        body, has_more = event.get("body", b""), event.get("more_body", False)
        exchange, head, self._head = self._exchange, self._head, None
        if head is not None and not has_more:
            exchange.respond(*head, body)
        else:
            if head is not None:
                exchange.begin(*head)
            if has_more:
                exchange.send(body)
            else:
                exchange.end(body)
        while exchange.queued > ROOM_BYTES and not exchange.is_over:
            self._changed.clear()
            await self._changed.wait()


def _scope_of(exchange: Exchange) -> Scope:
    request = exchange.request
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": request.http_version,
        "method": request.method,
        "scheme": request.scheme,
        "path": request.path.decode("latin-1"),
        "raw_path": request.path,
        "query_string": request.query,
        "root_path": "",
        "headers": list(request.headers),
        "client": request.client,
        "server": None,
        "extensions": {},
        REQUEST: request,
    }
