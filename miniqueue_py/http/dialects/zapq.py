"""ZapQ's API: one queue of bytes, first in first out, at most once.

Its queue is the topic `zapq`. Counters are of what went through these pages
since the start, or since /clear. What is taken is gone, whether its consumer
gets it or not.
"""

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from quart import Blueprint, Response, request
from quart.blueprints import BlueprintSetupState
from werkzeug.exceptions import RequestEntityTooLarge

from miniqueue_py.broker.administration import Administration
from miniqueue_py.broker.admission import Caps
from miniqueue_py.broker.broker import Broker
from miniqueue_py.broker.message import Publication
from miniqueue_py.broker.snapshots import Snapshots
from miniqueue_py.broker.storage import TopicStatistics
from miniqueue_py.errors import (
    BadParameter,
    BodyCutShort,
    MessageTooLong,
    MiniqueueError,
    TopicFull,
    TopicNotFound,
)
from miniqueue_py.http.dialects.options import ZAPQ, ZapqOptions
from miniqueue_py.http.dialects.snapshot_files import (
    SnapshotDirectory,
    SnapshotFailed,
    check_file_name,
)
from miniqueue_py.http.json_bodies import answer, nothing
from miniqueue_py.http.query import Query
from miniqueue_py.http.refusing import refusing

LONGEST_MESSAGE_BYTES = 128 << 10

READ_ON_BYTES = 8 << 20
"""Of a longer body, no more is read before it is refused."""

_GO_SAYS = {404: "404 page not found", 405: "Method Not Allowed"}


def zapq(
    broker: Broker, administration: Administration, snapshots: Snapshots, options: ZapqOptions
) -> Blueprint:
    """Return ZapQ's pages."""
    pages = Blueprint("zapq", __name__)
    queue = _Queue(broker, administration, snapshots, options)
    pages.post("/enqueue")(queue.enqueue)
    pages.get("/dequeue")(queue.dequeue)
    pages.post("/clear")(queue.clear)
    pages.post("/persist")(queue.persist)
    pages.post("/load")(queue.load)
    pages.get("/metrics")(queue.metrics)
    pages.get("/health")(queue.health)
    pages.record_once(_refuse_head)
    return pages


def explain_zapq(status: int, text: str) -> Response:
    """Say what went wrong as Go's http.Error does."""
    body = f"{_GO_SAYS.get(status, text)}\n".encode(errors="backslashreplace")
    headers = {"x-content-type-options": "nosniff"}
    return Response(body, status, headers, content_type="text/plain; charset=utf-8")


def _refuse_head(state: BlueprintSetupState) -> None:
    """Undo what every GET page brings along: a HEAD would take a message, and show it to nobody."""
    for rule in state.app.url_map.iter_rules("zapq.dequeue"):
        rule.methods = {"GET"}


