"""/publish and /subscribe as plain ASGI, in front of the Quart application.

A Quart request object costs more than everything else about a publish, and
its timeouts cut streams. Whatever else is asked for goes on to `fallback`.
"""

import asyncio
from collections.abc import Awaitable, Callable

from miniqueue_py.broker.broker import Broker
from miniqueue_py.errors import MiniqueueError
from miniqueue_py.http.asgi import App, ClientGone, Receive, Scope, Send, header, read_body, respond
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
        self._open = 0
        self._idle = asyncio.Event()
        self._idle.set()

    async def wait_idle(self) -> None:
        """Return when no request is being answered."""
        await self._idle.wait()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._fallback(scope, receive, send)
            return
        path: bytes = scope["raw_path"]
        if path.startswith(_PUBLISH) and b"/" not in path[len(_PUBLISH) :]:
            await self._handle(self._publish, path[len(_PUBLISH) :], scope, receive, send)
        elif path.startswith(_SUBSCRIBE) and b"/" not in path[len(_SUBSCRIBE) :]:
            await self._handle(self._subscribe, path[len(_SUBSCRIBE) :], scope, receive, send)
        else:
            # Raw: a %2F in a topic's name is a bad name, not another page.
            scope["path"] = path.decode("latin-1")
            await self._fallback(scope, receive, send)

    async def _handle(
        self,
        handler: Callable[[str, Scope, Receive, Send], Awaitable[None]],
        segment: bytes,
        scope: Scope,
        receive: Receive,
        send: Send,
    ) -> None:
        self._open += 1
        self._idle.clear()
        try:
            if scope["method"] == "POST":
                await handler(topic_name(segment), scope, receive, send)
            else:
                status, headers, body = problem(405, f"{scope['method']} is not allowed: use POST")
                await respond(send, status, [*headers, (b"allow", b"POST")], body)
        except MiniqueueError as error:
            await respond(send, *problem_of(error))
        except ClientGone:
            return
        except Exception as error:  # noqa: BLE001  the boundary: one request fails, not the broker
            self._on_error(scope["path"], error)
            await respond(send, *problem(500, FAILED))
        finally:
            self._open -= 1
            if not self._open:
                self._idle.set()

    async def _publish(self, topic: str, scope: Scope, receive: Receive, send: Send) -> None:
        body = await read_body(scope, receive, self._broker.limits.max_message_bytes)
        await self._broker.publish(topic, (body,))
        await send(_CREATED)
        await send(_NOTHING)

    async def _subscribe(self, topic: str, scope: Scope, receive: Receive, send: Send) -> None:
        if not _can_duplex(scope):
            await respond(send, *problem(505, DUPLEX_NEEDED))
            return
        await Subscription(
            self._broker,
            topic,
            receive,
            send,
            drain_seconds=self._drain_seconds,
            on_error=lambda error: self._on_error(scope["path"], error),
        ).run()


def _can_duplex(scope: Scope) -> bool:
    if scope["http_version"] in ("2", "2.0"):
        return True
    coding = header(scope, b"transfer-encoding")
    return scope["http_version"] == "1.1" and coding is not None and b"chunked" in coding.lower()
