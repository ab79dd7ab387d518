"""`miniqueue delete`: remove a topic, and everything there is of it."""

from argparse import ArgumentParser
from collections.abc import Sequence

from miniqueue_py.cli.parser import CommandParser
from miniqueue_py.cli.removing import add_options, remove


def delete(words: Sequence[str]) -> int:
    options = parser().parse_args(words)
    return remove("delete", options, "deleted", lambda queue: queue.delete(options.topic))


def parser() -> ArgumentParser:
    parser = CommandParser(
        "delete",
        "[options] TOPIC",
        "Remove a topic: all its messages, those in flight too, its policy, and the keys "
        "it remembers. There is no way back.",
    )
    add_options(parser, what="these and its policy")
    return parser
