"""A WebSocket of ZoldyQ's, of either kind: payloads in, each answered, or payloads out.

Each has a task that is always in `receive`, which is how the end of its client
is noticed, and one that sends, which waits while its client does not read.
What is decided between them is decided in turns of the loop.
"""

import asyncio
from collections import deque
from contextlib import suppress
from typing import NamedTuple

from miniqueue_py.broker.settling import Decision
from miniqueue_py.broker.subscriber import Subscriber
from miniqueue_py.errors import MiniqueueError
from miniqueue_py.http.asgi import Event, Receive, Send
from miniqueue_py.http.dialects.zoldyq_queues import Enqueued, ZoldyqQueues, payload_of
from miniqueue_py.http.json_text import encode

MOST_UNANSWERED = 1000
"""Payloads of a socket that are being stored, or whose answers are not sent; no further
one is received."""

MOST_UNANSWERED_BYTES = 1 << 22
"""And their bytes."""

SENT_TOGETHER = 64
"""Payloads between one mark and the next: a client that has answered a mark has read them."""

SENT_TOGETHER_BYTES = 1 << 17

MOST_MARKS = 4
"""Marks that wait for their answer: nothing more is taken meanwhile, since nobody knows if
it would be read soon. The operating systems between us take thousands of small ones."""

FAREWELL_SECONDS = 0.5
"""How long a client that does not read may hold up the end of its own socket."""

ESCAPED = 6
"""Bytes of JSON that one of a payload may take, as in \\u001f."""

ENVELOPE_BYTES = 1 << 16

GOING_AWAY, FAILED = 1001, 1011
"""RFC 6455, section 7.4.1."""


class Peer(NamedTuple):
    """The client, as its server lets us have it."""

    receive: Receive
    send: Send
    is_paced: bool


class Socket:
    """One of either kind, between its two tasks."""

    def __init__(self, queues: ZoldyqQueues, topic: str, peer: Peer) -> None:
        self._queues = queues
        self._topic = topic
        self._receive, self._send, self._is_paced = peer
        self._bell = asyncio.Event()
        self._is_gone = False
        """The client is not there any more."""
        self._is_ending = False
        self._patience = asyncio.timeout(None)
        """How long the socket may live: for ever, until somebody says otherwise."""

    def end(self) -> None:
        """Come to an end soon, whether the client reads or not."""
        self._is_ending = True
        self._bell.set()
        with suppress(RuntimeError):  # it has not begun, or has just expired
            self._patience.reschedule(asyncio.get_running_loop().time() + FAREWELL_SECONDS)

    async def run(self) -> None:
        """Serve the socket until either side ends it."""
        longest = {"longest": self._longest_message_bytes} if self._is_paced else {}
        await self._send({"type": "websocket.accept", **longest})
        reader = asyncio.create_task(self._read())
        reader.add_done_callback(self._note_read)
        try:
            code, reason = GOING_AWAY, ""
            with suppress(TimeoutError):
                async with asyncio.timeout(None) as self._patience:
                    if self._is_ending:
                        self.end()
                    code, reason = await self._serve()
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
            await asyncio.sleep(0)  # a send need not wait, and others have their turn


class _Answer(NamedTuple):
    to: Enqueued | MiniqueueError
    size: int
    """Of the request, in bytes."""


class Enqueuing(Socket):
    """Payloads are stored as they come, many at a time, and answered in their order."""

    def __init__(self, queues: ZoldyqQueues, topic: str, peer: Peer) -> None:
        super().__init__(queues, topic, peer)
        self._unanswered: deque[_Answer] = deque()
        self._unanswered_bytes = 0
        self._room = asyncio.Event()

    @property
    def _longest_message_bytes(self) -> int:
        return ESCAPED * self._queues.broker.limits.max_message_bytes + ENVELOPE_BYTES

    async def _hear(self, event: Event) -> None:
        text: str | None = event.get("text")
        request = event.get("bytes") or b"" if text is None else text.encode()
        enqueued: Enqueued | MiniqueueError
        try:
            enqueued = self._queues.enqueue(self._topic, request)
        except MiniqueueError as error:
            enqueued = error
        self._unanswered.append(_Answer(enqueued, len(request)))
        self._unanswered_bytes += len(request)
        self._bell.set()
        while self._is_full:
            self._room.clear()
            await self._room.wait()

    @property
    def _is_full(self) -> bool:
        is_many = len(self._unanswered) >= MOST_UNANSWERED
        return is_many or self._unanswered_bytes >= MOST_UNANSWERED_BYTES

    async def _serve(self) -> tuple[int, str]:
        while True:
            while self._unanswered:
                answer = self._unanswered[0]
                await self._send_text(await _words_of(answer.to))
                self._unanswered.popleft()
                self._unanswered_bytes -= answer.size
                self._room.set()
            if self._is_gone or self._is_ending:
                return GOING_AWAY, ""
            self._bell.clear()
            await self._bell.wait()


class Dequeuing(Socket):
    """Payloads are taken one by one, when the client has read most of those before."""

    def __init__(self, queues: ZoldyqQueues, topic: str, peer: Peer) -> None:
        super().__init__(queues, topic, peer)
        self._marks_sent = self._marks_seen = 0
        self._behind_mark = self._bytes_behind_mark = 0
        """What was sent since the last mark."""

    @property
    def _longest_message_bytes(self) -> int:
        return 0  # what it says nobody asked for

    async def _hear(self, event: Event) -> None:
        if event["type"] != "websocket.pong":
            return
        told: bytes = event["bytes"]
        if told.isdigit() and self._marks_seen < int(told) <= self._marks_sent:
            self._marks_seen = int(told)
            self._bell.set()

    async def _serve(self) -> tuple[int, str]:
        with self._queues.broker.subscribe(self._topic, self._bell.set) as subscriber:
            subscriber.start(1)
            while not (self._is_gone or self._is_ending or subscriber.closing):
                self._bell.clear()
                if self._marks_sent - self._marks_seen >= MOST_MARKS:
                    subscriber.set_credit(0)
                    await self._bell.wait()
                    continue
                subscriber.set_credit(1)
                for number, delivery in subscriber.take():
                    try:
                        await self._take(subscriber, number)
                    except MiniqueueError as error:
                        return FAILED, str(error)
                    await self._pay_out(payload_of(delivery.message.body))
                    break
                else:
                    await self._bell.wait()
        return GOING_AWAY, ""

    async def _take(self, subscriber: Subscriber, number: int) -> None:
        """Let nobody else have it, from now on and for good. Raises StorageUnavailable."""
        subscriber.set_credit(0)
        subscriber.settle(Decision.ACK, "ACK", [number])
        await self._queues.broker.settled()

    async def _pay_out(self, payload: bytes) -> None:
        await self._send_text(b'{"payload":%b}' % payload)
        self._behind_mark += 1
        self._bytes_behind_mark += len(payload)
        is_much = self._bytes_behind_mark >= SENT_TOGETHER_BYTES
        if self._is_paced and (is_much or self._behind_mark >= SENT_TOGETHER):
            self._behind_mark = self._bytes_behind_mark = 0
            self._marks_sent += 1
            await self._send({"type": "websocket.ping", "bytes": b"%d" % self._marks_sent})


async def _words_of(answer: Enqueued | MiniqueueError) -> bytes:
    if isinstance(answer, MiniqueueError):
        return encode({"error": str(answer)})
    try:
        await answer.stored
    except MiniqueueError as error:
        return encode({"error": str(error)})
    return encode({"queued": True, "queue_size": answer.size})
