"""A streamed publish: lines of messages in, lines of confirms out, at the same time.

Two tasks share a stream. One takes lines and hands them to the broker, which
begins to store them at once; the other waits until they are durable and says
so. The first stops reading when too much is not confirmed: then the client's
flow-control window fills up, and memory does not.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import groupby
from typing import NamedTuple, cast

from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.message import Publication, Stored
from miniqueue_py.errors import BodyCutShort, MiniqueueError, ShuttingDown, UnknownContentType
from miniqueue_py.http.asgi import Receive, Scope, Send, header
from miniqueue_py.http.problems import FAILED
from miniqueue_py.protocol.batch import BatchEntry, NdjsonLines, TextLines
from miniqueue_py.protocol.lines import bad_line, closing_line, error_line, published_line

MAX_UNCONFIRMED_BYTES = 1 << 23
"""Bytes of a stream that were taken and are not durable yet; past these it is not read."""

MESSAGE_BYTES = 100
"""What a message costs beside its body while it is not durable: an empty line is not free."""

FAREWELL_SECONDS = 0.5
"""How long a client that does not read may hold up the end of its own stream."""

_TEXT = {"", "text/plain", "application/octet-stream", "application/x-www-form-urlencoded"}
"""The last is what curl says of any data, if nobody tells it otherwise."""

_JSON = {
    "application/x-ndjson",
    "application/ndjson",
    "application/jsonl",
    "application/json-lines",
}

_KNOWN = "text/plain (a message a line) or application/x-ndjson (an object a line)"

_HEADERS = [(b"content-type", b"application/x-ndjson")]


Terms = tuple[int, float, float | None]
"""Of a request: priority, delay and ttl, in seconds."""


class _Begun(NamedTuple):
    stored: "asyncio.Future[Sequence[Stored]]"
    messages: int
    size: int
    line: int
    """The number of its first line."""


class Batch:
    """One stream of messages to one topic."""

    def __init__(  # noqa: PLR0913  all that a stream needs is handed in
        self,
        broker: Broker,
        topic: str,
        lines: TextLines | NdjsonLines,
        receive: Receive,
        send: Send,
        *,
        terms: Terms,
        declared_bytes: int | None,
        on_error: Callable[[Exception], None],
    ) -> None:
        self._broker = broker
        self._topic = topic
        self._lines = lines
        self._receive = receive
        self._send = send
        self._terms = terms
        self._declared_bytes = declared_bytes
        self._bytes = 0
        self._on_error = on_error
        self._begun: deque[_Begun] = deque()
        self._unconfirmed_bytes = 0
        self._taken = 0
        """Messages handed to the broker."""
        self._confirmed = 0
        """Messages of which the client was told that they are durable."""
        self._last_line: bytes | None = None
        """What the stream ends with, once that is decided."""
        self._is_over = False
        """Nothing more will be taken."""
        self._is_gone = False
        """The client is not there any more."""
        self._has_begun = asyncio.Event()
        self._has_room = asyncio.Event()

    async def run(self) -> None:
        """Serve the stream to its end."""
        await self._send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        await self._send({"type": "http.response.body", "body": b"", "more_body": True})
        taking = asyncio.create_task(self._take())
        confirming = asyncio.create_task(self._confirm())
        try:
            # Confirming ends first only when storage has failed.
            await asyncio.wait((taking, confirming), return_when=asyncio.FIRST_COMPLETED)
            if taking.done():
                taking.result()
                self._is_over = True
                self._has_begun.set()
            await confirming
        except asyncio.CancelledError:
            if not self._broker.is_draining:
                raise
            taking.cancel()
            await self._wind_up(confirming)
        except Exception as error:  # noqa: BLE001  the boundary: one stream ends, not the broker
            self._last_line = error_line(FAILED)
            self._on_error(error)
        finally:
            taking.cancel()
            confirming.cancel()
        if not self._is_gone:
            await self._end(self._last_line or published_line(self._confirmed))

    async def _wind_up(self, confirming: "asyncio.Task[None]") -> None:
        """Take no more; confirm what was taken, as far as that is soon done."""
        self._last_line = self._last_line or closing_line("draining")
        self._is_over = True
        self._has_begun.set()
        await asyncio.wait((confirming,), timeout=FAREWELL_SECONDS)

    async def _take(self) -> None:
        """Read lines and begin to publish them, until the body is over or a line is wrong."""
        while self._last_line is None:
            event = await self._receive()
            if event["type"] == "http.disconnect":
                self._is_gone = True
                return
            piece = event.get("body", b"")
            self._publish(self._lines.feed(piece))
            is_last = not event.get("more_body", False)
            self._bytes += len(piece)
            declared = self._declared_bytes
            if is_last and declared is not None and declared != self._bytes:
                # Some servers do not notice: the last line is torn.
                self._last_line = error_line(str(BodyCutShort(declared, self._bytes)))
            elif is_last:
                self._publish(self._lines.feed_end())
            if self._lines.problem is not None and self._last_line is None:
                self._last_line = bad_line(*self._lines.problem)
            if is_last:
                return
            while self._unconfirmed_bytes > MAX_UNCONFIRMED_BYTES and self._last_line is None:
                self._has_room.clear()
                await self._has_room.wait()
            await asyncio.sleep(0)  # what has come already is taken without a pause otherwise

    def _publish(self, lines: Sequence[bytes] | Sequence[BatchEntry]) -> None:
        """Begin to store messages: those before the first that is refused, which ends it all."""
        if not lines or self._last_line is not None:
            return
        try:
            self._begin(lines)
        except ShuttingDown:
            self._last_line = closing_line("draining")
        except MiniqueueError as error:
            if len(lines) == 1:
                self._last_line = bad_line(str(error), self._line_of(lines[0]))
                return
            half = len(lines) // 2
            self._publish(lines[:half])
            self._publish(lines[half:])

    def _begin(self, lines: Sequence[bytes] | Sequence[BatchEntry]) -> None:
        publications = list(_publications(lines, self._terms))
        stored = self._broker.publish(self._topic, publications)
        size = sum([sum(map(len, each.bodies)) for each in publications])
        size += MESSAGE_BYTES * len(lines)
        self._begun.append(_Begun(stored, len(lines), size, self._line_of(lines[0])))
        self._taken += len(lines)
        self._unconfirmed_bytes += size
        self._has_begun.set()

    def _line_of(self, refused: bytes | BatchEntry) -> int:
        return refused.line if isinstance(refused, BatchEntry) else self._taken + 1

    async def _confirm(self) -> None:
        """Say how much is durable, whenever more is, until all is."""
        while self._begun or not self._is_over:
            if not self._begun:
                self._has_begun.clear()
                await self._has_begun.wait()
                continue
            await asyncio.wait((self._begun[0].stored,))
            confirmed_before = self._confirmed
            failed = self._count_durable()
            self._has_room.set()
            if self._confirmed > confirmed_before and not self._is_gone:
                await self._send_line(published_line(self._confirmed), is_last=False)
            if failed:
                return

    def _count_durable(self) -> bool:
        """Count what is durable by now; tell if something never will be."""
        while self._begun and self._begun[0].stored.done():
            stored, messages, size, line = self._begun.popleft()
            failure = stored.exception()
            if failure is not None:
                self._last_line = bad_line(str(failure), line)
                return True
            self._confirmed += messages
            self._unconfirmed_bytes -= size
        return False

    async def _end(self, last_line: bytes) -> None:
        with suppress(TimeoutError):  # a server resets what its application left unfinished
            async with asyncio.timeout(FAREWELL_SECONDS):
                await self._send_line(last_line, is_last=True)

    async def _send_line(self, line: bytes, *, is_last: bool) -> None:
        await self._send({"type": "http.response.body", "body": line, "more_body": not is_last})


def reader_of(scope: Scope, longest_message: int) -> TextLines | NdjsonLines:
    """Return what reads the lines of a request. Raises UnknownContentType."""
    content_type = (header(scope, b"content-type") or b"").decode("latin-1")
    kind = content_type.partition(";")[0].strip().lower()
    if kind in _JSON:
        return NdjsonLines(longest_message)
    if kind in _TEXT:
        return TextLines(longest_message)
    raise UnknownContentType(content_type, _KNOWN)


def _publications(
    lines: Sequence[bytes] | Sequence[BatchEntry], terms: Terms
) -> Iterator[Publication]:
    """Yield publications of neighbours under the same terms; a key makes one of its own.

    A line's own terms come before those of the request.
    """
    if isinstance(lines[0], bytes):
        yield Publication(cast("Sequence[bytes]", lines), *terms)
        return
    priority, delay, ttl = terms
    for own, alike in groupby(cast("Sequence[BatchEntry]", lines), _own_terms):
        yield Publication(
            [entry.body for entry in alike],
            own.priority or priority,
            own.delay_seconds or delay,
            ttl if own.ttl_seconds is None else own.ttl_seconds,
            own.key,
        )


def _own_terms(entry: BatchEntry) -> BatchEntry:
    """Return what entries that are published together have in common."""
    return entry._replace(body=b"", line=0 if entry.key is None else entry.line)
