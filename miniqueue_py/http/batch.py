"""A streamed publish: lines of messages in, lines of confirms out, at the same time.

Two tasks share a stream. One takes lines and hands them to the broker, which
begins to store them at once; the other says how many are durable, the newest
count whenever the client has room for one. The first stops reading when too
much is not durable: then the client's flow-control window fills up, and memory
does not. Whether the client reads what it is told holds nothing up: it may send
everything first.

A batch that has a key may go on in another stream, which takes over from this.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from enum import Enum

from miniqueue_py.broker.batches import BatchWriter
from miniqueue_py.broker.broker import Broker
from miniqueue_py.errors import (
    BadRequest,
    BatchTakenOver,
    BodyCutShort,
    MiniqueueError,
    ShuttingDown,
    StorageUnavailable,
    UnknownContentType,
)
from miniqueue_py.http.asgi import Receive, Scope, Send, header
from miniqueue_py.http.confirms import Confirms
from miniqueue_py.http.problems import FAILED, status_of
from miniqueue_py.http.publications import Terms, publications_of
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

_FAILED = 500
_UNREADABLE = 400
"""The status of a line that cannot be read, or is too long."""

_HEADERS = [(b"content-type", b"application/x-ndjson")]


class _Body(Enum):
    """What became of the body of the request."""

    COMING = 1
    WHOLE = 2
    """It was taken to its end."""
    LEFT = 3
    """It was left unread, because the broker drains."""
    CUT = 4
    """It ended in the middle: the client is not there any more."""


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
        self._on_error = on_error
        self._writer: BatchWriter | None = None
        self._taking: asyncio.Task[None] | None = None
        self._confirms = Confirms(self._fail)
        self._body = _Body.COMING
        self._bytes = 0
        self._taken = 0
        """Messages of this request that were handed to the broker."""
        self._last_line: bytes | None = None
        """What the stream ends with instead of a count; nothing is taken once that is decided."""

    async def run(self, writer: BatchWriter | None = None) -> None:
        """Serve the stream to its end; with a `writer` it goes on where its batch stands."""
        self._writer = writer
        await self._send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
        await self._send({"type": "http.response.body", "body": b"", "more_body": True})
        self._taking = taking = asyncio.create_task(self._take())
        telling = asyncio.create_task(self._confirms.tell(self._send_line))
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
        await self._end()

    def abandon(self) -> None:
        """Take no further line, because the broker drains.

        A body that is over, or refused, has its answer all the same.
        """
        if not self._confirms.is_closed:
            self._body = _Body.LEFT
            self._stop(closing_line("draining"))

    def give_way(self) -> None:
        """Take no further line, because another request goes on with the batch."""
        self._stop(error_line(str(BatchTakenOver())))

    def _fail(self, failure: BaseException, line: int) -> None:
        self._last_line = None  # whatever it was, this comes before it
        status = status_of(failure) if isinstance(failure, MiniqueueError) else _FAILED
        self._stop(bad_line(str(failure), line, status))

    def _stop(self, last_line: bytes) -> None:
        self._last_line = self._last_line or last_line
        if self._taking is not None:
            self._taking.cancel()
        self._confirms.close()

    async def _wait_told(self, telling: "asyncio.Task[None]") -> None:
        """Return when all is durable and the client knows, or was given time enough."""
        if self._body is not _Body.LEFT:
            await self._confirms.wait_counted()
        await asyncio.wait((telling,), timeout=self._patience)
        if telling.done():
            telling.result()

    @property
    def _patience(self) -> float | None:
        """How long the client may take to read its answer.

        Who has sent all may take its time; who is cut off is perhaps sending
        still, and never will read.
        """
        return None if self._body is _Body.WHOLE else FAREWELL_SECONDS

    async def _take(self) -> None:
        """Read lines and begin to publish them, until the body is over or a line is wrong."""
        try:
            if self._writer is not None:
                self._confirms.go_on_from(await self._writer.wait_count())
            while self._may_go_on():
                event = await self._receive()
                if event["type"] == "http.disconnect":
                    self._body = _Body.CUT
                    return
                self._take_piece(event.get("body", b""), is_last=not event.get("more_body", False))
                if self._may_go_on():
                    await self._confirms.wait_room(MAX_UNCONFIRMED_BYTES)
                await asyncio.sleep(0)  # what has come already is taken without a pause otherwise
        except StorageUnavailable as error:  # nobody knows where the batch stands
            self._last_line = error_line(str(error))
        finally:
            self._confirms.close()

    def _may_go_on(self) -> bool:
        return self._last_line is None and self._body is _Body.COMING

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
            self._last_line = bad_line(*self._lines.problem, _UNREADABLE)
            self._broker.reports.refused(self._topic, BadRequest(self._lines.problem[0]))
        if is_last:
            self._body = _Body.WHOLE

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
                self._last_line = bad_line(str(error), self._line_of(lines[0]), status_of(error))
                return
            half = len(lines) // 2
            self._publish(lines[:half])
            self._publish(lines[half:])

    def _begin(self, lines: Sequence[bytes] | Sequence[BatchEntry]) -> None:
        publications = list(publications_of(lines, self._terms))
        stored = self._broker.publish(self._topic, publications, self._writer)
        size = sum([sum(map(len, each.bodies)) for each in publications])
        size += MESSAGE_BYTES * len(lines)
        self._confirms.add(stored, len(lines), size, self._line_of(lines[0]))
        self._taken += len(lines)

    def _line_of(self, refused: bytes | BatchEntry) -> int:
        return refused.line if isinstance(refused, BatchEntry) else self._taken + 1

    async def _end(self) -> None:
        """Send the last line, and before it what the client was not told."""
        last = self._last_line or b""
        if self._last_line is None or self._confirms.has_untold:
            last = published_line(self._confirms.durable) + last
        with suppress(TimeoutError):  # a server resets what its application left unfinished
            async with asyncio.timeout(self._patience):
                await self._send_line(last, is_last=True)

    async def _send_line(self, line: bytes, *, is_last: bool = False) -> None:
        if self._body is not _Body.CUT:
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
