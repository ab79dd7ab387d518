"""Many messages to one topic, confirmed while they are sent.

A publisher keeps what is not confirmed. Its request has a key, under which the
broker counts what it stored; so when a connection is lost, the next request
goes on exactly where the broker is, and nothing is stored twice.

Messages are lines of text as long as they can be, since that costs least. The
first one with a line end in it, or with terms of its own, makes the rest a
stream of JSON.
"""

import json
from binascii import b2a_base64
from collections.abc import Iterable, Sequence
from itertools import takewhile
from secrets import token_hex
from types import TracebackType
from typing import NamedTuple, Self, cast
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
from miniqueue_py.errors import BadRequest, MiniqueueError, ProtocolError, TopicFull, Unavailable
from miniqueue_py.protocol.answers import Line, LineReader
from miniqueue_py.protocol.lines import published_line

MOST_UNCONFIRMED_BYTES = 1 << 24
MOST_UNCONFIRMED = 200_000
"""Past these `send` waits. A message counts 100 bytes beside its body."""

MESSAGE_BYTES = 100

TURN_BYTES = 1 << 16
"""A loop that sends lets other tasks have their turn so often."""

PIECE_BYTES = 1 << 17
"""About as much is made into lines at a time."""

_LONGEST_LINE_BYTES = 1 << 16
"""Of the broker's confirms and errors."""


class _Entry(NamedTuple):
    """A message that is no line of text."""

    body: bytes
    terms: Terms


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
        self._unconfirmed: list[bytes | _Entry] = []
        self._bytes = 0
        """Of what is not confirmed."""
        self._asked = 0
        """How many of the unconfirmed the request under way has taken."""
        self._entries = 0
        """How many of the unconfirmed are no lines of text."""
        self._is_text = True
        self._began_at = 0
        """How many were confirmed when the key was new."""
        self._is_resumed = False
        """The broker has said where to go on."""
        self._failing_since: float | None = None
        """Since when nothing was confirmed, and requests failed."""
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
        while not self._has_finished:
            await self._news.wait()
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
        self._owner.check()
        data = as_body(body, self.longest)
        if delay is None and ttl is None and priority is None and key is None:
            self._add((data,))
        else:
            self._check()
            self._unconfirmed.append(_Entry(data, Terms(delay, ttl, priority, key).check()))
            self._entries += 1
            self._count(1, len(data))
        if self._unseen > TURN_BYTES:
            await self._let_others()

    async def send_many(self, bodies: Iterable[bytes | str]) -> None:
        """Send messages, as `send` does each."""
        self._owner.check()
        self._add([as_body(body, self.longest) for body in bodies])
        if self._unseen > TURN_BYTES:
            await self._let_others()

    async def flush(self) -> None:
        """Wait until all that was sent is confirmed. Raises what `send` does, and NoAnswer."""
        self._owner.check()
        while self.confirmed < self.sent:
            self._check()
            await self._news.wait()
        self._check()

    def _add(self, bodies: Sequence[bytes]) -> None:
        self._check()
        size = 0
        for body in bodies:
            size += len(body)
            if b"\n" in body:
                self._entries += 1
                self._unconfirmed.append(_Entry(body, _NO_TERMS))
            else:
                self._unconfirmed.append(body)
        self._count(len(bodies), size)

    def _count(self, messages: int, size: int) -> None:
        self.sent += messages
        size += MESSAGE_BYTES * messages
        self._bytes += size
        self._unseen += size
        if self._stream is not None:
            self._stream.wake()
        else:
            self._work.ring()

    @property
    def _is_full(self) -> bool:
        return self._bytes > MOST_UNCONFIRMED_BYTES or len(self._unconfirmed) > MOST_UNCONFIRMED

    async def _let_others(self) -> None:
        """Let what was handed in leave, and wait while there is too much of it."""
        self._unseen = 0
        await checkpoint()
        while self._is_full:
            self._check()
            await self._news.wait()

    def _check(self) -> None:
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
            seconds = self._requests.timeout_seconds
            now = anyio.current_time()
            self._failing_since = self._failing_since or now
            if now - self._failing_since > seconds:
                raise error if isinstance(error, TopicFull) else NoAnswer(seconds, error) from error
            await self._requests.wait_to_repeat(error, self._backoff)

    async def _publish(self) -> None:
        """Publish over one request, until it ends."""
        if not self._asked:
            # Nothing is in doubt, so the broker need not remember what it had.
            self._key = token_hex(12)
            self._began_at = self.confirmed
        self._is_resumed = False
        self._is_text = self._is_text and isinstance(self._unconfirmed[0], bytes)
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
        if self._asked:
            raise ConnectionLost("the broker ended a stream of messages without a word")

    def _read(self, line: Line) -> None:
        """Take note of what the broker says."""
        match line:
            case {"published": int(count)}:
                self._confirm(count)
            case {"error": str(told), "status": int(status)}:
                raise _error(told, status)
            case {"error": str(told)}:
                raise Unavailable(told)
            case {"closing": str(why)}:
                raise Unavailable(f"the broker ended a stream of messages: {why}")
            case _:
                raise ProtocolError(str(line).encode())

    def _confirm(self, count: int) -> None:
        confirmed = self._began_at + count
        if confirmed > self.sent:
            raise ProtocolError(published_line(count))
        if not self._is_resumed:
            # The first line says where the broker is; what is behind that goes again.
            if confirmed < self.confirmed:
                raise Forgotten(self._topic, self._asked)
            self._is_resumed = True
            self._asked = confirmed - self.confirmed
            if self._stream is not None:
                self._stream.is_ending = self._is_ending
                self._stream.wake()
        done = confirmed - self.confirmed
        if done <= 0:
            return
        bodies = self._unconfirmed[:done]
        del self._unconfirmed[:done]
        if self._entries:
            self._entries -= sum(isinstance(each, _Entry) for each in bodies)
            size = sum(len(each if isinstance(each, bytes) else each.body) for each in bodies)
        else:
            size = sum(map(len, bodies))
        self.confirmed = confirmed
        self._asked -= done
        self._bytes -= size + MESSAGE_BYTES * done
        self._failing_since = None
        self._backoff.reset()
        self._news.ring()

    def _take(self) -> bytes:
        """Return the next lines for the request under way."""
        if not self._is_resumed or self._asked >= len(self._unconfirmed):
            return b""
        some = max(1, PIECE_BYTES * len(self._unconfirmed) // self._bytes)
        piece = self._unconfirmed[self._asked : self._asked + some]
        if self._is_text and self._entries:
            piece = list(takewhile(lambda each: isinstance(each, bytes), piece))
            if not piece and self._stream is not None:
                self._stream.is_ending = True  # and what follows is another request, in JSON
                return b""
        self._asked += len(piece)
        if self._is_text:
            return b"\n".join(cast("list[bytes]", piece)) + b"\n"
        return b"".join(map(_as_json, piece))


_NO_TERMS = Terms()


def _as_json(message: bytes | _Entry) -> bytes:
    body, terms = (message, _NO_TERMS) if isinstance(message, bytes) else message
    encoded = b2a_base64(body, newline=False)
    if terms is _NO_TERMS:
        return b'{"msg":"%b"}\n' % encoded
    stated = json.dumps(terms.as_json(), separators=(",", ":")).encode()
    return b'{"msg":"%b",%b\n' % (encoded, stated[1:])


def _error(told: str, status: int) -> MiniqueueError:
    """Return what the refusal of a message means."""
    if status == TOO_MANY:
        return TopicFull(told)
    if status >= FIRST_OF_SERVER:
        return Unavailable(told)
    return BadRequest(f"a message was refused: {told}")
