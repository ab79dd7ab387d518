"""How a fact becomes a line: JSON for machines, or colours for people.

Our own lines come from structlog. The libraries' come from the standard
logging, from WARNING up, and are handed to structlog here: one rendering, one
stream, each line once. A library that brings a handler of its own is told not
to where it is started, in http/servers/.

Loggers are not cached, so configuring again reaches all of them. Who logs many
lines a second keeps a `structlog.get_logger().bind()`.
"""

import io
import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Literal, TextIO

import structlog
from structlog.dev import ConsoleRenderer, plain_traceback
from structlog.processors import JSONRenderer, TimeStamper, add_log_level, format_exc_info
from structlog.typing import EventDict, ExcInfo, Processor, WrappedLogger

from miniqueue_py.legible import legible, legible_json, legible_text


def configure_logs(
    level: Literal["disabled", "debug", "info", "warn", "error"], *, human: bool, stream: TextIO
) -> None:
    """Send every line from now on to `stream`; level "disabled" sends none at all."""
    structlog.configure(
        processors=[_drop] if level == "disabled" else _rendering(human=human, stream=stream),
        wrapper_class=structlog.make_filtering_bound_logger(_LOWEST[level]),
        logger_factory=lambda *_: _Lines(stream),
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    for handler in root.handlers.copy():
        if isinstance(handler, _IntoStructlog):
            root.removeHandler(handler)
    root.addHandler(_IntoStructlog(logging.WARNING))


def dropped_line(*, human: bool, stream: TextIO) -> Callable[[int], str]:
    """Return what tells, as a line of the log, that so many could not be written."""
    processors = _rendering(human=human, stream=stream)

    def line(count: int) -> str:
        event: Any = {"event": "log.dropped", "lines": count}
        for process in processors:
            event = process(None, "warning", event)
        return str(event)

    return line


_UNICODE = {"utf-8", "utf8"}

# Nothing is above CRITICAL for structlog: _drop drops that too.
_LOWEST = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warn": logging.WARNING,
    "error": logging.ERROR,
    "disabled": logging.CRITICAL,
}


class _Lines:
    """Writes lines to a stream, and outlives it."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, line: str) -> None:
        # Nobody reads the log any more, or its disk is full: the broker goes on.
        with suppress(OSError, ValueError):
            self._stream.write(line + "\n")
            self._stream.flush()

    # structlog calls the method that is named like the level.
    debug = info = warning = error = critical = exception = write


class _IntoStructlog(logging.Handler):
    """Turns a library's record into a line like our own."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except (TypeError, ValueError):  # arguments that do not fit their format
            message = str(record.msg)
        structlog.get_logger().log(
            _known_level(record.levelno),
            "library.logged",
            logger=record.name,
            message=message,
            exc_info=record.exc_info,
        )


def _known_level(number: int) -> int:
    """Round a level down to one that structlog has a name for."""
    return max(
        known for known in (logging.WARNING, logging.ERROR, logging.CRITICAL) if known <= number
    )


def _rendering(*, human: bool, stream: TextIO) -> list[Processor]:
    common: list[Processor] = [add_log_level, TimeStamper(fmt="iso", utc=True)]
    if human:
        # plain_traceback: the default is rich's, where rich is installed.
        colours = stream.isatty()
        return [
            *common,
            _make_legible,
            ConsoleRenderer(
                sort_keys=False,
                pad_event_to=18,
                colors=colours,
                exception_formatter=_write_traceback,
            ),
        ]
    # What such a stream makes of the others is no JSON.
    is_ascii = (stream.encoding or "utf-8").lower() not in _UNICODE
    json_renderer = JSONRenderer(ensure_ascii=is_ascii)
    return [*common, format_exc_info, _put_the_fact_first, json_renderer, _make_json_legible]


def _make_legible(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    # What is no text is shown by its repr(), which is legible.
    return {
        name: legible(value) if isinstance(value, str) else value for name, value in event.items()
    }


def _make_json_legible(_: WrappedLogger, __: str, line: Any) -> str:
    return legible_json(line)


def _write_traceback(stream: TextIO, exc_info: ExcInfo) -> None:
    text = io.StringIO()
    plain_traceback(text, exc_info)
    stream.write(legible_text(text.getvalue().encode(errors="backslashreplace")).decode())


def _put_the_fact_first(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    first = {name: event.pop(name) for name in ("timestamp", "level", "event")}
    return {**first, **event}


def _drop(_: WrappedLogger, __: str, ___: EventDict) -> EventDict:
    raise structlog.DropEvent
