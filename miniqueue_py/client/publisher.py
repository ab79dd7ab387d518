"""Many messages to one topic, confirmed while they are sent.

A publisher keeps what is not confirmed. Its request has a key, under which the
broker counts what it stored; so when a connection is lost, the next request
goes on exactly where the broker is, and nothing is stored twice.

A request is of text or of JSON. When the first message comes that cannot be
said as text, the one under way ends, and the rest is JSON.
"""

import logging
from collections.abc import Iterable
from itertools import islice
from secrets import token_hex
from types import TracebackType
from typing import Self
from urllib.parse import quote

import anyio
from anyio.lowlevel import checkpoint

from miniqueue_py.client.backoff import Backoff
from miniqueue_py.client.bell import Bell
from miniqueue_py.client.errors import ClientClosed, ConnectionLost, Forgotten, Misuse, NoAnswer
from miniqueue_py.client.requests import FIRST_OF_SERVER, TOO_MANY, Requests
from miniqueue_py.client.stream import Stream
from miniqueue_py.client.terms import Terms, as_body
from miniqueue_py.client.threads import Owner
from miniqueue_py.client.unconfirmed import Unconfirmed
from miniqueue_py.errors import BadRequest, MiniqueueError, ProtocolError, TopicFull, Unavailable
from miniqueue_py.protocol.answers import Line, LineReader
from miniqueue_py.protocol.lines import published_line

log = logging.getLogger("miniqueue.client")

MOST_UNCONFIRMED_BYTES = 1 << 24
MOST_UNCONFIRMED = 200_000
"""Past these `send` waits."""

BLOCK = 1000
"""Messages that are taken from an iterable at a time."""

TURN_BYTES = 1 << 16
"""A loop that sends lets other tasks have their turn so often."""

