"""`miniqueue pause`: deliver nothing of a topic, until it is resumed."""

from argparse import ArgumentParser
from collections.abc import Sequence
from typing import TYPE_CHECKING

from miniqueue_py.cli.connection import add_connection_options
from miniqueue_py.cli.output import OK, print_json
from miniqueue_py.cli.parser import CommandParser
from miniqueue_py.cli.running import Interruption, run

if TYPE_CHECKING:
    from miniqueue_py.client import Client


def pause(words: Sequence[str]) -> int:
    options = parser().parse_args(words)

    async def work(queue: "Client", _: Interruption) -> int:
        topic = await queue.pause(options.topic)
        if options.json:
            print_json(topic.as_json())
        else:
            print(f"paused; ready: {topic.ready:,}, in flight: {topic.in_flight:,}")
        return OK

    return run(options, work)


def parser() -> ArgumentParser:
    parser = CommandParser(
        "pause",
        "[options] TOPIC",
        "Deliver nothing of a topic until `miniqueue resume`. It still takes messages, and what "
        "is in flight can be settled.",
    )
    parser.add_argument("topic", metavar="TOPIC")
    parser.add_argument("--json", action="store_true", help="print the topic as a JSON object")
    add_connection_options(parser)
    return parser
