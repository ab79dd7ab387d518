"""`miniqueue redrive`: send dead letters back to the topics that they came from."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from miniqueue_py.cli.connection import add_connection_options
from miniqueue_py.cli.output import OK, note, print_json
from miniqueue_py.cli.parser import CommandParser, duration, whole_number
from miniqueue_py.cli.running import Interruption, run
from miniqueue_py.protocol.topics import REASONS

if TYPE_CHECKING:
    from miniqueue_py.client import Client

_MOST = 2**31 - 1


def redrive(words: Sequence[str]) -> int:
    options = parser().parse_args(words)

    async def work(queue: "Client", _: Interruption) -> int:
        redriven = await queue.redrive(
            options.topic,
            options.most,
            ids=options.id,
            reason=options.reason,
            older_than=options.older_than,
            to=options.to,
        )
        if options.json:
            print_json({"redriven": redriven})
        else:
            print(f"sent back: {redriven:,}")
        sys.stdout.flush()  # so that the note is behind it, where both go to one place
        if not redriven and _is_narrowed(options):
            note(f"miniqueue: {options.topic} holds no such dead letters")
        elif not redriven:
            where = (await queue.topic(options.topic)).dead_letter_topic
            note(f"miniqueue: {options.topic} holds no dead letters; its own are in {where}")
        return OK

    return run(options, work)


def _is_narrowed(options: Namespace) -> bool:
    return any(each is not None for each in (options.id, options.reason, options.older_than))


def parser() -> ArgumentParser:
    parser = CommandParser(
        "redrive",
        "[options] TOPIC",
        "Send the dead letters that TOPIC holds, such as orders.dead, back to the topics they "
        "came from, as if they had never been tried.",
    )
    parser.add_argument("topic", metavar="TOPIC", help="the topic that holds them")
    parser.add_argument(
        "--id", action="append", metavar="ID", help="only this message; may be said again"
    )
    parser.add_argument("--reason", choices=REASONS, help="only those that died of this")
    parser.add_argument(
        "--older-than", type=duration, metavar="TIME", help="only those that died so long ago"
    )
    parser.add_argument(
        "--most", type=whole_number(1, _MOST), metavar="N", help="no more than so many"
    )
    parser.add_argument(
        "--to", metavar="WHERE", help="another topic, or `first`: where each died first"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_connection_options(parser)
    return parser
