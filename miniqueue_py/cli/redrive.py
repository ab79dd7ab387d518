"""`miniqueue redrive`: send dead letters back to the topics that they came from."""

from argparse import ArgumentParser
from collections.abc import Sequence
from typing import TYPE_CHECKING

from miniqueue_py.cli.connection import add_connection_options
from miniqueue_py.cli.output import OK, note, print_json
from miniqueue_py.cli.parser import CommandParser, whole_number
from miniqueue_py.cli.running import Interruption, run

if TYPE_CHECKING:
    from miniqueue_py.client import Client

_MOST = 2**31 - 1


def redrive(words: Sequence[str]) -> int:
    options = parser().parse_args(words)

    async def work(queue: "Client", _: Interruption) -> int:
        redriven = await queue.redrive(options.topic, options.most)
        if not redriven:
            where = (await queue.topic(options.topic)).dead_letter_topic
            note(f"miniqueue: {options.topic} holds no dead letters; its own are in {where}")
        if options.json:
            print_json({"redriven": redriven})
        else:
            print(f"sent back: {redriven:,}")
        return OK

    return run(options, work)


def parser() -> ArgumentParser:
    parser = CommandParser(
        "redrive",
        "[options] TOPIC",
        "Send the dead letters that TOPIC holds, such as orders.dead, back to the topics they "
        "came from, as if they had never been tried.",
    )
    parser.add_argument("topic", metavar="TOPIC", help="the topic that holds them")
    parser.add_argument(
        "--most", type=whole_number(1, _MOST), metavar="N", help="no more than so many"
    )
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_connection_options(parser)
    return parser
