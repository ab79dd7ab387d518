"""Flow control from end to end: what an application has not read holds back its client.

Hypercorn tells a client at once that it may send more, and puts what came
into a queue of ten for each stream; with the eleventh event it stops reading
the connection. So one upload that is not read stops every other stream, and
ten tiny frames are enough. Over HTTP/1.1 the eleventh chunk that an
application leaves unread keeps its connection, and two tasks, for ever.

Here a stream has an *inbox*, which takes all that HTTP/2's window lets through
and never blocks. Bytes go back to the window when the application takes them,
and when nobody will: at the end of the stream, however it ends. What is never
given back would narrow the connection for ever, so an inbox that is let go of
says how much that is. HTTP/1.1 has no windows, so there an inbox holds back the
connection, which is its only stream's.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import h2.events
from h2.exceptions import ProtocolError
from hypercorn.asyncio.task_group import _handle as run_application

from miniqueue_py.http.asgi import Event
from miniqueue_py.http.servers.hypercorn_batching import BatchingH2Protocol

EVENT_BYTES = 1 << 17
"""What one `receive` brings, about: an application handles that in one go, and
the rest of the process waits meanwhile."""

SMALL_BYTES = 1 << 12
"""Pieces smaller than this are gathered, for each costs as much again or more."""

MOST_UNREAD_BYTES = 1 << 16
"""At which HTTP/1.1 is read no further."""

LAST_WORDS_BYTES = 1 << 16
"""So much of what a stream said before its reset is still handed on; whether its
application acts on that is its own affair."""


class Inbox:
    """What a stream has brought and its application has not taken."""

    __slots__ = ("_has_ended", "_is_end_told", "_is_gone", "_news", "_on_taken", "_pieces", "size")

    def __init__(self, on_taken: Callable[[int], None]) -> None:
        self.size = 0
        self._on_taken = on_taken
        self._pieces: deque[bytes | bytearray] = deque()
        self._news = asyncio.Event()
        self._has_ended = False
        self._is_end_told = False
        self._is_gone = False

    def put_data(self, data: bytes) -> None:
        pieces = self._pieces
        self.size += len(data)
        if not pieces or len(data) >= SMALL_BYTES:
            pieces.append(data)
        elif isinstance(last := pieces[-1], bytearray) and len(last) < EVENT_BYTES:
            last += data
        else:
            pieces.append(bytearray(data))
        self._news.set()

    async def put(self, event: Event) -> None:
        """Take what Hypercorn has to say besides data: the end of the body, or of the stream."""
        if event["type"] == "http.disconnect":
            self._is_gone = True
        elif not event["more_body"]:
            self._has_ended = True
        self._news.set()

    async def receive(self) -> Event:
        """Return the next event, as ASGI has it."""
        while not self._news.is_set():
            await self._news.wait()
        if not self._pieces and (self._is_end_told or not self._has_ended):
            return {"type": "http.disconnect"}
        body = self._take()
        if not self._pieces:
            self._is_end_told = self._has_ended
            if not self._is_gone:
                self._news.clear()
        return {"type": "http.request", "body": body, "more_body": not self._is_end_told}

    def _take(self) -> bytes:
        if not self._pieces:
            return b""
        taken = [self._pieces.popleft()]
        size = len(taken[0])
        while self._pieces and size + len(self._pieces[0]) <= EVENT_BYTES:
            taken.append(self._pieces.popleft())
            size += len(taken[-1])
        self.size -= size
        self._on_taken(size)
        return bytes(taken[0]) if len(taken) == 1 else b"".join(taken)

    def release(self) -> int:
        """Return what is still to be given back; nothing will be from now on."""
        self._on_taken = _do_nothing
        size = self.size
        if size > LAST_WORDS_BYTES:
            self._pieces.clear()
        return size


def _do_nothing(_size: int) -> None:
    pass


class PacedInbox(Inbox):
    """An inbox that holds back whoever fills it, for as long as there is somebody to empty it."""

    __slots__ = ("_room",)

    def __init__(self) -> None:
        self._room = asyncio.Event()
        super().__init__(lambda _size: self._room.set())

    async def put(self, event: Event) -> None:
        """Take what Hypercorn has to say, and data too."""
        if data := event.get("body"):
            self.put_data(data)
            while self.size > MOST_UNREAD_BYTES and not self._is_gone:
                self._room.clear()
                await self._room.wait()
        else:
            await super().put(event)
            self._room.set()


class InboxTasks:
    """Hypercorn's task group, except that applications listen to an inbox."""

    def __init__(self, tasks: Any, make_inbox: Callable[[int], Inbox]) -> None:
        self.make_inbox = make_inbox
        self.spawn = tasks.spawn

    async def spawn_app(
        self, app: Any, config: Any, scope: Any, send: Any
    ) -> Callable[[Event], Awaitable[None]]:
        inbox = self.make_inbox(send.__self__.stream_id)
        # The last two would be for WSGI.
        self.spawn(run_application, app, config, scope, inbox.receive, send, None, None)
        return inbox.put


class FlowingH2Protocol(BatchingH2Protocol):
    """An HTTP/2 connection whose streams hold back nothing but themselves."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._inboxes: dict[int, Inbox] = {}
        self.task_group = InboxTasks(self.task_group, self._make_inbox)  # type: ignore[assignment]

    def _make_inbox(self, stream_id: int) -> Inbox:
        inbox = Inbox(lambda size: self._give_back(stream_id, size))
        self._inboxes[stream_id] = inbox
        return inbox

    async def _receive_data(self, event: h2.events.DataReceived) -> None:
        """Keep the data for the application; its padding is read with that."""
        size, stream_id = len(event.data), event.stream_id
        inbox = self._inboxes.get(stream_id)
        if inbox is None:
            self._discard(stream_id, size)  # it has ended
            self._give_back(stream_id, event.flow_controlled_length)
            return
        if size:
            inbox.put_data(event.data)
        if size != event.flow_controlled_length:
            self._give_back(stream_id, event.flow_controlled_length - size)

    def _discard(self, stream_id: int, size: int) -> None:
        """Learn of data whose stream has no application any more."""
        raise NotImplementedError

    def _give_back(self, stream_id: int, size: int) -> None:
        """Let the client send so much more."""
        with suppress(ProtocolError):  # the stream or the connection went first
            self.connection.acknowledge_received_data(size, stream_id)
        if self.connection.outgoing_size:
            self._flush_soon()

    def _give_back_unread(self, stream_id: int) -> None:
        """Let nothing unread of a stream narrow its connection: it is over."""
        inbox = self._inboxes.pop(stream_id, None)
        if inbox is not None:
            self._give_back(stream_id, inbox.release())
