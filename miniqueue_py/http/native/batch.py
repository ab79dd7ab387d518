"""A streamed publish: lines of messages in, lines of confirms out, at the same time.

Lines are handed to the broker as they come, which begins to store them at once.
When too much is not durable, no more is granted: then the client's flow-control
window fills up, and memory does not. How many are durable is told once a turn,
the newest count. Whether the client reads what it is told holds nothing up: it
may send everything first.

A batch that has a key may go on in another stream, which takes over from this.
The count where it goes on is the one thing that is waited for, in a task.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from miniqueue_py.broker.batches import BatchWriter
from miniqueue_py.broker.broker import Broker
from miniqueue_py.errors import (
    BadRequest,
    BatchTakenOver,
    BodyCutShort,
    MiniqueueError,
    ShuttingDown,
    StorageUnavailable,
)
from miniqueue_py.http.exchange import INCREMENTAL, ROOM_BYTES, Exchange, Handler
from miniqueue_py.http.native.confirms import Confirms
from miniqueue_py.http.native.publications import Terms, publications_of
from miniqueue_py.http.native.uploads import Uploads
from miniqueue_py.http.problems import FAILED, status_of
from miniqueue_py.protocol.batch import BatchEntry, NdjsonLines, TextLines
from miniqueue_py.protocol.codes import code_of, line_of
from miniqueue_py.protocol.lines import bad_line, closing_line, published_line

MAX_UNCONFIRMED_BYTES = 1 << 23
"""Bytes of a stream that were taken and are not durable yet; past these it is not read."""

FAREWELL_SECONDS = 0.5
"""How long a broker that drains waits for what a client was not told to be durable."""

MESSAGE_BYTES = 100
"""What a message costs beside its body while it is not durable: an empty line is not free."""

_HEADERS = [(b"content-type", b"application/x-ndjson"), INCREMENTAL]


class Batch(Handler):
    """One stream of messages to one topic; under a `key` it goes on where its batch stands."""

    def __init__(  # noqa: PLR0913  all that a stream needs is handed in
        self,
        exchange: Exchange,
        broker: Broker,
        topic: str,
        lines: TextLines | NdjsonLines,
        *,
        terms: Terms,
        key: str | None,
        on_error: Callable[[Exception], None],
        uploads: Uploads,
    ) -> None:
        self._exchange = exchange
        self._broker = broker
        self._topic = topic
        self._lines = lines
        self._terms = terms
        self._on_error = on_error
        self._uploads = uploads
        self._confirms = Confirms(self._go_on_later, self._fail)
        self._bytes = self._ungranted = 0
        self._taken = 0
        """Messages of this request that were handed to the broker."""
        self._last_line: bytes | None = None
        """What the stream ends with instead of a count; nothing is taken once that is decided."""
        self._is_whole = False
        """The body was taken to its end."""
        self._is_over = False
        self._goes_on_later = False
        self._membership = ExitStack()
        self._writer: BatchWriter | None = None
        self._counting: asyncio.Task[None] | None = None
        """Until it is known where the batch stands, and all that came meanwhile was taken."""
        self._waiting: deque[bytes | None] = deque()
        """What came meanwhile; None is the end."""
        uploads.add(self)
        exchange.begin(200, _HEADERS)
        if key is not None:
            self._writer = self._membership.enter_context(
                broker.batches.go_on(topic, key, self.give_way)
            )
            loop = asyncio.get_running_loop()
            self._counting = loop.create_task(self._learn_count(self._writer))

    def on_body(self, chunk: bytes) -> None:
        self._ungranted += len(chunk)
        self._hear(chunk)

    def on_end(self) -> None:
        self._hear(None)

    def on_gone(self) -> None:
        self._leave()

    def on_room(self) -> None:
        self._go_on()

    def abandon(self) -> None:
        """Take no further line, because the broker drains.

        A body that is over, or refused, has its answer all the same.
        """
        self.close("draining")

    def close(self, reason: str) -> None:
        if not self._is_closed:
            self._stop(closing_line(reason))
            asyncio.get_running_loop().call_later(FAREWELL_SECONDS, self._end)

    def give_way(self) -> None:
        """Take no further line, because another request goes on with the batch."""
        self._stop(line_of(BatchTakenOver()))

    @property
    def _is_closed(self) -> bool:
        """True when nothing more is taken."""
        return self._is_whole or self._last_line is not None

    def _fail(self, failure: BaseException, line: int) -> None:
        # Whatever it was to end with, this comes before it.
        error = failure if isinstance(failure, MiniqueueError) else MiniqueueError(str(failure))
        self._last_line = _refusal_of(error, line)

    def _stop(self, last_line: bytes) -> None:
        self._last_line = self._last_line or last_line
        if self._counting is not None:
            self._counting.cancel()
        self._go_on_later()

    async def _learn_count(self, writer: BatchWriter) -> None:
        try:
            self._confirms.go_on_from(await writer.wait_count())
        except StorageUnavailable as error:  # nobody knows where the batch stands
            self._last_line = line_of(error)
        except Exception as error:  # noqa: BLE001  as in `_take`
            self._stumble(error)
        self._go_on_later()
        while self._waiting:
            self._take(self._waiting.popleft())
            await asyncio.sleep(0)  # others have their turn
        self._counting = None

    def _hear(self, piece: bytes | None) -> None:
        if self._counting is None:
            self._take(piece)
        else:
            self._waiting.append(piece)

    def _take(self, piece: bytes | None) -> None:
        """Begin to publish the lines of a piece, unless one was wrong; None is the end."""
        if self._is_closed:
            return
        try:
            if piece is None:
                self._take_end()
            else:
                self._publish(self._lines.feed(piece))
                self._bytes += len(piece)
            if self._lines.problem is not None and self._last_line is None:
                text, line = self._lines.problem
                self._last_line = _refusal_of(BadRequest(text), line)
                self._broker.reports.refused(self._topic, BadRequest(text))
        except Exception as error:  # noqa: BLE001  the boundary: one stream ends, not the broker
            self._stumble(error)
            return
        if self._is_closed:
            self._go_on_later()
        else:
            self._grant()

    def _take_end(self) -> None:
        declared = self._exchange.request.declared_length
        if declared is not None and declared != self._bytes:
            # Not every connection notices: the last line is torn.
            self._last_line = line_of(BodyCutShort(declared, self._bytes))
        else:
            self._publish(self._lines.feed_end())
        self._is_whole = True

    def _grant(self) -> None:
        """Let more come, unless too much of what came is not durable."""
        if self._is_over or self._confirms.unconfirmed_bytes <= MAX_UNCONFIRMED_BYTES:
            size, self._ungranted = self._ungranted, 0
            if size:
                self._exchange.grant(size)

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
                self._last_line = _refusal_of(error, self._line_of(lines[0]))
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

    def _go_on_later(self) -> None:
        """Tell what is durable in the next turn: what becomes so meanwhile is in the same line."""
        if not self._goes_on_later:
            self._goes_on_later = True
            asyncio.get_running_loop().call_soon(self._go_on)

    def _go_on(self) -> None:
        self._goes_on_later = False
        if self._is_over:
            return
        if self._is_closed and self._confirms.is_complete:
            self._end()
            return
        # The newest count, whenever the client has room for one.
        if self._exchange.queued <= ROOM_BYTES and (line := self._confirms.tell()):
            self._exchange.send(line)
        self._grant()

    def _stumble(self, error: Exception) -> None:
        self._on_error(error)
        self._last_line = line_of(MiniqueueError(FAILED))
        self._end()

    def _end(self) -> None:
        """Send the last line, and before it what the client was not told. Idempotent."""
        if self._is_over:
            return
        self._leave()
        news = self._confirms.tell()
        last = self._last_line or published_line(self._confirms.durable)
        self._exchange.end(news + last)

    def _leave(self) -> None:
        self._is_over = True
        if self._counting is not None:
            self._counting.cancel()
        self._waiting.clear()
        self._grant()
        self._membership.close()
        self._uploads.discard(self)


def _refusal_of(error: MiniqueueError, line: int) -> bytes:
    return bad_line(str(error), line, status_of(error), code_of(error))
