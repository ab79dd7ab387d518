"""/publish and /subscribe as plain ASGI, in front of the Quart application.

A Quart request object costs more than everything else about a publish, and
its timeouts cut streams. Whatever else is asked for goes on to `fallback`.
"""

import asyncio
from collections.abc import Callable

from miniqueue_py.broker.broker import Broker
from miniqueue_py.errors import MiniqueueError, ShuttingDown
from miniqueue_py.http.asgi import (
    App,
    ClientGone,
    Receive,
    Scope,
    Send,
    header,
    read_body,
    respond,
    without_body,
)
from miniqueue_py.http.names import topic_name
from miniqueue_py.http.problems import FAILED, problem, problem_of
from miniqueue_py.http.subscription import Subscription

_PUBLISH = b"/publish/"
_SUBSCRIBE = b"/subscribe/"

_CREATED = {
    "type": "http.response.start",
    "status": 201,
    "headers": [(b"content-length", b"0")],
}
_NOTHING = {"type": "http.response.body", "body": b"", "more_body": False}

DUPLEX_NEEDED = (
    "subscribing needs HTTP/2, or HTTP/1.1 with a chunked request body: commands and "
    "deliveries travel at the same time (try curl --http2 -T .)"
)


class Streams:
    """The two hot paths of the wire."""

    def __init__(
        self,
        broker: Broker,
        fallback: App,
        *,
        drain_seconds: float,
        on_error: Callable[[str, Exception], None],
    ) -> None:
        self._broker = broker
        self._fallback = fallback
        self._drain_seconds = drain_seconds
        self._on_error = on_error
        self._uploads: set[asyncio.Task[object]] = set()
        self._open = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def wait_idle(self) -> None:
        """Return when no request is being answered."""
        await self._idle.wait()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        match scope["type"]:
            case "http":
                self._open += 1
                self._idle.clear()
                try:
                    await self._answer(scope, receive, send)
                finally:
                    self._open -= 1
                    if not self._open:
                        self._idle.set()
            case "websocket":
                await receive()
                await send({"type": "websocket.close"})
            case _:
                await self._fallback(scope, receive, send)

    def abandon_uploads(self) -> None:
        """Answer those who still send a message that cannot be taken any more."""
        for task in list(self._uploads):
            task.cancel()

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] == "HEAD":
            send = without_body(send)
        path: bytes = scope["raw_path"] or b""
        try:
            if path.startswith(_PUBLISH) and b"/" not in path[len(_PUBLISH) :]:
                _check_method(scope)
                await self._publish(topic_name(path[len(_PUBLISH) :]), scope, receive, send)
            elif path.startswith(_SUBSCRIBE) and b"/" not in path[len(_SUBSCRIBE) :]:
                _check_method(scope)
                await self._subscribe(topic_name(path[len(_SUBSCRIBE) :]), scope, receive, send)
            else:
                await self._fallback(_as_page(scope, path), receive, send)
        except _Answer as answer:
            await respond(send, answer.status, answer.headers, answer.body)
        except MiniqueueError as error:
            await respond(send, *problem_of(error))
        except ClientGone:
            return
        except Exception as error:  # noqa: BLE001  the boundary: one request fails, not the broker
            self._on_error(scope["path"], error)
            await respond(send, *problem(500, FAILED))

    async def _publish(self, topic: str, scope: Scope, receive: Receive, send: Send) -> None:
        body = await self._upload(scope, receive)
        await self._broker.publish(topic, (body,))
        await send(_CREATED)
        await send(_NOTHING)

    async def _upload(self, scope: Scope, receive: Receive) -> bytes:
        task = asyncio.current_task()
        assert task is not None  # noqa: S101  a coroutine that runs has one
        self._uploads.add(task)
        try:
            return await read_body(scope, receive, self._broker.limits.max_message_bytes)
        except asyncio.CancelledError:
            if not self._broker.is_draining:
                raise
            task.uncancel()
            raise ShuttingDown from None
        finally:
            self._uploads.discard(task)

    async def _subscribe(self, topic: str, scope: Scope, receive: Receive, send: Send) -> None:
        if not _can_duplex(scope):
            raise _Answer(*problem(505, DUPLEX_NEEDED))
        await Subscription(
            self._broker,
            topic,
            receive,
            send,
            drain_seconds=self._drain_seconds,
            on_error=lambda error: self._on_error(scope["path"], error),
        ).run()


class _Answer(Exception):
    def __init__(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body


def _check_method(scope: Scope) -> None:
    if scope["method"] != "POST":
        status, headers, body = problem(405, f"{scope['method']} is not allowed: use POST")
        raise _Answer(status, [*headers, (b"allow", b"POST")], body)


def _as_page(scope: Scope, path: bytes) -> Scope:
    """Return the request as Quart is to see it.

    Its path is raw, because a %2F in a topic's name is a bad name and not
    another page. What no page of ours looks at and Quart stumbles over is
    left out.
    """
    if not path.startswith(b"/") or path.startswith(b"//"):
        raise _Answer(*problem(404, "there is no such page"))
    headers = [(name, value) for name, value in scope["headers"] if name != b"cookie"]
    return {**scope, "path": path.decode("latin-1"), "query_string": b"", "headers": headers}


def _can_duplex(scope: Scope) -> bool:
    if scope["http_version"] in ("2", "2.0"):
        return True
    coding = header(scope, b"transfer-encoding")
    return scope["http_version"] == "1.1" and coding is not None and b"chunked" in coding.lower()
