"""`miniqueue purge`: remove a topic, and everything that is in it."""

import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import TYPE_CHECKING

from miniqueue_py.cli.connection import add_connection_options
from miniqueue_py.cli.legible import legible
from miniqueue_py.cli.output import FAILED, OK, complain, print_json
from miniqueue_py.cli.parser import CommandParser
from miniqueue_py.cli.running import Interruption, run
from miniqueue_py.errors import BadSetting

if TYPE_CHECKING:
    from miniqueue_py.client import Client, Topic


def purge(words: Sequence[str]) -> int:
    options = parser().parse_args(words)
    if not options.yes and not sys.stdin.isatty():
        raise BadSetting("purge", "there is no terminal to ask on; --yes removes without asking")

    async def work(queue: "Client", _: Interruption) -> int:
        # The broker takes a DELETE of what is not there for done; people mistype names.
        topic = await queue.topic(options.topic)
        if not options.yes and not await _ask(topic):
            return complain("nothing was removed", FAILED)
        await queue.purge(options.topic)
        if options.json:
            print_json({"purged": options.topic})
        return OK

    return run(options, work)


def parser() -> ArgumentParser:
    parser = CommandParser(
        "purge",
        "[options] TOPIC",
        "Remove a topic: all its messages, those in flight too, its policy, and the keys "
        "it remembers. There is no way back.",
    )
    parser.add_argument("topic", metavar="TOPIC")
    parser.add_argument("--yes", action="store_true", help="do not ask; a script has to say so")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_connection_options(parser)
    return parser


async def _ask(topic: "Topic") -> bool:
    # Here, and not on top: a help needs no anyio.
    from miniqueue_py.cli.standard_input import STDIN, Source  # noqa: PLC0415

    counts = f"{topic.ready:,} ready, {topic.in_flight:,} in flight, {topic.delayed:,} delayed"
    question = f"{legible(topic.name)} has {counts}. Remove all of it? Type its name, or nothing: "
    print(question, end="", file=sys.stderr, flush=True)
    with Source.open(STDIN) as terminal:
        return (await terminal.read()).rstrip(b"\n") == topic.name.encode()
