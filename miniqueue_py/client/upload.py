"""Messages of a publisher on their way, confirmed while they are sent.

What is not confirmed is kept. A request has a key, under which the broker
counts what it stored; so when a connection is lost, the next request goes on
exactly where the broker is, and nothing is stored twice.

A request is of text or of JSON. When the first message comes that cannot be
said as text, the one under way ends, and the rest is JSON.
"""

import logging
from secrets import token_hex
from urllib.parse import quote

import anyio

from miniqueue_py.client.backoff import Backoff
from miniqueue_py.client.errors import ClientClosed, Forgotten, NoAnswer
from miniqueue_py.client.http2.bell import Bell
from miniqueue_py.client.http2.requests import FIRST_OF_SERVER, TOO_MANY, Requests
from miniqueue_py.client.http2.stream import Stream
from miniqueue_py.client.terms import Terms
from miniqueue_py.client.unconfirmed import Unconfirmed
from miniqueue_py.errors import (
    BadRequest,
    ConnectionLost,
    MiniqueueError,
    ProtocolError,
    TopicFull,
    Unavailable,
)
from miniqueue_py.protocol.answers import Line, LineReader
from miniqueue_py.protocol.lines import published_line

log = logging.getLogger("miniqueue.client")

_LONGEST_LINE_BYTES = 1 << 16
"""Of the broker's confirms and errors."""


class Upload:
    """What was handed in for one topic; `run` gets it there, over as many requests as it takes."""

    def __init__(self, requests: Requests, topic: str, terms: Terms) -> None:
        self.sent = 0
        """Messages handed in."""
        self.confirmed = 0
        """Messages that are stored, and all before them."""
        self.unconfirmed = Unconfirmed()
        self.failure: MiniqueueError | None = None
        """What ended it, if that was not its end."""
        self.has_finished = False
        self._requests = requests
        self._topic = topic
        self._path = f"/publish/{quote(topic, safe='')}/batch{terms.query}"
        self._key = ""
        self._asked = 0
        """How many of the unconfirmed the request under way has taken."""
        self._is_text = True
        self._began_at = 0
        """How many were confirmed when the key was new."""
        self._is_resumed = False
        """The broker has said where to go on."""
        self._is_turning = False
        """The request under way is ended, and what follows goes in JSON."""
        self._is_ending = False
        self._failing_since: float | None = None
        """Since when nothing was confirmed, and requests failed."""
        self._last_problem: MiniqueueError | None = None
        self._backoff = Backoff()
        self._stream: Stream | None = None
        self._news = Bell()
        self._work = Bell()

    def go_on(self, messages: int) -> None:
        """Take note that so many were put to the unconfirmed."""
        self.sent += messages
        if self._stream is not None:
            self._stream.wake()
        else:
            self._work.ring()

    def end(self) -> None:
        """Be finished when all is confirmed: nothing more comes."""
        self._is_ending = True
        if self._stream is not None:
            self._stream.end()
        self._work.ring()

    async def wait_news(self) -> None:
        """Wait until more is confirmed, or it has failed: a broker that is silent has."""
        seconds = self._requests.timeout_seconds
        with anyio.move_on_after(seconds):
            await self._news.wait()
            return
        self.failure = self.failure or NoAnswer(seconds, self._last_problem)

    async def run(self, scope: anyio.CancelScope) -> None:
        """Have a request under way whenever something is not confirmed, until the end."""
        try:
            with scope:
                while await self._wait_work():
                    await self._publish_or_wait()
        except MiniqueueError as error:
            self.failure = error
        finally:
            if self.unconfirmed and self.failure is None:
                self.failure = ClientClosed("publisher")
            self.has_finished = True
            self._news.ring()

    async def _wait_work(self) -> bool:
        """Return when something is to be published, and tell if that will ever be."""
        while not self.unconfirmed:
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
        self._is_text = self._is_text and self.unconfirmed.begins_as_text
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
        if self.unconfirmed and not self._is_turning:
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
        self.unconfirmed.drop(done)
        self.confirmed = confirmed
        self._asked -= done
        self._failing_since = None
        self._backoff.reset()
        self._news.ring()

    def _take(self) -> bytes:
        """Return the next lines for the request under way."""
        if not self._is_resumed or self._asked >= len(self.unconfirmed):
            return b""
        count, lines = self.unconfirmed.lines(self._asked, as_text=self._is_text)
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
