"""Many messages to one topic: they are handed in here, at the pace of the broker."""

from collections.abc import Iterable
from itertools import islice
from types import TracebackType
from typing import Self

import anyio
from anyio.lowlevel import checkpoint, checkpoint_if_cancelled

from miniqueue_py.client.errors import ClientClosed, Misuse
from miniqueue_py.client.http2.requests import Requests
from miniqueue_py.client.terms import Terms, as_body
from miniqueue_py.client.threads import Owner
from miniqueue_py.client.upload import Upload

MOST_UNCONFIRMED_BYTES = 1 << 24
MOST_UNCONFIRMED = 200_000
"""Past these `send` waits."""

BLOCK = 1000
"""Messages that are taken from an iterable at a time."""

TURN_BYTES = 1 << 16
"""A loop that sends lets other tasks have their turn so often."""


class Publisher:
    """A stream of messages, inside its `async with` block.

    Leaving the block waits until all is confirmed; leaving it by an error does
    not, and what is not confirmed then may or may not be stored.
    """

    def __init__(
        self,
        requests: Requests,
        owner: Owner,
        topic: str,
        terms: Terms,
        *,
        longest: int,
    ) -> None:
        self.longest = longest
        """Bytes that a message may have."""
        self._connections = requests.connections
        self._owner = owner
        self._topic = topic
        self._upload = Upload(requests, topic, terms)
        self._unseen = 0
        """Bytes that were handed in since others had their turn."""
        self._is_open = False
        self._running: anyio.CancelScope | None = None

    @property
    def sent(self) -> int:
        """Messages handed in."""
        return self._upload.sent

    @property
    def confirmed(self) -> int:
        """Messages that are stored, and all before them."""
        return self._upload.confirmed

    def __repr__(self) -> str:
        state = "failed" if self._upload.failure else "open" if self._is_open else "closed"
        return f"<Publisher to {self._topic!r}, {state}, {self.confirmed} of {self.sent} confirmed>"

    async def __aenter__(self) -> Self:
        self._owner.check_loop()
        if self._running is not None:
            raise Misuse("a publisher is entered once: ask the client for another")
        self._running = anyio.CancelScope()
        self._connections.start_soon(self._upload.run, self._running)
        self._is_open = True
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._owner.check_loop()
        self._is_open = False
        try:
            if error is None:
                await self._wait_finished()
        finally:
            if self._running is not None:
                self._running.cancel()
            if self._upload.failure is not None:
                # Whoever cancels a scope around the client ends the upload too, maybe first:
                # what this came upon is that cancellation then.
                await checkpoint_if_cancelled()

    async def _wait_finished(self) -> None:
        self._upload.end()
        while self._upload.failure is None and not self._upload.has_finished:
            await self._upload.wait_news()
        if self._upload.failure is not None:
            raise self._upload.failure

    async def send(
        self,
        body: bytes | str,
        *,
        delay: float | None = None,
        ttl: float | None = None,
        priority: int | None = None,
        key: str | None = None,
    ) -> None:
        """Send a message, when there is room for it among the unconfirmed.

        It is stored when `confirmed` counts it. Raises MessageTooLong and
        BadParameter at once, and whatever ended the stream before.
        """
        self._check()
        data = as_body(body, self.longest)
        before = self._upload.unconfirmed.size
        if delay is None and ttl is None and priority is None and key is None:
            self._upload.unconfirmed.add((data,))
        else:
            self._upload.unconfirmed.add_with(Terms(delay, ttl, priority, key).check(), data)
        await self._count(1, before)

    async def send_many(self, bodies: Iterable[bytes | str]) -> None:
        """Send messages, as `send` does each, and take no more of them than there is room for."""
        rest = iter(bodies)
        while block := [as_body(body, self.longest) for body in islice(rest, BLOCK)]:
            self._check()
            before = self._upload.unconfirmed.size
            self._upload.unconfirmed.add(block)
            await self._count(len(block), before)

    async def flush(self) -> None:
        """Wait until all that was sent is confirmed. Raises what `send` does, and NoAnswer."""
        self._check()
        while self.confirmed < self.sent:
            await self._upload.wait_news()
            self._check()

    async def _count(self, messages: int, size_before: int) -> None:
        """Take note of what was handed in, and let others have their turn in good time."""
        self._upload.go_on(messages)
        self._unseen += self._upload.unconfirmed.size - size_before
        if self._unseen > TURN_BYTES:
            self._unseen = 0
            await checkpoint()
            while self._is_full:
                await self._upload.wait_news()
                self._check()

    @property
    def _is_full(self) -> bool:
        messages = self._upload.unconfirmed
        return messages.size > MOST_UNCONFIRMED_BYTES or len(messages) > MOST_UNCONFIRMED

    def _check(self) -> None:
        self._owner.check()
        if self._upload.failure is not None:
            raise self._upload.failure
        if not self._is_open:
            raise ClientClosed("publisher")
