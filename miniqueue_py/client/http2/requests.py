"""Whole requests with whole answers, repeated while that is harmless and may help.

Here an answer's status becomes an error, or is let pass: the one table of the
client.
"""

import json
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import anyio

from miniqueue_py.client.backoff import Backoff
from miniqueue_py.client.errors import (
    CertificateRefused,
    NoAnswer,
    NotABroker,
    NotAuthenticated,
    NotHttp2,
    RightMissing,
    TokenRefused,
    TokenStale,
)
from miniqueue_py.client.http2.connections import Connections
from miniqueue_py.client.http2.stream import Stream
from miniqueue_py.client.http2.streams import Header
from miniqueue_py.errors import (
    BadRequest,
    ConnectionLost,
    Contradiction,
    KeyReused,
    MiniqueueError,
    ProtocolError,
    TopicFull,
    TopicNotFound,
    Unavailable,
)

log = logging.getLogger("miniqueue.client")

HELD_UP_SECONDS = 4.0

HELD_UP = (
    "%s has not answered for %g s: it accepted the connection, so a proxy between may hold "
    "back what is not whole. It has to pass on each piece as it comes, both ways (nginx: "
    "proxy_buffering off; proxy_request_buffering off; proxy_http_version 1.1)"
)
"""A broker answers the headers of a stream at once."""

MOST_AT_ONCE = 64
"""Requests under way. More is no faster, and a thousand would open ten connections where a
proxy lets a hundred streams on each."""

T = TypeVar("T")

LONGEST_ANSWER_BYTES = 1 << 28

TOO_MANY = 429
FIRST_OF_SERVER = 500
GATEWAY = {502, 503, 504}
"""Statuses after which the same may be tried again."""

