"""`miniqueue purge`: remove all messages of a topic, and keep its policy."""

from argparse import ArgumentParser
from collections.abc import Sequence

from miniqueue_py.cli.parser import CommandParser
from miniqueue_py.cli.removing import add_options, remove


def purge(words: Sequence[str]) -> int:
    options = parser().parse_args(words)
    return remove("purge", options, "purged", lambda queue: queue.purge(options.topic))


def parser() -> ArgumentParser:
    parser = CommandParser(
        "purge",
        "[options] TOPIC",
        "Remove all messages of a topic, those in flight and delayed too, and the keys it "
        "remembers. Its policy stays. There is no way back.",
    )
    add_options(parser, what="all of these")
    return parser
