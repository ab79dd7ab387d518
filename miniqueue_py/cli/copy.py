"""`miniqueue copy`: move a database that no broker has open to another engine."""

from argparse import ArgumentParser
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from miniqueue_py.cli.legible import counted
from miniqueue_py.cli.output import FAILED, OK, complain
from miniqueue_py.cli.parser import CommandParser
from miniqueue_py.cli.progress import progress
from miniqueue_py.cli.unwinding import unwound_by_sigterm
from miniqueue_py.database_address import parse_address, without_password
from miniqueue_py.errors import BadSetting, DatabaseRefused


def copy(words: Sequence[str]) -> int:
    """Copy, verify, and put the copy in its place."""
    # Here, and not on top: a help needs no library.
    from miniqueue_py.storage.ordered.offline.copying import copying  # noqa: PLC0415

    options = parser().parse_args(words)
    addresses = []
    for name in ("source", "target"):
        given = getattr(options, name)
        try:
            addresses.append(parse_address(given))
        except ValueError as error:
            raise BadSetting("copy", f"{without_password(given)!r} {error}") from None
    try:
        with unwound_by_sigterm(), copying(*addresses) as held, ExitStack() as bars:
            copied = held.make(_bars(bars, held.total_bytes))
    except DatabaseRefused as error:
        return complain(error, FAILED)
    print(
        f"{options.target} has all of {options.source}: {counted(copied.messages, 'message')} in "
        f"{counted(copied.topics, 'topic')}, {counted(copied.records, 'record')}, "
        f"blake2b {copied.digest}"
    )
    return OK


def parser() -> ArgumentParser:
    parser = CommandParser(
        "copy",
        "FROM TO",
        "Copy a database that no broker has open: all of it, or nothing. FROM stays as it is. TO "
        "is new, or an empty directory. The copy is made beside TO and read again, and put in its "
        "place if it holds the same. Then start the broker with -db TO.",
    )
    parser.add_argument("source", metavar="FROM", help="what the broker has as -db")
    parser.add_argument(
        "target", metavar="TO", help="DIR, or leveldb:DIR or rocksdb:DIR for that library"
    )
    return parser


def _bars(stack: ExitStack, total: int) -> Callable[[str], Callable[[int, int], None]]:
    """Show one bar at a time, each until the next is asked for."""

    def show(description: str) -> Callable[[int, int], None]:
        stack.close()
        return stack.enter_context(progress(total, description)).advance

    return show
