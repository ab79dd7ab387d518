"""Running a command against a broker, to its end or to a signal, and its exit status.

At Ctrl-C, SIGTERM or SIGHUP a command stops waiting, and ends as it always does: what
was printed is acknowledged, what was not goes back. If that takes too long it
is cut off, and at a second signal the process ends at once; the broker gives
back what was in flight then.
"""

import logging
import os
import signal
import sys
from argparse import Namespace
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from miniqueue_py.cli.connection import make_client
from miniqueue_py.cli.output import FAILED, NO_CONNECTION, OK, USAGE, complain, note, with_notes
from miniqueue_py.descriptor_writer import DescriptorWriter, unblocked_stderr
from miniqueue_py.errors import BadRequest, Contradiction, MessageTooLong, MiniqueueError
from miniqueue_py.event_loop import has_uvloop
from miniqueue_py.signals import ending_signals

if TYPE_CHECKING:
    from anyio import CancelScope
    from anyio.abc import TaskStatus

    from miniqueue_py.client import Client

ENDING_SECONDS = 5.0
"""For the last confirms and settlements after a signal."""

_CURSOR_SECONDS = 0.2
"""A terminal that shows nothing, after Ctrl-S, does not hold up the end."""

OF_A_SIGNAL = 128


class Interruption:
    """Whether a signal came, and what it stops."""

    def __init__(self, everything: "CancelScope") -> None:
        self.signal: int | None = None
        self._everything = everything
        self._is_orderly = False
        self._waiting: CancelScope | None = None

    def __repr__(self) -> str:
        return f"<Interruption by {self.signal}>"

    @contextmanager
    def ends_in_order(self) -> Iterator[None]:
        """Let the block come to its end after a signal, within ENDING_SECONDS.

        Only what waits inside `stops` is stopped. Without such a block all is.
        """
        self._is_orderly = True
        try:
            yield
        finally:
            self._is_orderly = False

    @contextmanager
    def stops(self) -> Iterator[None]:
        """Leave the block when a signal comes, or has come."""
        import anyio  # noqa: PLC0415  as make_client

        with anyio.CancelScope() as waiting:
            if self.signal is not None:
                waiting.cancel()
            self._waiting = waiting
            try:
                yield
            finally:
                self._waiting = None

    async def watch(self, *, task_status: "TaskStatus[None]") -> None:
        import anyio  # noqa: PLC0415  as make_client

        with anyio.open_signal_receiver(*ending_signals()) as signals:
            task_status.started()
            async for number in signals:
                if number == signal.SIGHUP and self.signal is not None:
                    continue  # a terminal that closes says so twice
                if self.signal is not None:
                    _show_cursor()
                    os._exit(OF_A_SIGNAL + number)
                self.signal = number
                if not self._is_orderly:
                    self._everything.cancel()
                    continue
                self._everything.deadline = anyio.current_time() + ENDING_SECONDS
                if self._waiting is not None:
                    self._waiting.cancel()


def _show_cursor() -> None:
    """Clear the line and show the cursor again, as a progress bar does when it ends normally."""
    if sys.stderr.isatty() and os.environ.get("TERM") not in {None, "", "dumb"}:
        print("\r\x1b[2K\x1b[?25h", end="", file=sys.stderr, flush=True)
        writer = getattr(sys.stderr, "buffer", None)
        if isinstance(writer, DescriptorWriter):
            writer.wait_written(_CURSOR_SECONDS)


class _Notes(logging.Handler):
    """Says on stderr what the client has to wait for, and that it is there again."""

    def emit(self, record: logging.LogRecord) -> None:
        waits = "; trying again" if record.levelno >= logging.WARNING else ""
        note(f"miniqueue: {record.getMessage()}{waits}")


@contextmanager
def _notes() -> Iterator[None]:
    """Write what the client says while the block runs."""
    clients, notes = logging.getLogger("miniqueue.client"), _Notes()
    before = clients.level
    clients.addHandler(notes)
    clients.setLevel(logging.INFO)
    try:
        yield
    finally:
        clients.removeHandler(notes)
        clients.setLevel(before)


Work = Callable[["Client", Interruption], Awaitable[int]]


def run(
    options: Namespace, work: Work, *, wait_when_full: bool = True, patience_seconds: float = 30.0
) -> int:
    """Do the work with a client that is connected; return the exit status."""
    import anyio  # noqa: PLC0415  as make_client

    async def with_client(interruption: Interruption) -> int:
        client = make_client(
            options, wait_when_full=wait_when_full, patience_seconds=patience_seconds
        )
        async with client as queue:
            return await work(queue, interruption)

    with unblocked_stderr(), _notes():
        return anyio.run(_to_the_end, with_client, backend_options={"use_uvloop": has_uvloop()})


async def _to_the_end(work: Callable[[Interruption], Awaitable[int]]) -> int:
    import anyio  # noqa: PLC0415  as make_client

    status, problem = OK, None
    with anyio.CancelScope() as everything:
        interruption = Interruption(everything)
        async with anyio.create_task_group() as tasks:
            await tasks.start(interruption.watch)
            # Kept, and raised outside: a task group would wrap it.
            try:
                status = await work(interruption)
            except (MiniqueueError, OSError) as error:
                problem = error
            tasks.cancel_scope.cancel()
    match problem:
        case OSError():
            raise problem
        case MiniqueueError():
            status = complain_of(problem)
    if interruption.signal is not None:
        return OF_A_SIGNAL + interruption.signal
    return status


def complain_of(problem: MiniqueueError) -> int:
    """Say what went wrong with the broker, or on the way to it; return the exit status."""
    return complain(_in_options(problem), _status_of(problem))


_OPTIONS = {
    "for `miniqueue serve` give ca=certs/ca.pem": (
        "if it runs by `miniqueue serve`, its CA is certs/ca.pem where that was started: "
        "give it as --ca FILE, or in MINIQUEUE_CA"
    ),
    "give certificate= and key=": "give --client-cert and --client-key",
    "give key= too": "give --client-key too",
}
"""What the client advises who writes a program, and what to do here."""


def _in_options(error: MiniqueueError) -> str:
    words = str(error)
    for advice, ours in _OPTIONS.items():
        words = words.replace(advice, ours)
    return with_notes(words, error)


def _status_of(error: MiniqueueError) -> int:
    from miniqueue_py.client.errors import CannotConnect  # noqa: PLC0415
    from miniqueue_py.errors import ConnectionLost  # noqa: PLC0415

    match error:
        case CannotConnect() | ConnectionLost():
            return NO_CONNECTION
        case MessageTooLong():
            return FAILED
        case BadRequest() | Contradiction():
            return USAGE
        case _:
            return FAILED