_LONGEST_LINE_BYTES = 1 << 16
"""Of the broker's confirms and errors."""


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
        self.sent = 0
        """Messages handed in."""
        self.confirmed = 0
        """Messages that are stored, and all before them."""
        self.longest = longest
        """Bytes that a message may have."""
        self._requests = requests
        self._owner = owner
        self._topic = topic
        self._path = f"/publish/{quote(topic, safe='')}/batch{terms.query}"
        self._key = ""
        self._unconfirmed = Unconfirmed()
        self._asked = 0
        """How many of the unconfirmed the request under way has taken."""
        self._is_text = True
        self._began_at = 0
        """How many were confirmed when the key was new."""
        self._is_resumed = False
        """The broker has said where to go on."""
        self._is_turning = False
        """The request under way is ended, and what follows goes in JSON."""
        self._failing_since: float | None = None
        """Since when nothing was confirmed, and requests failed."""
        self._last_problem: MiniqueueError | None = None
        self._unseen = 0
        """Bytes that were handed in since others had their turn."""
        self._backoff = Backoff()
        self._stream: Stream | None = None
        self._is_open = False
        self._is_ending = False
        self._has_finished = False
        self._failure: MiniqueueError | None = None
        self._news = Bell()
        self._work = Bell()
        self._running: anyio.CancelScope | None = None

    def __repr__(self) -> str:
        state = "failed" if self._failure else "open" if self._is_open else "closed"
        return f"<Publisher to {self._topic!r}, {state}, {self.confirmed} of {self.sent} confirmed>"

    async def __aenter__(self) -> Self:
        self._owner.check_loop()
        if self._running is not None:
            raise Misuse("a publisher is entered once: ask the client for another")
        self._running = anyio.CancelScope()
        self._requests.connections.start_soon(self._run, self._running)
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
        self._is_ending = True
        try:
            if error is None:
                await self._wait_finished()
        finally:
            if self._running is not None:
                self._running.cancel()

    async def _wait_finished(self) -> None:
        if self._stream is not None:
            self._stream.end()
        self._work.ring()
        while self._failure is None and not self._has_finished:
            await self._wait_news()
        if self._failure is not None:
            raise self._failure

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
        before = self._unconfirmed.size
        if delay is None and ttl is None and priority is None and key is None:
            self._unconfirmed.add((data,))
        else:
            self._unconfirmed.add_with(Terms(delay, ttl, priority, key).check(), data)
        await self._count(1, before)

    async def send_many(self, bodies: Iterable[bytes | str]) -> None:
        """Send messages, as `send` does each, and take no more of them than there is room for."""
        rest = iter(bodies)
        while block := [as_body(body, self.longest) for body in islice(rest, BLOCK)]:
            self._check()
            before = self._unconfirmed.size
            self._unconfirmed.add(block)
            await self._count(len(block), before)

    async def flush(self) -> None:
        """Wait until all that was sent is confirmed. Raises what `send` does, and NoAnswer."""
        self._check()
        while self.confirmed < self.sent:
            await self._wait_news()
            self._check()

    async def _count(self, messages: int, size_before: int) -> None:
        """Take note of what was handed in, and let others have their turn in good time."""
        self.sent += messages
        self._unseen += self._unconfirmed.size - size_before
        if self._stream is not None:
            self._stream.wake()
        else:
            self._work.ring()
        if self._unseen > TURN_BYTES:
            self._unseen = 0
            await checkpoint()
            while self._is_full:
                await self._wait_news()
                self._check()

    @property
    def _is_full(self) -> bool:
        messages = self._unconfirmed
        return messages.size > MOST_UNCONFIRMED_BYTES or len(messages) > MOST_UNCONFIRMED

    async def _wait_news(self) -> None:
        """Wait until more is confirmed, or it has failed: a broker that is silent has."""
        seconds = self._requests.timeout_seconds
        with anyio.move_on_after(seconds):
            await self._news.wait()
            return
        self._failure = self._failure or NoAnswer(seconds, self._last_problem)

    def _check(self) -> None:
        self._owner.check()
        if self._failure is not None:
            raise self._failure
        if not self._is_open:
            raise ClientClosed("publisher")

    # In the background.

    async def _run(self, scope: anyio.CancelScope) -> None:
        """Have a request under way whenever something is not confirmed."""
        try:
            with scope:
                while await self._wait_work():
                    await self._publish_or_wait()
        except MiniqueueError as error:
            self._failure = error
        finally:
            if self._unconfirmed and self._failure is None:
                self._failure = ClientClosed("publisher")
            self._has_finished = True
            self._news.ring()

    async def _wait_work(self) -> bool:
        """Return when something is to be published, and tell if that will ever be."""
        while not self._unconfirmed:
            if self._is_ending:
                return False
            await self._work.wait()
        return True

    async def _publish_or_wait(self) -> None:
        """Publish over one request; if that fails, wait before the next, or raise why not."""
        try:
            await self._publish()
        except (Unavailable, TopicFull) as error:
            self._last_problem = error
            seconds = self._requests.timeout_seconds
            now = anyio.current_time()
            until_next = self._requests.seconds_to_repeat(error, self._backoff)
            if self._failing_since is None:
                self._failing_since = now
                log.warning("publisher to %r is held up: %s", self._topic, error)
            if now - self._failing_since > seconds:
                raise error if isinstance(error, TopicFull) else NoAnswer(seconds, error) from error
            await anyio.sleep(until_next)

    async def _publish(self) -> None:
        """Publish over one request, until it ends."""
        if not self._asked:
            # Nothing is in doubt, so the broker need not remember what it had.
            self._key = token_hex(12)
            self._began_at = self.confirmed
        self._is_resumed = self._is_turning = False
        self._is_text = self._is_text and self._unconfirmed.begins_as_text
        kind = "text/plain" if self._is_text else "application/x-ndjson"
        headers = (("content-type", kind), ("idempotency-key", self._key))
        lines = LineReader(_LONGEST_LINE_BYTES)
        async with self._requests.stream("POST", self._path, headers) as stream:
            await self._requests.wait_accepted(stream)
            stream.source = self._take
            self._stream = stream
            try:
                while data := await stream.receive():
                    for line in lines.feed(data):
                        self._read(line)
            finally:
                self._stream = None
        if self._unconfirmed and not self._is_turning:
            raise ConnectionLost("the broker ended a stream of messages without a word")

    def _read(self, line: Line) -> None:
        """Take note of what the broker says."""
        match line:
            case {"published": int(count)}:
                self._confirm(count)
            case {"error": str(told), "status": int(status)}:
                raise self._error(told, status)
            case {"error": str(told)}:
                raise Unavailable(told)
            case {"closing": str(why)}:
                raise Unavailable(f"the broker ended a stream of messages: {why}")
            case _:
                raise ProtocolError(str(line).encode())

    def _confirm(self, count: int) -> None:
        confirmed = self._began_at + count
        if count < 0 or confirmed > self.sent:
            raise ProtocolError(published_line(count))
        if not self._is_resumed:
            # The first line says where the broker is; what is behind that goes again.
            if confirmed < self.confirmed:
                raise Forgotten(self._topic, self._asked)
            self._is_resumed = True
            self._backoff.reset()
            self._asked = confirmed - self.confirmed
            if self._stream is not None:
                self._stream.is_ending = self._is_ending
                self._stream.wake()
        done = confirmed - self.confirmed
        if done <= 0:
            return
        self._unconfirmed.drop(done)
        self.confirmed = confirmed
        self._asked -= done
        self._failing_since = None
        self._backoff.reset()
        self._news.ring()

    def _take(self) -> bytes:
        """Return the next lines for the request under way."""
        if not self._is_resumed or self._asked >= len(self._unconfirmed):
            return b""
        count, lines = self._unconfirmed.lines(self._asked, as_text=self._is_text)
        self._asked += count
        if not count and self._stream is not None:
            self._stream.is_ending = self._is_turning = True
        return lines

    def _error(self, told: str, status: int) -> MiniqueueError:
        """Return what the refusal of a message means; all before it are confirmed."""
        if status == TOO_MANY:
            return TopicFull(told)
        if status >= FIRST_OF_SERVER:
            return Unavailable(told)
        return BadRequest(f"message {self.confirmed + 1} was refused: {told}")
