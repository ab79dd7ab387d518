"""`miniqueue work`: do tasks with functions of one's own, as many at once as is said."""

import os
import signal
import sys
import threading
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from miniqueue_py.cli.connection import add_connection_options, credentials
from miniqueue_py.cli.importing import import_object
from miniqueue_py.cli.output import OK
from miniqueue_py.cli.parser import CommandParser, duration, whole_number
from miniqueue_py.cli.running import OF_A_SIGNAL, complain_of
from miniqueue_py.descriptor_writer import unblocked_stderr, unblocked_stdout
from miniqueue_py.errors import BadSetting, BadTopicName, MiniqueueError
from miniqueue_py.topic_names import check_topic_name

if TYPE_CHECKING:
    from miniqueue_py.client import Worker

MOST_AT_ONCE = 10_000
AT_ONCE = 8

_WHILE_THREADS_END = 0.2
"""Seconds; those with nothing to do end by themselves."""


def work(words: Sequence[str]) -> int:
    options = parser().parse_args(words)
    worker = _make_worker(options)
    # Here, and not on top: a help needs no logging.
    from miniqueue_py.cli.work_log import dropped_line, printed_line, work_log  # noqa: PLC0415

    log, printed = dropped_line(as_json=options.json), printed_line(as_json=options.json)
    with unblocked_stderr(log), unblocked_stdout(printed), work_log(as_json=options.json):
        try:
            signals = worker.run()
        except MiniqueueError as error:
            return complain_of(error)
    status = _status_after(signals)
    _leave_threads(status)
    return status


def parser() -> ArgumentParser:
    parser = CommandParser(
        "work",
        "[options] MODULE:NAME",
        "Do tasks. NAME in MODULE is a function, or a dict of functions by type of task.",
    )
    parser.add_argument("functions", metavar="MODULE:NAME", help="such as jobs:handlers")
    parser.add_argument(
        "--concurrency",
        type=whole_number(1, MOST_AT_ONCE),
        default=AT_ONCE,
        metavar="N",
        help=f"do so many at once ({AT_ONCE})",
    )
    # These two defaults are the client's, and a help needs no client: a test compares the words.
    parser.add_argument("--topic", metavar="TOPIC", help="where they are (tasks)")
    parser.add_argument(
        "--lease",
        type=duration,
        metavar="TIME",
        help="a worker not heard of for so long is given up (5m)",
    )
    parser.add_argument(
        "--drain",
        type=duration,
        default=30.0,
        metavar="TIME",
        help="for what runs to end, after a signal (30s)",
    )
    parser.add_argument(
        "--app-dir", default=".", metavar="DIR", help="where MODULE is, if not installed (.)"
    )
    parser.add_argument("--json", action="store_true", help="write the log as JSON lines")
    add_connection_options(parser)
    return parser


def _make_worker(options: Namespace) -> "Worker":
    """Return what is ready to run. Raises BadSetting."""
    functions = import_object(options.functions, options.app_dir)
    from miniqueue_py.client import Worker  # noqa: PLC0415  as make_client
    from miniqueue_py.client.client import LONGEST_LEASE, SHORTEST_LEASE  # noqa: PLC0415
    from miniqueue_py.client.errors import BadHandler  # noqa: PLC0415
    from miniqueue_py.client.worker.task_handlers import LEASE_SECONDS, TOPIC  # noqa: PLC0415

    topic = TOPIC if options.topic is None else options.topic
    lease = LEASE_SECONDS if options.lease is None else options.lease
    if not SHORTEST_LEASE <= lease <= LONGEST_LEASE:
        problem = f"{lease:g} s is not from {SHORTEST_LEASE:g} to {LONGEST_LEASE:g}"
        raise BadSetting("work", f"--lease: {problem}")
    try:
        worker = Worker(
            options.url,
            **credentials(options),
            retry_by_policy=True,
            drain_seconds=options.drain,
        )
        worker.handles_tasks(
            functions,
            topic=check_topic_name(topic),
            concurrency=options.concurrency,
            lease=lease,
        )
    except BadHandler as error:
        raise BadSetting("work", f"{options.functions}: {error}") from error
    except BadTopicName as error:
        raise BadSetting("work", f"--topic: {error}") from error
    return worker


def _status_after(signals: Sequence[signal.Signals]) -> int:
    if list(signals) in ([], [signal.SIGTERM], [signal.SIGHUP]):
        return OK  # as it was told to: what ran is done
    return OF_A_SIGNAL + signals[-1]


def _leave_threads(status: int) -> None:
    """Do not wait for a function that did not end in time: its task is given back."""
    for thread in threading.enumerate():
        if thread is threading.current_thread() or thread.daemon:
            continue
        thread.join(_WHILE_THREADS_END)
        if thread.is_alive():
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
