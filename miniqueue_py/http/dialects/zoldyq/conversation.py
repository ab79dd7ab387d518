"""One WebSocket of ZoldyQ's, of either kind, from its beginning to its end.

It has a task that is always in `receive`, which is how the end of its client is
noticed, and one that sends, which waits while its client does not read.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from typing import NamedTuple

from miniqueue_py.http.asgi import Event, Receive, Send
from miniqueue_py.http.dialects.zoldyq.queues import ZoldyqQueues

FAREWELL_SECONDS = 0.5
"""How long a client that does not read may hold up the end of its own socket."""

SENT_A_TURN = 16
"""Then others have their turn of the loop."""

GOING_AWAY, FORBIDDEN, FAILED = 1001, 1008, 1011
"""RFC 6455, section 7.4.1."""

LONGEST_REASON = 30
"""Characters: a Close has room for 123 bytes."""


class Peer(NamedTuple):
    """The client, as its server lets us have it."""

    receive: Receive
    send: Send
    has_left: Callable[[], bool]
    """Tells at once what `receive` tells when all that came before was heard."""


class Conversation:
    """What both kinds have in common: their two tasks, and patience."""

    def __init__(self, queues: ZoldyqQueues, topic: str, peer: Peer) -> None:
        self._queues = queues
        self._topic = topic
        self._receive, self._send, self._has_left = peer
        self._bell = asyncio.Event()
        self._is_gone = False
        """The client is not there any more."""
        self._is_ending = False
        self._farewell: tuple[int, str] | None = None
        """What it is to end with, if that was decided by others."""
        self._sent = 0
        self._patience = asyncio.timeout(None)
        """How long the socket may live: for ever, until somebody says otherwise."""

    def end(self) -> None:
        """Come to an end soon, whether the client reads or not."""
        self._is_ending = True
        self._bell.set()
        with suppress(RuntimeError):  # it has not begun, or has just expired
            self._patience.reschedule(asyncio.get_running_loop().time() + FAREWELL_SECONDS)

    @property
    def is_over(self) -> bool:
        return self._is_gone or self._is_ending

    def forbid(self, refusal: Exception) -> None:
        """End it, because its right is gone."""
        self._farewell = FORBIDDEN, str(refusal)[:LONGEST_REASON]
        self.end()

    async def run(self) -> None:
        """Serve the socket until either side ends it."""
        await self._send({"type": "websocket.accept", "longest": self._longest_message_bytes})
        if self._is_ending:  # the broker drains since the handshake began
            await self._close(*(self._farewell or (GOING_AWAY, "")))
            return
        reader = asyncio.create_task(self._read())
        reader.add_done_callback(self._note_read)
        try:
            code, reason = GOING_AWAY, ""
            with suppress(TimeoutError):
                async with asyncio.timeout(None) as self._patience:
                    code, reason = await self._serve()
            code, reason = self._farewell or (code, reason)
        finally:
            reader.cancel()
            await asyncio.wait((reader,))
        if not reader.cancelled():
            reader.result()
        await self._close(code, reason)

    async def _close(self, code: int, reason: str) -> None:
        if self._is_gone:
            return
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL_SECONDS):
                await self._send({"type": "websocket.close", "code": code, "reason": reason})

    async def _read(self) -> None:
        while (event := await self._receive())["type"] != "websocket.disconnect":
            await self._hear(event)

    def _note_read(self, reader: "asyncio.Task[None]") -> None:
        self._is_gone = not reader.cancelled()  # which we do when we end it ourselves
        self._bell.set()

    @property
    def _longest_message_bytes(self) -> int:
        """How much a client may say in one go; with 0, nobody listens."""
        raise NotImplementedError

    async def _hear(self, event: Event) -> None:
        raise NotImplementedError

    async def _serve(self) -> tuple[int, str]:
        """Send what there is to send; return why there is nothing any more."""
        raise NotImplementedError

    async def _send_text(self, text: bytes) -> None:
        if not self._is_gone:
            await self._send({"type": "websocket.send", "text": text.decode()})
            self._sent += 1
            if self._sent % SENT_A_TURN == 0:
                await asyncio.sleep(0)  # a send need not wait
