"""A WebSocket, served to an ASGI application at the application's pace.

An application that asks for the next message has so much parsed as it takes to
find one; with more than a little that it has not asked for, the connection is
not read. wsproto parses and makes the frames.

An application is offered more than ASGI has, by "miniqueue.socket" in the
extensions of its scope:

- `longest` of websocket.accept: how long a message may be; of a longer one
  nothing is kept, and the socket is closed. 0 throws away all that comes.
- websocket.ping, with its bytes; and websocket.pong, once the peer has read
  as far as that.
- `has_left`, in the extension itself: tells if the peer is not there any more,
  before all that it said was received.
"""

import asyncio
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from wsproto.connection import Connection as Wire
from wsproto.connection import ConnectionState, ConnectionType
from wsproto.events import BytesMessage, CloseConnection, Message, Ping, Pong, TextMessage
from wsproto.events import Event as WireEvent
from wsproto.extensions import Extension
from wsproto.frame_protocol import CloseReason, FrameDecoder, FrameProtocol, Opcode, RsvBits
from wsproto.utilities import LocalProtocolError

from miniqueue_py.http.asgi import Event
from miniqueue_py.http.exchange import Header
from miniqueue_py.http.problems import FAILED, problem
from miniqueue_py.http.servers.http1_exchange import error_answer
from miniqueue_py.http.servers.http1_parser import Head
from miniqueue_py.http.servers.websocket_handshake import acceptance_of, refusal_of, scope_of

if TYPE_CHECKING:
    from miniqueue_py.http.servers.http1_connection import Http1Connection

MOST_UNREAD_BYTES = 1 << 16
"""Of what came and was not asked for, at which the connection is read no further."""

EVENTS_A_TURN = 50
"""Frames that are parsed in a turn of the loop: they are parsed one by one."""

LONGEST_BYTES = 1 << 24
"""Of a message, if the application says nothing else."""

LINGER_SECONDS = 0.5
"""How long a peer may take to answer a Close. A connection that is closed with something
unread loses what was sent last."""


def switch(owner: "Http1Connection", head: Head, rest: bytes) -> None:
    """Let a connection be a WebSocket from now on, with what came behind its request."""
    refusal = refusal_of(head)
    if refusal is not None:
        owner.output.write(error_answer(*refusal))
        owner.output.flush()
        owner.part()
        return
    socket = WebsocketConnection(owner, head)
    owner.transport.set_protocol(socket)
    if rest:
        socket.data_received(rest)