class _PayloadTooLarge(MessageTooLong):
    """The message is longer than ZapQ takes, or the broker: send less."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.args = (f"Payload Too Large: a message has at most {limit} bytes",)


class _NoSnapshots(MiniqueueError):
    """There is no directory for them: start the broker with one."""

    def __init__(self) -> None:
        super().__init__(
            "there is no snapshot directory; start the broker with -zapq-snapshots DIR"
        )


@dataclass(slots=True)
class _Counters:
    enqueued: int = 0
    dequeued: int = 0
    missed: int = 0


class _Queue:
    def __init__(
        self,
        broker: Broker,
        administration: Administration,
        snapshots: Snapshots,
        options: ZapqOptions,
    ) -> None:
        self._broker = broker
        self._administration = administration
        self._snapshots = snapshots
        self._options = options
        self._caps = Caps(options.max_msgs, options.max_bytes)
        self._longest_bytes = min(LONGEST_MESSAGE_BYTES, broker.limits.max_message_bytes)
        self._counters = _Counters()
        self._since = broker.clock.now()
        self._writing = asyncio.Lock()
        """One snapshot is written at a time: each draft takes as much of the disk as the queue."""
        self._directory = SnapshotDirectory(options.snapshots) if options.snapshots else None
        if self._directory is not None:
            self._directory.remove_drafts()

    async def enqueue(self) -> Response:
        with refusing(self._broker, ZAPQ):
            body = await self._read_message()
        try:
            await self._broker.publish(ZAPQ, [Publication([body])], caps=self._caps)
        except TopicFull as error:
            raise TopicFull(f"Queue Full: {error}") from error
        self._counters.enqueued += 1
        return nothing(202)

    async def dequeue(self) -> Response:
        taken = await self._broker.take(ZAPQ, 1, 0.0)
        if not taken:
            self._counters.missed += 1
            return nothing(204)
        self._counters.dequeued += 1
        return Response(taken[0].message.body, 200, content_type="application/octet-stream")

    async def clear(self) -> Response:
        # Not purged: that would take the policy, which is the operator's, too.
        loaded = await self._snapshots.load(ZAPQ, _nothing())
        self._broker.tell_loaded(ZAPQ, loaded)
        self._counters = _Counters()
        return nothing(200)

    async def persist(self) -> Response:
        directory, name = self._find_file()
        async with self._writing, aclosing(self._snapshots.read(ZAPQ)) as slices:
            await directory.write(name, slices)
        return nothing(200)

    async def load(self) -> Response:
        directory, name = self._find_file()
        async with aclosing(directory.read(name, self._longest_bytes)) as slices:
            loaded = await self._snapshots.load(ZAPQ, self._within_caps(name, slices))
        self._broker.tell_loaded(ZAPQ, loaded)
        return nothing(200)

    async def metrics(self) -> Response:
        counters, held = self._counters, self._statistics()
        return answer(
            {
                "uptime_sec": max(0, int(self._broker.clock.now() - self._since)),
                "enqueue_count": counters.enqueued,
                "dequeue_count": counters.dequeued,
                "dequeue_miss": counters.missed,
                "queue_length": held.ready + held.in_flight + held.delayed + held.arriving,
                "queue_bytes": held.bytes,
                "max_bytes": self._options.max_bytes,
                "max_msgs": self._options.max_msgs,
                "open_fds": _count_open_files(),
                "tasks": len(asyncio.all_tasks()),
            }
        )

    async def health(self) -> Response:
        return Response("ok", 200, content_type="text/plain; charset=utf-8")

    async def _read_message(self) -> bytes:
        """Return the body. Raises _PayloadTooLarge and BodyCutShort.

        One that is too long is read on for a while, and thrown away: some
        clients never see an answer that comes while they send.
        """
        declared = request.content_length
        if declared is not None and declared > READ_ON_BYTES:
            raise _PayloadTooLarge(self._longest_bytes)
        body, size = bytearray(), 0
        try:
            async for piece in request.body:
                size += len(piece)
                if size > READ_ON_BYTES:
                    break
                if size > self._longest_bytes:
                    body.clear()
                else:
                    body += piece
        except RequestEntityTooLarge:
            raise _PayloadTooLarge(self._longest_bytes) from None
        if size > self._longest_bytes:
            raise _PayloadTooLarge(self._longest_bytes)
        if declared is not None and declared != size:
            raise BodyCutShort(declared, size)
        return bytes(body)

    def _find_file(self) -> tuple[SnapshotDirectory, str]:
        """Return where the file of the query is. Raises BadParameter and _NoSnapshots."""
        query = Query(request.scope["query_string"])
        name = query.read("file", check_file_name, None)
        if name is None:
            raise BadParameter("file", "is missing; name one, as in ?file=queue.json")
        if self._directory is None:
            raise _NoSnapshots
        return self._directory, name

    async def _within_caps(
        self, name: str, slices: AsyncIterable[Sequence[bytes]]
    ) -> AsyncIterator[Sequence[bytes]]:
        """Pass slices on as long as they are together no more than the queue holds."""
        messages = size = 0
        async for bodies in slices:
            messages += len(bodies)
            size += sum(map(len, bodies))
            self._check("-zapq-max-msgs", messages, self._options.max_msgs, name)
            self._check("-zapq-max-bytes", size, self._options.max_bytes, name)
            yield bodies

    @staticmethod
    def _check(setting: str, held: int, most: int, name: str) -> None:
        if held > most:
            raise SnapshotFailed(name, "loaded", f"it holds more than {setting}, which is {most}")

    def _statistics(self) -> TopicStatistics:
        try:
            return self._administration.overview(ZAPQ).statistics
        except TopicNotFound:  # nothing was ever put into it
            return TopicStatistics()


async def _nothing() -> AsyncIterator[Sequence[bytes]]:
    nothing_at_all: Sequence[Sequence[bytes]] = ()
    for bodies in nothing_at_all:
        yield bodies


def _count_open_files() -> int | None:
    try:
        return sum(1 for _ in Path("/proc/self/fd").iterdir())
    except OSError:  # there is no /proc, or no descriptor left to look with
        return None
