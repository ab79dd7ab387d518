"""Many messages to one topic, from programs that do not await.

Messages gather on the calling side, and go to the client's loop in blocks: when
there are enough, or when the first of them has waited for a moment. They leave
the one place only when they are in the other, whatever interrupts the caller.
"""

from collections.abc import Iterable
from itertools import islice, takewhile
from threading import Lock
from types import TracebackType
from typing import NamedTuple, Self, cast

import anyio

from miniqueue_py.client.errors import ClientClosed
from miniqueue_py.client.publisher import Publisher
from miniqueue_py.client.sync.portal import Portal
from miniqueue_py.client.terms import Terms, as_body
from miniqueue_py.errors import MiniqueueError

BLOCK = 2000
BLOCK_BYTES = 1 << 20
"""With so much on its side the caller waits until it is handed over."""

SOON_SECONDS = 0.002
"""So long a message waits for others."""


class _Entry(NamedTuple):
    """A message with terms of its own."""

    body: bytes
    terms: Terms


class SyncPublisher:
    """A stream of messages, inside its `with` block: `Publisher`, without await.

    Leaving the block waits until all is confirmed; leaving it by an error does
    not, and what is not confirmed then may or may not be stored. Several threads
    may send: the messages of each keep their order.
    """

    def __init__(self, portal: Portal, publisher: Publisher) -> None:
        self.sent = 0
        """Messages handed in."""
        self._portal = portal
        self._publisher = publisher
        self._longest = publisher.longest
        self._gathered: list[bytes | _Entry] = []
        self._bytes = 0
        self._is_due = False
        self._is_open = False
        self._failure: MiniqueueError | None = None
        self._lock = Lock()
        self._handing_over: anyio.Lock

    def __repr__(self) -> str:
        return f"<Sync{repr(self._publisher)[1:-1]}, {len(self._gathered)} here>"

    @property
    def confirmed(self) -> int:
        """Messages that are stored, and all before them."""
        return self._publisher.confirmed

    def __enter__(self) -> Self:
        self._portal.call(self._enter())
        self._is_open = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_open = False
        self._portal.call(self._leave(kind, error, traceback))

    def send(
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
        data = as_body(body, self._longest)
        if delay is None and ttl is None and priority is None and key is None:
            self._gather((data,), len(data))
        else:
            self._gather((_Entry(data, Terms(delay, ttl, priority, key).check()),), len(data))

    def send_many(self, bodies: Iterable[bytes | str]) -> None:
        """Send messages, as `send` does each."""
        remaining = iter(bodies)
        while block := [as_body(body, self._longest) for body in islice(remaining, BLOCK)]:
            self._gather(block, sum(map(len, block)))

    def flush(self) -> None:
        """Wait until all that was sent is confirmed. Raises what `send` does, and NoAnswer."""
        self._check()
        self._portal.call(self._flush())

    def _gather(self, messages: "Iterable[bytes | _Entry]", size: int) -> None:
        self._check()
        with self._lock:
            before = len(self._gathered)
            self._gathered += messages
            self.sent += len(self._gathered) - before
            self._bytes += size
            is_enough = len(self._gathered) >= BLOCK or self._bytes >= BLOCK_BYTES
            is_first, self._is_due = not self._is_due, True
        if is_first:
            self._portal.start(self._hand_over_later())
        if is_enough:
            self._portal.call(self._hand_over())

    def _check(self) -> None:
        if self._failure is not None:
            raise self._failure
        if not self._is_open:
            raise ClientClosed("publisher")
        self._portal.check_process()

    # In the loop.

    async def _enter(self) -> None:
        self._handing_over = anyio.Lock()
        await self._publisher.__aenter__()
        self._portal.forgotten.add(self._leave)

    async def _leave(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        self._portal.forgotten.discard(self._leave)
        try:
            if error is None:
                await self._hand_over()
        except BaseException as problem:
            await self._publisher.__aexit__(type(problem), problem, problem.__traceback__)
            raise
        await self._publisher.__aexit__(kind, error, traceback)

    async def _flush(self) -> None:
        await self._hand_over()
        await self._publisher.flush()

    async def _hand_over_later(self) -> None:
        await anyio.sleep(SOON_SECONDS)
        self._is_due = False
        try:
            await self._hand_over()
        except MiniqueueError as error:
            self._failure = error

    async def _hand_over(self) -> None:
        """Send what was gathered, each message once."""
        async with self._handing_over:
            while self._gathered:
                before = self._publisher.sent
                try:
                    await self._send_some(self._gathered[:BLOCK])
                finally:
                    self._forget(self._publisher.sent - before)

    async def _send_some(self, messages: "list[bytes | _Entry]") -> None:
        """Send what can be sent in one go."""
        first = messages[0]
        if isinstance(first, _Entry):
            await self._publisher.send(first.body, **first.terms._asdict())
        else:
            plain = takewhile(lambda each: isinstance(each, bytes), messages)
            await self._publisher.send_many(cast("Iterable[bytes]", plain))

    def _forget(self, count: int) -> None:
        with self._lock:
            self._bytes -= sum(
                len(each.body if isinstance(each, _Entry) else each)
                for each in self._gathered[:count]
            )
            del self._gathered[:count]
