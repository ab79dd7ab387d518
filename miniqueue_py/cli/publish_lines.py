"""Publishing line by line: as fast as lines come, in their order, and none twice.

What was read is published, after Ctrl-C too: in a pipeline the command in front
of us has let go of it. So the pipe is emptied first, as far as its lines are
whole.
"""

from argparse import Namespace
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import anyio

from miniqueue_py.cli.lines import Bodies, Cutter, ReadLines, read_json, read_text
from miniqueue_py.cli.output import OK, note, print_json
from miniqueue_py.cli.progress import Bar, progress
from miniqueue_py.cli.running import Interruption
from miniqueue_py.cli.standard_input import STDIN, Kind, Source
from miniqueue_py.cli.watch import Watch, watched
from miniqueue_py.errors import MessageTooLong, MiniqueueError
from miniqueue_py.protocol.batch import BatchEntry

if TYPE_CHECKING:
    from miniqueue_py.client import Client, Publisher

EMPTYING_SECONDS = 2.0
"""For the command in front of us to end too, after a signal."""

DOUBT_SECONDS = 0.1
"""For a signal that comes with the end of a pipe."""


class BadInput(MiniqueueError):
    """A line cannot be published; those before it were."""

    def __init__(self, source: str, line: int, problem: str) -> None:
        super().__init__(f"{source}, line {line}: {problem}; what is before it is published")


async def publish_lines(queue: "Client", interruption: Interruption, options: Namespace) -> int:
    """Publish every line; return when all are stored."""
    names = options.files or [STDIN]
    publisher = queue.publisher(
        options.topic, delay=options.delay, ttl=options.ttl, priority=options.priority
    )
    read = read_json if options.json else read_text
    try:
        with interruption.ends_in_order(), _progress(names) as bar:
            async with publisher, watched(publisher) as watch:
                try:
                    for name in names:
                        with Source.open(name) as source:
                            if source.is_terminal:
                                note("every line you type is a message; end with Ctrl-D")
                            lines = _Lines(source, publisher, read, watch)
                            await lines.publish(interruption, bar)
                except OSError:
                    await publisher.flush()
                    raise
    except BadInput:
        raise  # it says what is published
    except (MiniqueueError, OSError) as error:
        error.add_note(f"published by now: {publisher.confirmed}")
        raise
    finally:
        if interruption.signal is not None:
            note(f"miniqueue: interrupted; published by now: {publisher.confirmed}")
    if options.json:
        print_json({"published": publisher.confirmed})
    return OK


def _progress(names: Sequence[str]) -> AbstractContextManager[Bar | None]:
    kinds = [Kind.of(name) for name in names]
    if any(kind.may_be_terminal for kind in kinds):
        return nullcontext()
    sizes = [kind.size for kind in kinds if kind.size is not None]
    return progress(sum(sizes) if len(sizes) == len(kinds) else None, "publishing")


class _Lines:
    """The lines of one source, on their way to a publisher."""

    def __init__(
        self, source: Source, publisher: "Publisher", read: ReadLines, watch: Watch
    ) -> None:
        self._source = source
        self._publisher = publisher
        self._read = read
        self._watch = watch
        self._cutter = Cutter()
        self._next_line = 1

    async def publish(self, interruption: Interruption, bar: Bar | None) -> None:
        while True:
            block = b""
            with interruption.stops(), self._watch.stops():
                block = await self._source.read()
            self._watch.check()
            if not block:
                break
            count = await self._publish(self._cutter.feed(block))
            if bar is not None:
                bar.advance(count, len(block))
        if self._source.is_pipe and self._cutter.has_begun:
            # A command that Ctrl-C ended in the middle of a line? It reaches us, too.
            with interruption.stops():
                await anyio.sleep(DOUBT_SECONDS)
        if interruption.signal is None:
            await self._publish(self._cutter.feed_end())
        elif self._source.is_pipe:
            await self._empty()

    async def _empty(self) -> None:
        """Publish what is in the pipe, but no line whose end may be missing."""
        with anyio.move_on_after(EMPTYING_SECONDS):
            while block := await self._source.read():
                await self._publish(self._cutter.feed(block))

    async def _publish(self, whole: bytes) -> int:
        """Publish whole lines, and return how many messages they were."""
        first, sent = self._next_line, self._publisher.sent
        self._next_line += whole.count(b"\n")
        messages, problem = self._read(whole, first)
        for each in messages:
            if isinstance(each, Bodies):
                await self._send_many(each)
            else:
                await self._send_one(each)
        self._watch.look()
        if problem is not None:
            raise await self._bad(problem.line, problem.error)
        if self._cutter.is_too_long:
            raise await self._bad(self._next_line, "it is longer than any message can be")
        return self._publisher.sent - sent

    async def _send_many(self, messages: Bodies) -> None:
        lines, bodies = messages
        try:
            await self._publisher.send_many(bodies)
        except MessageTooLong as error:
            index = next(i for i, body in enumerate(bodies) if len(body) > error.limit)
            await self._publisher.send_many(bodies[:index])
            raise await self._bad(lines[index], error) from error

    async def _send_one(self, message: BatchEntry) -> None:
        try:
            await self._publisher.send(
                message.body,
                delay=message.delay_seconds,
                ttl=message.ttl_seconds,
                priority=message.priority,
                key=message.key,
            )
        except MessageTooLong as error:
            raise await self._bad(message.line, error) from error

    async def _bad(self, line: int, problem: object) -> BadInput:
        await self._publisher.flush()
        return BadInput(self._source.name, line, str(problem))
