"""A WebSocket of ZoldyQ's that payloads come in by."""

import asyncio
from collections import deque
from typing import NamedTuple

from miniqueue_py.errors import MiniqueueError
from miniqueue_py.http.asgi import Event
from miniqueue_py.http.dialects.zoldyq.conversation import GOING_AWAY, Conversation, Peer
from miniqueue_py.http.dialects.zoldyq.queues import Enqueued, ZoldyqQueues
from miniqueue_py.http.json_text import encode, longest_request_bytes

MOST_UNANSWERED = 1000
"""Payloads of a socket that are being stored, or whose answers are not sent; no further
one is received."""

MOST_UNANSWERED_BYTES = 1 << 22
"""And their bytes."""


class _Answer(NamedTuple):
    to: Enqueued | str
    """What is being stored, or what was wrong: its words alone. An error keeps the frames that
    it went through, and they keep it, until the collector comes by."""
    size: int
    """Of the request, in bytes."""


class Enqueuing(Conversation):
    """Payloads are stored as they come, many at a time, and answered in their order."""

    def __init__(self, queues: ZoldyqQueues, topic: str, peer: Peer) -> None:
        super().__init__(queues, topic, peer)
        self._unanswered: deque[_Answer] = deque()
        self._unanswered_bytes = 0
        self._room = asyncio.Event()

    @property
    def _longest_message_bytes(self) -> int:
        return longest_request_bytes(self._queues.broker.limits.max_message_bytes)

    async def _hear(self, event: Event) -> None:
        text: str | None = event.get("text")
        request = event.get("bytes") or b"" if text is None else text.encode()
        enqueued: Enqueued | str
        try:
            enqueued = self._queues.enqueue(self._topic, request)
        except MiniqueueError as error:
            enqueued = str(error)
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


async def _words_of(answer: Enqueued | str) -> bytes:
    if isinstance(answer, str):
        return encode({"error": answer})
    try:
        await answer.stored
    except MiniqueueError as error:
        return encode({"error": str(error)})
    return encode({"queued": True, "queue_size": answer.size})
