"""Which commands there are.

Each is a file here, with its name: a function of that name takes the words
behind it and returns the exit status, and `parser()` tells what words it takes.
None is imported before it is needed, so each starts as fast as it can.
"""

from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import NamedTuple

Run = Callable[[Sequence[str]], int]


class Command(NamedTuple):
    """A word that may come first."""

    name: str
    words: str
    """What it needs behind it."""
    summary: str

    def load(self) -> Run:
        run: Run = getattr(import_module(f"miniqueue_py.cli.{self.name}"), self.name)
        return run

    def parser(self) -> ArgumentParser:
        parser: ArgumentParser = import_module(f"miniqueue_py.cli.{self.name}").parser()
        return parser


COMMANDS = {
    name: Command(name, words, summary)
    for name, words, summary in (
        ("serve", "", "run a broker; what `miniqueue` alone does"),
        ("publish", "TOPIC [FILE...]", "publish stdin, files, or their lines"),
        ("subscribe", "TOPIC", "print messages and take them, or only look"),
        ("work", "MODULE:NAME", "do tasks with the functions of a module of yours"),
        ("topics", "", "list topics, and what is in them"),
        ("stats", "TOPIC", "tell everything about one"),
        ("peek", "TOPIC", "look at messages in any state, and take none"),
        ("policy", "TOPIC", "show or change the rules of a topic"),
        ("purge", "TOPIC", "remove all messages of a topic, and keep its policy"),
        ("delete", "TOPIC", "remove a topic, its messages and its policy"),
        ("redrive", "TOPIC", "send dead letters back to where they came from"),
        ("pause", "TOPIC", "deliver nothing for a while"),
        ("resume", "TOPIC", "deliver again"),
        ("top", "", "watch topics live"),
        ("bench", "", "measure a broker"),
        ("inspect", "DIR", "look into a closed database"),
        ("repair", "DIR", "rebuild a damaged one"),
        ("migrate", "URL", "make or upgrade the schema of a database server"),
        ("copy", "FROM TO", "move a stopped broker's database to another engine"),
        ("cert", "", "make certificates for development"),
        ("token", "new|list|...", "say who may do what with a broker"),
        ("completion", "SHELL", "print what completes these words in your shell"),
    )
}
