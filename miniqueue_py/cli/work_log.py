"""What became of each task, in a line on stderr: for people, or as JSON.

The worker says it by the standard logging, with what it is of beside the words.
"""

import json
import logging
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from functools import partial
from typing import Any, assert_never

from miniqueue_py.cli.legible import counted, legible, legible_text
from miniqueue_py.client.delivery import Delivery
from miniqueue_py.client.worker.handlers import Attempt
from miniqueue_py.client.worker.outcomes import Buried, Done, GivenBack, GivenUp, Outcome, SetAside


@contextmanager
def work_log(*, as_json: bool) -> Iterator[None]:
    """Write what a worker says while the block runs."""
    ours, workers = logging.getLogger("miniqueue"), logging.getLogger("miniqueue.worker")
    clients = logging.getLogger("miniqueue.client")
    before = ours.propagate, workers.level, clients.level
    lines = _Lines(as_json=as_json)
    ours.addHandler(lines)
    # Or who configures logging in the module has each line twice.
    ours.propagate = False
    workers.setLevel(logging.DEBUG)
    clients.setLevel(logging.INFO)  # that a subscription is back
    try:
        yield
    finally:
        ours.removeHandler(lines)
        ours.propagate, *levels = before
        for logger, level in zip((workers, clients), levels, strict=True):
            logger.setLevel(level)


def dropped_line(*, as_json: bool) -> Callable[[int], str]:
    """Return what tells that so many lines of the log could not be written."""
    return partial(_lost, as_json, "log.dropped", "of this log")


def printed_line(*, as_json: bool) -> Callable[[int], str]:
    """Return what tells that so many lines of the functions could not be written."""
    return partial(_lost, as_json, "output.dropped", "that functions printed")


def _lost(as_json: bool, event: str, which: str, count: int) -> str:
    now = time.time()
    if as_json:
        facts = {"timestamp": _instant(now), "level": "warning", "event": event, "lines": count}
        return json.dumps(facts, separators=(",", ":"))
    return f"{_clock(now)} dropped, for nobody read them: {counted(count, 'line')} {which}"


class _Lines(logging.Handler):
    def __init__(self, *, as_json: bool) -> None:
        super().__init__()
        self._render = _as_json if as_json else _as_text

    def emit(self, record: logging.LogRecord) -> None:
        # Nobody reads the log any more, or its disk is full: the work goes on.
        with suppress(OSError, ValueError):
            sys.stderr.write(self._render(record) + "\n")
            sys.stderr.flush()


def _as_text(record: logging.LogRecord) -> str:
    now = _clock(record.created)
    attempt: Attempt | None = getattr(record, "attempt", None)
    if attempt is None:
        return f"{now} {legible(record.getMessage())}"
    outcome: Outcome | None = record.outcome  # type: ignore[attr-defined]  # comes with attempt
    line = f"{now} {legible(attempt.name)}: {legible(_words_for(outcome, attempt))}"
    if not record.exc_info or attempt.raised is None:
        return line
    trace = _trace_of(attempt.raised).rstrip()
    return f"{line}\n{legible_text(trace.encode(errors='replace')).decode()}"


def _clock(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).astimezone().strftime("%H:%M:%S")


def _instant(moment: float) -> str:
    return datetime.fromtimestamp(moment, UTC).isoformat().replace("+00:00", "Z")


def _words_for(outcome: Outcome | None, attempt: Attempt) -> str:
    took = f"in {attempt.seconds:.3f} s"
    match outcome:
        case None if attempt.raised is None:
            return f"settled by its function {took}"
        case None:
            return f"settled by its function, which failed {took}"
        case Done():
            return f"done {took}"
        case SetAside(seconds, has_failed) | GivenBack(seconds, has_failed):
            return f"{'failed' if has_failed else 'put off'} {took}, again in {seconds:.3g} s"
        case GivenUp():
            return f"failed {took}, for the last time: dead letter"
        case Buried(why):
            return f"dead letter: {why}"
        case _:
            assert_never(outcome)


def _as_json(record: logging.LogRecord) -> str:
    level = record.levelname.lower() if record.levelno > logging.DEBUG else "info"
    facts: dict[str, Any] = {"timestamp": _instant(record.created), "level": level}
    attempt: Attempt | None = getattr(record, "attempt", None)
    if attempt is None:
        facts |= {"event": "worker.said", "message": record.getMessage()}
    else:
        facts |= _facts_of(record.delivery, attempt, record.outcome)  # type: ignore[attr-defined]
        if record.exc_info and attempt.raised is not None:
            facts["error"] = traceback.format_exception_only(attempt.raised)[-1].strip()
            facts["traceback"] = _trace_of(attempt.raised)
    return json.dumps(facts, separators=(",", ":"), default=str)


def _facts_of(delivery: Delivery, attempt: Attempt, outcome: Outcome | None) -> dict[str, Any]:
    task = attempt.task
    facts: dict[str, Any] = {
        "event": f"task.{_event_of(outcome)}",
        "task_id": task.id if task else None,
        "type": task.type if task else None,
        "message_id": delivery.message_id,
        "attempt": delivery.attempt,
        "seconds": round(attempt.seconds, 6),
    }
    match outcome:
        case SetAside(seconds) | GivenBack(seconds):
            facts["again_in_seconds"] = round(seconds, 3)
        case Buried(why):
            facts["reason"] = why
    return facts


def _event_of(outcome: Outcome | None) -> str:
    match outcome:
        case None:
            return "settled"
        case Done():
            return "done"
        case GivenUp() | Buried():
            return "dead"
        case SetAside() | GivenBack():
            return "retried"
        case _:
            assert_never(outcome)


def _trace_of(raised: BaseException) -> str:
    """Return a traceback that begins in the user's own code."""
    trace = raised.__traceback__
    while trace is not None and _is_ours(trace.tb_frame.f_globals.get("__name__")):
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(raised), raised, trace))


def _is_ours(module: str | None) -> bool:
    return module is not None and module.startswith("miniqueue_py.")