class WebsocketConnection(asyncio.Protocol):
    """One WebSocket, on the connection of HTTP/1.1 that it was asked for on."""

    def __init__(self, owner: "Http1Connection", head: Head) -> None:
        self._owner = owner
        self._transport = owner.transport
        self._head = head
        self._wire: Wire | None = None
        """None until the application has accepted."""
        self._is_answered = False
        self._refusal: tuple[int, list[Header]] = (500, [])
        """The head of an answer that refuses."""
        self._inbox = bytearray()
        self._news = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._is_gone = self._is_begun = self._is_deaf = False
        self._events: Iterator[WireEvent] = iter(())
        self._parsed = 0
        self._ping: Ping | None = None
        self._longest = LONGEST_BYTES
        self._pieces: list[Any] = []
        self._size = 0
        """Of the message that has come in part."""
        self._code: int | None = None
        """Why there is nothing more to receive."""
        self._task = asyncio.get_running_loop().create_task(self._run())

    def __repr__(self) -> str:
        return f"<WebsocketConnection of {self._owner.client[0]}, {self._head.line.path!r}>"

    # What the transport tells

    def data_received(self, data: bytes) -> None:
        self._inbox += data
        self._news.set()
        if len(self._inbox) > MOST_UNREAD_BYTES and self._transport.is_reading():
            self._transport.pause_reading()

    def eof_received(self) -> None:
        """Take a peer that says nothing more for one that is gone; the transport closes."""
        self._leave()

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()
        self._owner.connection_lost(exc)

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()

    def _has_left(self) -> bool:
        return self._is_gone or self._transport.is_closing()

    def _leave(self) -> None:
        self._is_gone = True
        self._news.set()
        self._room.set()

    # What the application hears and says

    async def _run(self) -> None:
        owner = self._owner
        scope = scope_of(self._head, owner.scheme, owner.client, self._has_left)
        await owner.door.converse(scope, self.receive, self.send)
        if self._wire is None:
            self._answer(*problem(500, FAILED))
        elif not self._is_gone:
            if self._wire.state is ConnectionState.OPEN:
                await self._say(CloseConnection(CloseReason.INTERNAL_ERROR))
            await self._hear_out(self._wire)
        owner.part()

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

    async def send(self, message: Event) -> None:
        """Do what the application says, as ASGI has it."""
        match message["type"]:
            case "websocket.accept":
                await self._accept(message.get("longest", LONGEST_BYTES))
            case "websocket.send":
                text = message.get("text")
                await self._say(
                    BytesMessage(message["bytes"]) if text is None else TextMessage(text)
                )
            case "websocket.ping":
                await self._say(Ping(message["bytes"]))
            case "websocket.close" if self._wire is not None:
                await self._say(
                    CloseConnection(message.get("code", 1000), message.get("reason") or None)
                )
            case "websocket.close":
                is_failed = message.get("code") == CloseReason.INTERNAL_ERROR
                refusal = (500, FAILED) if is_failed else (403, "no WebSocket is served here")
                self._answer(*problem(*refusal))
            case "websocket.http.response.start":
                self._refusal = message["status"], message["headers"]
            case "websocket.http.response.body":
                status, headers = self._refusal
                self._answer(status, headers, message["body"])
            case other:
                raise ValueError(other)

    async def _accept(self, longest: int) -> None:
        self._longest = longest
        self._is_deaf = not longest
        self._wire = Wire(ConnectionType.SERVER, [_Bound(longest or LONGEST_BYTES)])
        if self._is_gone:
            self._code = CloseReason.ABNORMAL_CLOSURE.value  # whatever it said before
        elif not self._is_answered:
            self._is_answered = True
            self._transport.write(acceptance_of(self._head))

    def _answer(self, status: int, headers: Sequence[Header], body: bytes) -> None:
        """Answer the handshake as a request."""
        if not (self._is_answered or self._is_gone):
            self._is_answered = True
            self._transport.write(error_answer(status, headers, body))

    async def _say(self, event: WireEvent) -> None:
        """Send a frame, when the peer has room for it."""
        if self._wire is None:
            raise ValueError("the socket was not accepted")
        with suppress(LocalProtocolError):  # it is being closed
            data = self._wire.send(event)
            if self._is_gone:
                await asyncio.sleep(0)  # an application that only sends would never learn of it
            else:
                self._transport.write(data)
                await self._room.wait()

    # What the peer says

    async def _parse_on(self) -> None:
        """Have what came parsed, frame by frame as it is asked for."""
        data = await self._next_bytes()
        await asyncio.sleep(0)  # that need not wait
        if not data or self._wire is None:
            self._code = CloseReason.ABNORMAL_CLOSURE.value
        else:
            self._wire.receive_data(data)
            self._events = self._wire.events()

    async def _next_bytes(self) -> bytes:
        """Return what came; nothing at the end."""
        while not (self._inbox or self._is_gone):
            self._news.clear()
            await self._news.wait()
        data = bytes(self._inbox)
        self._inbox.clear()
        if not (self._transport.is_reading() or self._transport.is_closing()):
            self._transport.resume_reading()
        return data

    async def _take(self, event: WireEvent) -> Event | None:
        """Do what the server does by itself; return what its application should know."""
        if isinstance(event, Message):
            return None if self._is_deaf else await self._gather(event)
        if isinstance(event, Ping):
            self._ping = event  # only the last one is answered, RFC 6455, section 5.5.3
        elif isinstance(event, Pong):
            return {"type": "websocket.pong", "bytes": bytes(event.payload)}
        elif isinstance(event, CloseConnection):
            await self._hear_close(event)
        return None

    async def _gather(self, message: Message[Any]) -> Event | None:
        self._pieces.append(message.data)
        self._size += len(message.data)
        if self._size > self._longest:
            self._pieces.clear()
            await self._hear_close(CloseConnection(CloseReason.MESSAGE_TOO_BIG))
            return None
        if not message.message_finished:
            return None
        pieces, self._pieces, self._size = self._pieces, [], 0
        if isinstance(message, TextMessage):
            return {"type": "websocket.receive", "text": "".join(pieces)}
        return {"type": "websocket.receive", "bytes": b"".join(pieces)}

    async def _answer_ping(self) -> None:
        if self._ping is not None:
            ping, self._ping = self._ping, None
            await self._say(ping.response())

    async def _hear_close(self, event: CloseConnection) -> None:
        """Answer a Close, or close because of what came, of which nothing more is read."""
        self._code = int(event.code)
        is_answer = self._wire is not None and self._wire.state is ConnectionState.REMOTE_CLOSING
        await self._say(event.response() if is_answer else CloseConnection(event.code))

    async def _hear_out(self, wire: Wire) -> None:
        """Read on behind our own Close, until the peer has answered it, or for a while."""
        self._is_deaf = True
        with suppress(TimeoutError):
            async with asyncio.timeout(LINGER_SECONDS):
                while wire.state is ConnectionState.LOCAL_CLOSING:
                    if self._code is None:
                        await self.receive()
                    elif not await self._next_bytes():
                        break


class _Bound(Extension):
    """Refuses a frame that is longer than a message may be by its head: its bytes need not come."""

    name = "miniqueue.bound"

    def __init__(self, longest: int) -> None:
        self._longest = longest

    def enabled(self) -> bool:
        """Be there, though no peer has agreed to it."""
        return True

    def offer(self) -> bool:
        """Be no extension that a peer hears of."""
        return False

    def frame_inbound_header(
        self,
        proto: FrameDecoder | FrameProtocol,  # noqa: ARG002  wsproto's
        opcode: Opcode,  # noqa: ARG002
        rsv: RsvBits,  # noqa: ARG002
        payload_length: int,
    ) -> CloseReason | RsvBits:
        if payload_length > self._longest:
            return CloseReason.MESSAGE_TOO_BIG
        return RsvBits(rsv1=False, rsv2=False, rsv3=False)
