"""WebSockets on Hypercorn, at the pace of their applications.

The original parses all that a peer sends at once, and what goes wrong with it
raises out of the connection, or is kept for ever. Here an application that
asks for the next message has so much parsed as it takes to find one; what it
does not ask for stays with the peer, over HTTP/1.1 and HTTP/2 alike.

An application is offered more than ASGI has, by "miniqueue.socket" in the
extensions of its scope:

- `longest` of websocket.accept: how long a message may be; of a longer one
  nothing is kept, and the socket is closed. 0 throws away all that comes.
- websocket.ping, with its bytes; and websocket.pong, once the peer has read
  as far as that.
"""

import asyncio
import re
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import h11
from hypercorn.asyncio.task_group import _handle as run_application
from hypercorn.protocol.events import Body, Data, EndBody, Request, Response, StreamClosed
from hypercorn.protocol.events import Event as StreamEvent
from hypercorn.protocol.ws_stream import FrameTooLargeError, WebsocketBuffer, WSStream
from wsproto.connection import ConnectionState
from wsproto.events import CloseConnection, Message, Ping, Pong
from wsproto.events import Event as SocketEvent
from wsproto.frame_protocol import CloseReason
from wsproto.handshake import WEBSOCKET_VERSION

from miniqueue_py.http.asgi import Event
from miniqueue_py.http.problems import Headers, problem
from miniqueue_py.http.servers.hypercorn_flow import Inbox, PacedInbox

EVENTS_A_TURN = 50
"""Frames that are parsed in a turn of the loop: they are parsed one by one."""

LINGER_SECONDS = 0.5
"""How long a peer may take to answer a Close. A connection that is closed with something
unread loses what was sent last."""

EXTENSION = "miniqueue.socket"

_KEY = re.compile(rb"[A-Za-z0-9+/]{22}==")
_DROPPED = {b"sec-websocket-extensions", b"sec-websocket-protocol"}
"""Nobody here inflates what a peer has deflated, without a bound, nor speaks a subprotocol."""


