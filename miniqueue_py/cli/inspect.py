"""`miniqueue inspect`: look into a database that no broker has open, and change nothing."""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from miniqueue_py.broker.clock import SystemClock
from miniqueue_py.cli.inspect_report import as_json, print_inspection
from miniqueue_py.cli.legible import legible
from miniqueue_py.cli.output import FAILED, OK, complain, print_json
from miniqueue_py.cli.parser import CommandParser, database_directory, whole_number
from miniqueue_py.cli.progress import progress
from miniqueue_py.cli.unwinding import unwound_by_sigterm
from miniqueue_py.errors import BadSetting, DatabaseRefused, TopicNotFound

if TYPE_CHECKING:
    from miniqueue_py.storage.ordered.offline.inspection import Inspection

_MESSAGES = 10
_MOST_MESSAGES = 1_000_000


def inspect(words: Sequence[str]) -> int:
    """Tell what is in a database; say in the status whether it is whole."""
    options = parser().parse_args(words)
    if options.messages is None:
        options.messages = _MESSAGES
    elif options.topic is None:
        raise BadSetting("inspect", "--messages is of a topic: name it with --topic")
    try:
        with unwound_by_sigterm():
            inspection = _inspect(options)
    except (DatabaseRefused, TopicNotFound) as error:
        return complain(error, FAILED)
    now = SystemClock().now()
    if options.json:
        print_json(as_json(inspection, options.topic, now))
    else:
        print_inspection(inspection, options.topic, now)
    for damage in inspection.damages:
        complain(f"{inspection.path} is damaged: {legible(damage)}", FAILED)
    return FAILED if inspection.damages else OK


def parser() -> ArgumentParser:
    parser = CommandParser(
        "inspect",
        "DIR [--topic TOPIC [--messages N]] [--check] [--json]",
        "Tell what is in a database that no broker has open. Nothing in DIR is changed. "
        "What was in flight is ready again. Of a damaged database it tells what is damaged.",
    )
    parser.add_argument(
        "directory", type=database_directory, metavar="DIR", help="what the broker has as -db"
    )
    parser.add_argument("--topic", metavar="TOPIC", help="tell of this one, and its messages")
    parser.add_argument(
        "-n",
        "--messages",
        type=whole_number(0, _MOST_MESSAGES),
        metavar="N",
        help=f"show so many of them ({_MESSAGES})",
    )
    parser.add_argument(
        "--check", action="store_true", help="read every message; takes its time on large ones"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    return parser


def _inspect(options: Namespace) -> "Inspection":
    # Here, and not on top: a help needs no LevelDB.
    from miniqueue_py.storage.ordered.offline.inspection import inspect_database  # noqa: PLC0415

    if not options.check:
        return inspect_database(options.directory, topic=options.topic, most=options.messages)
    with progress(None, "checking") as bar:
        return inspect_database(
            options.directory, topic=options.topic, most=options.messages, check=bar.advance
        )
