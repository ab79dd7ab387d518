"""A streamed publish: lines of messages in, lines of confirms out, at the same time.

Two tasks share a stream. One takes lines and hands them to the broker, which
begins to store them at once; the other says how many are durable, the newest
count whenever the client has room for one. The first stops reading when too
much is not durable: then the client's flow-control window fills up, and memory
does not. Whether the client reads what it is told holds nothing up: it may send
everything first.
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
from miniqueue_py.http.subscription import FAREWELL_SECONDS
from miniqueue_py.protocol.batch import BatchEntry, NdjsonLines, TextLines
from miniqueue_py.protocol.lines import bad_line, closing_line, error_line, published_line

MAX_UNCONFIRMED_BYTES = 1 << 23
"""Bytes of a stream that were taken and are not durable yet; past these it is not read."""

MESSAGE_BYTES = 100
"""What a message costs beside its body while it is not durable: an empty line is not free."""

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
        self._taking: asyncio.Task[None] | None = None
        self._begun: deque[_Begun] = deque()
        """What is not durable yet, in its order."""
        self._unconfirmed_bytes = 0
        self._taken = 0
        """Messages handed to the broker."""
        self._confirmed = 0
        """Messages that are durable, and all before them."""
        self._told = 0
        """Messages of which the client was told that they are durable."""
        self._last_line: bytes | None = None
        """What the stream ends with, once that is decided."""
        self._is_whole = False
        """The body was taken to its end."""
        self._is_over = False
        """Nothing more will be taken."""
        self._is_abandoned = False
        """It ends because the broker does."""
        self._has_failed = False
        """Something will never be durable; what follows it does not count."""
        self._is_gone = False
        """The client is not there any more."""
        self._has_news = asyncio.Event()
        self._has_room = asyncio.Event()
        self._is_counted = asyncio.Event()
        """Nothing more will become durable."""

    async def run(self) -> None:
        """Serve the stream to its end."""
        await self._send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        await self._send({"type": "http.response.body", "body": b"", "more_body": True})
        self._taking = taking = asyncio.create_task(self._take())
        telling = asyncio.create_task(self._tell())
        try:
            # Telling ends first only when it stumbles, or storage has failed.
            await asyncio.wait((taking, telling), return_when=asyncio.FIRST_COMPLETED)
            for task in (taking, telling):
                if task.done() and not task.cancelled():
                    task.result()
            await self._wait_told(telling)
        except Exception as error:  # noqa: BLE001  the boundary: one stream ends, not the broker
            self._last_line = error_line(FAILED)
            self._on_error(error)
        finally:
            taking.cancel()
            telling.cancel()
        if not self._is_gone:
            await self._end()

    def abandon(self) -> None:
        """Take no further line, because the broker drains.

        A body that is over, or refused, has its answer all the same.
        """
        if self._is_over:
            return
        self._is_abandoned = True
        self._last_line = self._last_line or closing_line("draining")
        self._stop_taking()

    def _stop_taking(self) -> None:
        self._is_over = True
        if self._taking is not None:
            self._taking.cancel()
        self._look_if_counted()

    async def _wait_told(self, telling: "asyncio.Task[None]") -> None:
        """Return when all is durable and the client knows, or was given time enough.

        Who has sent all may take its time to read; who is cut off is perhaps
        sending still, and never will.
        """
        if not self._is_abandoned:
            await self._is_counted.wait()
        await asyncio.wait((telling,), timeout=None if self._is_whole else FAREWELL_SECONDS)
        if telling.done():
            telling.result()

    async def _take(self) -> None:
        """Read lines and begin to publish them, until the body is over or a line is wrong."""
        try:
            while self._may_go_on():
                event = await self._receive()
                if event["type"] == "http.disconnect":
                    self._is_gone = True
                    return
                self._take_piece(event.get("body", b""), is_last=not event.get("more_body", False))
                while self._unconfirmed_bytes > MAX_UNCONFIRMED_BYTES and self._may_go_on():
                    self._has_room.clear()
                    await self._has_room.wait()
                await asyncio.sleep(0)  # what has come already is taken without a pause otherwise
        finally:
            self._is_over = True
            self._look_if_counted()

    def _may_go_on(self) -> bool:
        return self._last_line is None and not self._is_whole

    def _take_piece(self, piece: bytes, *, is_last: bool) -> None:
        self._publish(self._lines.feed(piece))
        self._bytes += len(piece)
        declared = self._declared_bytes
        if is_last and declared is not None and declared != self._bytes:
            # Some servers do not notice: the last line is torn.
            self._last_line = error_line(str(BodyCutShort(declared, self._bytes)))
        elif is_last:
            self._publish(self._lines.feed_end())
        if self._lines.problem is not None and self._last_line is None:
            self._last_line = bad_line(*self._lines.problem)
        self._is_whole = is_last

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
        stored.add_done_callback(self._count)

    def _line_of(self, refused: bytes | BatchEntry) -> int:
        return refused.line if isinstance(refused, BatchEntry) else self._taken + 1

    def _count(self, _: object) -> None:
        """Count what is durable by now, until something never will be."""
        while self._begun and self._begun[0].stored.done() and not self._has_failed:
            stored, messages, size, line = self._begun.popleft()
            failure = stored.exception()
            if failure is not None:
                self._has_failed = True
                self._last_line = bad_line(str(failure), line)
                self._stop_taking()
                return
            self._confirmed += messages
            self._unconfirmed_bytes -= size
        self._has_room.set()
        self._look_if_counted()

    def _look_if_counted(self) -> None:
        if self._has_failed or (self._is_over and not self._begun):
            self._is_counted.set()
        self._has_news.set()

    async def _tell(self) -> None:
        """Say how much is durable, whenever more is, until all is.

        While the client reads nothing, sending waits, and counting does not.
        """
        while True:
            self._has_news.clear()
            confirmed = self._confirmed
            if confirmed > self._told and not self._is_gone:
                await self._send_line(published_line(confirmed), is_last=False)
                self._told = confirmed
            elif self._is_counted.is_set():
                return
            else:
                await self._has_news.wait()
                await asyncio.sleep(0)  # what becomes durable meanwhile is told in the same line

    async def _end(self) -> None:
        """Send the last line, and before it what the client was not told."""
        last = self._last_line or published_line(self._confirmed)
        if self._last_line is not None and self._confirmed > self._told:
            last = published_line(self._confirmed) + last
        with suppress(TimeoutError):  # a server resets what its application left unfinished
            async with asyncio.timeout(None if self._is_whole else FAREWELL_SECONDS):
                await self._send_line(last, is_last=True)

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
            priority if own.priority is None else own.priority,
            delay if own.delay_seconds is None else own.delay_seconds,
            ttl if own.ttl_seconds is None else own.ttl_seconds,
            own.key,
        )


def _own_terms(entry: BatchEntry) -> BatchEntry:
    """Return what entries that are published together have in common."""
    return entry._replace(body=b"", line=0 if entry.key is None else entry.line)
