"""`miniqueue policy`: show the rules of a topic, or change some of them."""

import json
from argparse import SUPPRESS, ArgumentParser, Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from miniqueue_py.cli.connection import add_connection_options
from miniqueue_py.cli.output import OK, print_json
from miniqueue_py.cli.parser import CommandParser
from miniqueue_py.cli.running import Interruption, run
from miniqueue_py.errors import TopicNotFound

if TYPE_CHECKING:
    from miniqueue_py.client import Client

_FIELDS = {
    "lease": ("TIME", "how long a delivery may be held"),
    "max-deliveries": ("N", "so many attempts, then a dead letter"),
    "dead-letter": ("TOPIC", "where dead letters go"),
    "backoff": ("JSON", 'the wait after a failure, as {"initial":1,"max":"5m"}'),
    "ttl": ("TIME", "how long messages live that say nothing"),
    "max-messages": ("N", "how many it keeps; more are refused"),
    "max-bytes": ("N", "how many bytes of bodies"),
    "dedupe-window": ("TIME", "how long a key is remembered"),
}
_NUMBERS = {"max-deliveries", "max-messages", "max-bytes"}
_NONE = "none"


def policy(words: Sequence[str]) -> int:
    options = parser().parse_args(words)
    changes = _changes(options)

    async def work(queue: "Client", _: Interruption) -> int:
        try:
            rules = dict((await queue.topic(options.topic)).policy)
        except TopicNotFound:
            if not changes:
                raise
            rules = {}  # the policy makes it
        if changes:
            rules = dict((await queue.set_policy(options.topic, rules | changes)).policy)
        if options.json:
            print_json(rules)
        else:
            for name, value in rules.items():
                print(f"{name:<15} {_NONE if value is None else json.dumps(value)}")
        return OK

    return run(options, work)


def parser() -> ArgumentParser:
    parser = CommandParser(
        "policy",
        "[options] TOPIC",
        f"Show a topic's policy, or change what is said; `{_NONE}` is the default again.",
    )
    parser.add_argument("topic", metavar="TOPIC", help=SUPPRESS)  # the screen is full
    for flag, (word, text) in _FIELDS.items():
        parser.add_argument(f"--{flag}", metavar=word, help=text)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_connection_options(parser)
    return parser


def _changes(options: Namespace) -> dict[str, object]:
    """Return the fields that are said, with the names of the wire; the broker checks them."""
    changes: dict[str, object] = {}
    for flag in _FIELDS:
        text: str | None = getattr(options, flag.replace("-", "_"))
        if text is not None:
            first, *others = flag.split("-")
            changes[first + "".join(map(str.title, others))] = _value(flag, text)
    return changes


def _value(flag: str, text: str) -> object:
    if text == _NONE:
        return None
    is_number = flag in _NUMBERS or text.replace(".", "", 1).isdecimal()
    if flag == "backoff" or (is_number and flag != "dead-letter"):
        try:
            return json.loads(text)
        except ValueError:
            return text  # which the broker refuses in words
    return text
