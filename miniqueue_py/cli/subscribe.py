"""`miniqueue subscribe`: print a topic's messages, and take them or only look."""

from argparse import ArgumentParser
from collections.abc import Sequence
from typing import TYPE_CHECKING

from miniqueue_py.cli.connection import add_connection_options
from miniqueue_py.cli.parser import CommandParser, whole_number
from miniqueue_py.cli.running import Interruption, run
from miniqueue_py.errors import BadSetting

if TYPE_CHECKING:
    from miniqueue_py.client import Client

_MOST = 2**31 - 1


def subscribe(words: Sequence[str]) -> int:
    options = parser().parse_args(words)
    if options.peek and options.follow:
        raise BadSetting("subscribe", "--peek only looks at what is there: leave out --follow")

    async def work(queue: "Client", interruption: Interruption) -> int:
        if options.peek:
            from miniqueue_py.cli.peeking import peek  # noqa: PLC0415

            return await peek(queue, options)
        from miniqueue_py.cli.taking import take  # noqa: PLC0415

        return await take(queue, interruption, options)

    return run(options, work)


def parser() -> ArgumentParser:
    parser = CommandParser(
        "subscribe",
        "[options] TOPIC",
        "Print messages, one on a line, and acknowledge each when it is written. "
        "Ends when the topic is empty.",
    )
    parser.add_argument("topic", metavar="TOPIC", help="where from")
    parser.add_argument(
        "-n", type=whole_number(1, _MOST), metavar="N", help="end after so many messages"
    )
    parser.add_argument("--follow", action="store_true", help="wait for more, for ever")
    fate = parser.add_mutually_exclusive_group()
    fate.add_argument("--ack", action="store_true", help="acknowledge: they are gone (default)")
    fate.add_argument(
        "--peek", action="store_true", help="only look, at 1000 or 1 MiB: all stay where they are"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--raw", action="store_true", help="print bodies with nothing in between")
    form.add_argument("--json", action="store_true", help="print JSON lines, for any body")
    add_connection_options(parser)
    return parser
