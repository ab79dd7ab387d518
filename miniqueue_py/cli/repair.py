"""`miniqueue repair`: make a database out of what can be read of a damaged one."""

import os
import sys
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import TYPE_CHECKING

from miniqueue_py.cli.legible import counted, legible
from miniqueue_py.cli.output import FAILED, OK, complain, print_table
from miniqueue_py.cli.parser import CommandParser, database_directory
from miniqueue_py.errors import DatabaseRefused

if TYPE_CHECKING:
    from miniqueue_py.storage.ordered.offline.repair import Repair


def repair(words: Sequence[str]) -> int:
    """Tell what a repair would lose, ask, and do it."""
    # Here, and not on top: a help needs no LevelDB.
    from miniqueue_py.storage.ordered.offline.repair import repaired  # noqa: PLC0415

    options = parser().parse_args(words)
    os.umask(0o077)  # LevelDB asks for 755 and 644
    try:
        with repaired(options.directory) as made:
            _tell(made)
            if not (options.yes or _is_wanted()):
                return complain("nothing was changed; --yes puts the repair in place", FAILED)
            kept = made.put_in_place()
    except DatabaseRefused as error:
        return complain(error, FAILED)
    print(f"{options.directory} is repaired; as it was it is {kept}, for you to delete")
    return OK


def parser() -> ArgumentParser:
    parser = CommandParser(
        "repair",
        "DIR [--yes]",
        "Make a database of what can be read of a damaged one that no broker has open. It is "
        "made beside DIR, which takes as much room again. It tells what would be lost, and asks. "
        "DIR as it was is kept as DIR.damaged.",
    )
    parser.add_argument(
        "directory", type=database_directory, metavar="DIR", help="what the broker has as -db"
    )
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")
    return parser


def _tell(made: "Repair") -> None:
    for damage in made.damages:
        print(legible(damage))
    if not made.damages:
        print("no damage was found")
    if made.topics:
        rows = [
            [legible(name), f"{says:,}", f"{there:,}", f"{max(0, says - there):,}"]
            for name, says, there in made.topics
        ]
        print_table(["topic", "messages", "kept", "lost"], rows)
    lost = sum(max(0, says - there) for _, says, there in made.topics)
    print(f"{counted(lost, 'message')} would be lost")


def _is_wanted() -> bool:
    if not sys.stdin.isatty():
        return False
    print("Put the repair in place? [y/N] ", end="", flush=True)
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
