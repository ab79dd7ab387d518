"""`miniqueue topics`: what there is, and how much of it."""

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import TYPE_CHECKING

from miniqueue_py.cli.connection import add_connection_options
from miniqueue_py.cli.legible import legible
from miniqueue_py.cli.output import (
    OK,
    age_in_words,
    note,
    print_json,
    print_table,
    size_in_words,
)
from miniqueue_py.cli.parser import CommandParser
from miniqueue_py.cli.running import Interruption, run

if TYPE_CHECKING:
    from miniqueue_py.client import Client, Topic

_HEAD = ("topic", "ready", "in flight", "delayed", "consumers", "size", "oldest", "")


def topics(words: Sequence[str]) -> int:
    options = parser().parse_args(words)

    async def work(queue: "Client", _: Interruption) -> int:
        rows = []
        is_empty = True
        async for topic in queue.topics():
            is_empty = False
            if options.names:
                print(legible(topic.name) if sys.stdout.isatty() else topic.name)
            elif options.json:
                print_json(topic.as_json())
            else:
                rows.append(_row(topic))
        if rows:
            print_table(_HEAD, rows)
        if is_empty:
            note("miniqueue: there are no topics; the first publish to one makes it")
        return OK

    return run(options, work)


def parser() -> ArgumentParser:
    parser = CommandParser("topics", "[options]", "List the topics by name, with what is in each.")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--names", action="store_true", help="print names only, one on a line")
    form.add_argument("--json", action="store_true", help="print a JSON object for each")
    add_connection_options(parser)
    return parser


def _row(topic: "Topic") -> list[str]:
    return [
        legible(topic.name),
        f"{topic.ready:,}",
        f"{topic.in_flight:,}",
        f"{topic.delayed:,}",
        f"{topic.consumers:,}",
        size_in_words(topic.bytes),
        age_in_words(topic.oldest_age_seconds),
        "paused" if topic.paused else "",
    ]
