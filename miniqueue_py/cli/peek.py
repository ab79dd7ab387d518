"""`miniqueue peek`: look at messages in any state, and leave all as it is."""

from argparse import ArgumentParser
from collections.abc import Sequence
from typing import TYPE_CHECKING

from miniqueue_py.cli.connection import add_connection_options
from miniqueue_py.cli.parser import CommandParser, whole_number
from miniqueue_py.cli.running import Interruption, run
from miniqueue_py.protocol.topics import STATES

if TYPE_CHECKING:
    from miniqueue_py.client import Client

_MOST = 2**31 - 1


def peek(words: Sequence[str]) -> int:
    options = parser().parse_args(words)

    async def work(queue: "Client", _: Interruption) -> int:
        from miniqueue_py.cli import peeking  # noqa: PLC0415  a help needs no client

        return await peeking.peek(queue, options)

    return run(options, work)


def parser() -> ArgumentParser:
    parser = CommandParser(
        "peek",
        "[options] TOPIC",
        "Print what would be delivered next, or what is in flight or delayed, and take nothing: "
        "at most 1000 messages or 1 MiB.",
    )
    parser.add_argument("topic", metavar="TOPIC")
    parser.add_argument("-n", type=whole_number(1, _MOST), metavar="N", help="no more than so many")
    parser.add_argument("--state", choices=STATES, default="ready", help="where they are (ready)")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--raw", action="store_true", help="print bodies with nothing in between")
    form.add_argument("--json", action="store_true", help="print JSON lines, for any body")
    add_connection_options(parser)
    return parser