HOPELESS = (CertificateRefused, NotHttp2, NotABroker)
"""Ways of not being connected that time does not mend."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer that was no error."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def read(self, make: Callable[[Any], T]) -> T:
        """Return what is made of the JSON in it. Raises ProtocolError."""
        try:
            return make(json.loads(self.body))
        except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
            raise ProtocolError(self.body) from error


class Requests:
    """Asks a broker, and asks again."""

    def __init__(
        self,
        connections: Connections,
        address: str,
        *,
        timeout_seconds: float,
        wait_when_full: bool,
    ) -> None:
        self.connections = connections
        self.timeout_seconds = timeout_seconds
        self.wait_when_full = wait_when_full
        self._address = address
        self._room = anyio.Semaphore(MOST_AT_ONCE)

    async def ask(  # noqa: PLR0913  a request has as many parts
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: tuple[Header, ...] = (),
        *,
        topic: str = "",
        is_repeatable: bool = True,
    ) -> Answer:
        """Return the answer. Raises what its status means, and NoAnswer at the end of the time."""
        last: MiniqueueError | None = None
        backoff = Backoff()
        try:
            with anyio.fail_after(self.timeout_seconds):
                while True:
                    try:
                        return await self.ask_once(method, path, body, headers, topic)
                    except (Unavailable, TopicFull) as error:
                        last = error
                        await self.wait_to_repeat(error, backoff, is_repeatable=is_repeatable)
        except TimeoutError as error:
            if isinstance(last, TopicFull):
                raise last from error
            raise NoAnswer(self.timeout_seconds, last) from error

    async def wait_to_repeat(
        self, error: Unavailable | TopicFull, backoff: Backoff, *, is_repeatable: bool = True
    ) -> None:
        """Wait before the same is tried again; raise `error` if that makes no sense."""
        await anyio.sleep(self.seconds_to_repeat(error, backoff, is_repeatable=is_repeatable))

    def seconds_to_repeat(
        self, error: Unavailable | TopicFull, backoff: Backoff, *, is_repeatable: bool = True
    ) -> float:
        """Return when the same may be tried again; raise `error` if that makes no sense."""
        is_in_doubt = isinstance(error, ConnectionLost) and not error.is_refused
        if isinstance(error, HOPELESS) or (is_in_doubt and not is_repeatable):
            raise error
        if isinstance(error, TopicFull):
            if not self.wait_when_full:
                raise error
            return error.retry_after_seconds
        return backoff.next_seconds()

    @asynccontextmanager
    async def stream(
        self, method: str, path: str, headers: tuple[Header, ...] = ()
    ) -> AsyncIterator[Stream]:
        """Have a request under way until the block ends, and its good answer begun.

        Raises what its status means.
        """
        stream = await self.connections.open_stream(method, path, headers)
        try:
            yield stream
        finally:
            stream.close()

    async def ask_once(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: tuple[Header, ...] = (),
        topic: str = "",
    ) -> Answer:
        """Return the answer. Raises what its status means, CannotConnect and ConnectionLost."""
        async with self._room, self.stream(method, path, headers) as stream:
            stream.send(body)
            stream.end()
            return await self.answer_of(stream, topic)

    async def wait_accepted(self, stream: Stream) -> None:
        """Wait for the beginning of a good answer. Raises what another one means."""
        with anyio.move_on_after(self.timeout_seconds) as wait:
            with anyio.move_on_after(HELD_UP_SECONDS) as patience:
                await stream.wait_begun()
            if patience.cancelled_caught:
                log.warning(HELD_UP, self._address, HELD_UP_SECONDS)
                await stream.wait_begun()
        if wait.cancelled_caught:
            raise ConnectionLost(f"a stream had no answer for {self.timeout_seconds:g} s")
        if stream.status != _OK:
            await self.answer_of(stream)
            raise self._stranger(f"it answered {stream.status}")
        self.connections.token.note_taken(stream.token)

    async def answer_of(self, stream: Stream, topic: str = "") -> Answer:
        """Wait for the whole answer. Raises what its status means."""
        await stream.wait_answered()
        pieces = []
        size = 0
        while data := await stream.receive():
            pieces.append(data)
            size += len(data)
            if size > LONGEST_ANSWER_BYTES:
                raise self._stranger("its answer has no end")
        status = stream.status or 0
        answer = Answer(status, stream.headers, b"".join(pieces))
        if status >= _FIRST_ERROR:
            raise self._error_of(answer, topic, stream.token)
        self.connections.token.note_taken(stream.token)
        return answer

    def _error_of(self, answer: Answer, topic: str, token: str | None) -> MiniqueueError:
        members = _members_of(answer.body)
        told = members.get("error")
        if answer.status in {_UNAUTHORIZED, _FORBIDDEN}:
            return self._refusal_of(answer.status, members, token)
        if told is None:
            told = f"it answered {answer.status} and no error in JSON"
            if answer.status not in GATEWAY:
                return self._stranger(told)
        if answer.status == TOO_MANY and "limit" not in members:
            return TopicFull(told, _seconds(answer.headers.get("retry-after")))
        if answer.status == _NOT_FOUND:
            return TopicNotFound(topic)
        if answer.status >= FIRST_OF_SERVER or answer.status == TOO_MANY:
            return Unavailable(told)
        return _KINDS.get(answer.status, BadRequest)(told)

    def _refusal_of(
        self, status: int, members: Mapping[str, str], token: str | None
    ) -> TokenRefused | TokenStale:
        told = members.get("error", "it allows nothing here")
        if status == _FORBIDDEN:
            return RightMissing(status, told, members.get("right", ""), members.get("topic", ""))
        is_renewed = self.connections.token.is_renewed(token)
        return TokenStale(told) if is_renewed else NotAuthenticated(status, told)

    def _stranger(self, problem: str) -> NotABroker:
        return NotABroker(self._address, f"{problem}: it is no miniqueue broker")


_OK = 200
_FIRST_ERROR = 400
_UNAUTHORIZED = 401
_FORBIDDEN = 403
_NOT_FOUND = 404
_KINDS: Mapping[int, type[MiniqueueError]] = {409: Contradiction, 422: KeyReused}


def _members_of(body: bytes) -> Mapping[str, str]:
    """Return what an error tells, as a broker of ours says it: its sentence is `error`."""
    try:
        told = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    members = told.items() if isinstance(told, dict) else ()
    return {name: value for name, value in members if isinstance(value, str)}


def _seconds(text: str | None) -> float:
    try:
        return max(0.0, float(text or 1))
    except ValueError:
        return 1.0