class GuardedSocket(WSStream):
    """One WebSocket."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._tasks: Any = self.task_group
        self.task_group = self  # type: ignore[assignment]  # it has `spawn_app`, which is all
        self._inbox: Inbox = PacedInbox()
        self._events: Iterator[SocketEvent] = iter(())
        self._parsed = 0
        self._ping: Ping | None = None
        self._is_deaf = False
        self._is_begun = False
        self._code: int | None = None
        """Why there is nothing more to receive."""

    async def handle(self, event: StreamEvent) -> None:
        """Take what the connection has for this socket."""
        if isinstance(event, Request):
            refusal = _refusal_of(event)
            if refusal is not None:
                await self._refuse(*refusal)
                return
            headers = [(name, value) for name, value in event.headers if name not in _DROPPED]
            await super().handle(replace(event, headers=headers))
        elif isinstance(event, Body | Data) and not self.closed:
            await self._inbox.put(
                {"type": "http.request", "body": bytes(event.data), "more_body": True}
            )
        elif isinstance(event, EndBody):
            await self._inbox.put({"type": "http.request", "more_body": False})
        elif isinstance(event, StreamClosed):
            self.closed = True
            await self._inbox.put({"type": "http.disconnect"})

    async def spawn_app(self, app: Any, config: Any, scope: Any, send: Any) -> Any:
        """Begin the application, as Hypercorn's task group would."""
        scope["extensions"][EXTENSION] = {}
        self._inbox = self._tasks.make_inbox(self.stream_id)
        # The last two would be for WSGI.
        self._tasks.spawn(run_application, app, config, scope, self.receive, send, None, None)
        return _ignore

    async def receive(self) -> Event:
        """Return the next event, as ASGI has it; parse no further than that."""
        if not self._is_begun:
            self._is_begun = True
            return {"type": "websocket.connect"}
        while self._code is None:
            for event in self._events:
                self._parsed += 1
                if self._parsed % EVENTS_A_TURN == 0:
                    await asyncio.sleep(0)
                told = await self._take(event)
                if told is not None:
                    await self._answer_ping()
                    return told
            await self._answer_ping()
            if self._code is None:
                await self._parse_on()
        return {"type": "websocket.disconnect", "code": self._code}

    async def app_send(self, message: Any) -> None:
        """Do what the application says, as ASGI has it; None is its end."""
        if message is None and hasattr(self, "connection"):
            await self._hear_out()
        elif message is not None and message["type"] == "websocket.ping":
            await self._send_wsproto_event(Ping(message["bytes"]))
            return
        elif message is not None and "longest" in message:
            self._is_deaf = not message["longest"]
            self.buffer = WebsocketBuffer(message["longest"])
        await super().app_send(message)

    async def _answer_ping(self) -> None:
        if self._ping is not None:
            ping, self._ping = self._ping, None
            await self._send_wsproto_event(ping.response())

    async def _parse_on(self) -> None:
        """Have what came parsed, frame by frame as it is asked for."""
        event = await self._inbox.receive()
        await asyncio.sleep(0)  # that need not wait
        # Of one whose peer has gone before it was accepted, Hypercorn makes no connection.
        if event["type"] == "http.disconnect" or not hasattr(self, "connection"):
            self._code = CloseReason.ABNORMAL_CLOSURE.value
            return
        self.connection.receive_data(event["body"])
        self._events = self.connection.events()

    async def _take(self, event: SocketEvent) -> Event | None:
        """Do what the server does by itself; return what its application should know."""
        if isinstance(event, Message):
            return None if self._is_deaf else await self._gather(event)
        if isinstance(event, Ping):
            self._ping = event  # only the last one is answered, RFC 6455, section 5.5.3
        elif isinstance(event, Pong):
            return {"type": "websocket.pong", "bytes": bytes(event.payload)}
        elif isinstance(event, CloseConnection):
            await self._end(event)
        return None

    async def _gather(self, message: Message[Any]) -> Event | None:
        try:
            self.buffer.extend(message)
        except FrameTooLargeError:
            self.buffer.clear()
            await self._end(CloseConnection(CloseReason.MESSAGE_TOO_BIG))
            return None
        if not message.message_finished:
            return None
        told: Event = self.buffer.to_message()
        self.buffer.clear()
        return told

    async def _end(self, event: CloseConnection) -> None:
        """Answer a Close, or close because of what came, of which nothing more is read."""
        self._code = int(event.code)
        is_answer = self.connection.state is ConnectionState.REMOTE_CLOSING
        await self._send_wsproto_event(
            event.response() if is_answer else CloseConnection(event.code)
        )

    async def _hear_out(self) -> None:
        """Read on behind our own Close, until the peer has answered it, or for a while."""
        self._is_deaf = True
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while self.connection.state is ConnectionState.LOCAL_CLOSING:
                    if self._code is None:
                        await self.receive()
                    elif (await self._inbox.receive())["type"] == "http.disconnect":
                        break

    async def _refuse(self, status: int, text: str, more: Headers) -> None:
        _, headers, body = problem(status, text)
        self.closed = True
        await self.send(Response(self.stream_id, [*headers, *more], status))
        await self.send(Body(self.stream_id, body))
        await self.send(EndBody(self.stream_id))
        await self.send(StreamClosed(self.stream_id))


def _refusal_of(request: Request) -> tuple[int, str, Headers] | None:
    """Return what is wrong with a handshake: the status, the sentence and more headers."""
    more: Headers = [(b"connection", b"close")] if request.http_version == "1.1" else []
    versions = [value for name, value in request.headers if name == b"sec-websocket-version"]
    if versions != [WEBSOCKET_VERSION]:
        more = [*more, (b"sec-websocket-version", WEBSOCKET_VERSION)]
        return 426, "a WebSocket of version 13 is spoken here", more
    if request.http_version == "1.1":
        keys = [value for name, value in request.headers if name == b"sec-websocket-key"]
        if len(keys) != 1 or not _KEY.fullmatch(keys[0]):
            return 400, "a WebSocket needs one Sec-WebSocket-Key, of 16 bytes", more
    return None


async def _ignore(_event: Event) -> None:
    """Let the stream say what its inbox says: it has come, or has gone."""


def handshake_of(request: h11.Request) -> h11.Request | None:
    """Return a request that asks for a WebSocket, as Hypercorn can read it, or None.

    It looks at the last header of a name alone, and stumbles over some.
    """
    if request.method != b"GET" or request.http_version != b"1.1":
        return None
    headers = list(request.headers)
    if b"upgrade" not in _tokens(headers, b"connection"):
        return None
    if b"websocket" not in _tokens(headers, b"upgrade"):
        return None
    kept = [each for each in headers if each[0] not in {b"connection", b"upgrade"}]
    kept += [(b"connection", b"upgrade"), (b"upgrade", b"websocket")]
    return h11.Request(
        method=b"GET", target=request.target, headers=kept, http_version=request.http_version
    )


def _tokens(headers: Headers, name: bytes) -> set[bytes]:
    values = b",".join(value for key, value in headers if key == name)
    return {token.strip().lower() for token in values.split(b",")}
