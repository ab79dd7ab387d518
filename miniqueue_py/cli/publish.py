"""`miniqueue publish`: stdin, files or their lines become messages, in their order."""

import os
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from miniqueue_py.cli.connection import add_connection_options
from miniqueue_py.cli.output import OK, note, print_json
from miniqueue_py.cli.parser import CommandParser, duration, whole_number
from miniqueue_py.cli.running import Interruption, run
from miniqueue_py.errors import BadParameter, BadSetting

if TYPE_CHECKING:
    from miniqueue_py.client import Client

_LONGEST_BYTES = 256 << 20
"""No broker takes a longer message."""

PATIENCE_SECONDS = 30.0
LINES_PATIENCE_SECONDS = 240.0
"""A broker that is back sooner goes on where it was: it remembers for 300 s, if no policy
says otherwise. What comes out of a pipe cannot be read again."""

_HIGHEST_PRIORITY = 255
_STDIN = "-"


def publish(words: Sequence[str]) -> int:
    """Publish, and say what came of it; nothing is published if a file is not there."""
    options = parser().parse_intermixed_args(words)
    _check(options)
    _check_terms(options)

    async def work(queue: "Client", interruption: Interruption) -> int:
        if options.lines:
            from miniqueue_py.cli.publish_lines import publish_lines  # noqa: PLC0415

            return await publish_lines(queue, interruption, options)
        return await _publish_whole(queue, options)

    patience = LINES_PATIENCE_SECONDS if options.lines else PATIENCE_SECONDS
    return run(options, work, wait_when_full=not options.no_wait, patience_seconds=patience)


def parser() -> ArgumentParser:
    parser = CommandParser(
        "publish",
        "[options] TOPIC [-|FILE...]",
        "Publish stdin or each FILE as one message, and print its id; or every line "
        "as one, in order, as they come.",
    )
    parser.add_argument("topic", metavar="TOPIC", help="where to; the first message makes it")
    parser.add_argument(
        "files", nargs="*", default=[], metavar="FILE", help="- is stdin, and so is no FILE"
    )
    parser.add_argument("--lines", action="store_true", help="every line is a message")
    parser.add_argument("-m", action="append", metavar="TEXT", help="a message; may be repeated")
    parser.add_argument("--delay", type=duration, metavar="TIME", help="deliver after 30s, 1h30m")
    parser.add_argument("--ttl", type=duration, metavar="TIME", help="forget what is older")
    parser.add_argument(
        "--priority",
        type=whole_number(0, _HIGHEST_PRIORITY),
        metavar="N",
        help="0 to 255, the higher comes first",
    )
    parser.add_argument("--key", help="the same key again publishes nothing")
    parser.add_argument("--no-wait", action="store_true", help="fail when the topic is full")
    parser.add_argument(
        "--json", action="store_true", help="print JSON; lines are those of `subscribe --json`"
    )
    add_connection_options(parser)
    return parser


def _check(options: Namespace) -> None:
    texts, files = options.m or [], options.files
    if options.lines and (texts or options.key is not None):
        word = "-m" if texts else "--key"
        raise BadSetting("publish", f"{word} is for whole messages, not for --lines")
    if options.key is not None and len(texts) + len(files) > 1:
        raise BadSetting("publish", "--key is for one message, and here are more")
    for name in files:
        problem = None if name == _STDIN else _problem_with(Path(name))
        if problem is not None:
            hint = f"to publish the words themselves: -m {name!r}"
            raise BadSetting("publish", f"{name}: {problem}; {hint}")


def _check_terms(options: Namespace) -> None:
    # Here, and not on top: a help needs no client.
    from miniqueue_py.client.terms import Terms  # noqa: PLC0415

    for name in ("delay", "ttl", "key"):
        try:
            Terms(**{name: getattr(options, name)}).check()
        except BadParameter as error:
            problem = str(error).removeprefix(f"{name} ")
            raise BadSetting("publish", f"--{name}: it {problem}") from error


def _problem_with(path: Path) -> str | None:
    """Tell why it cannot be read; it is not opened, for a FIFO is opened once."""
    if path.is_dir():
        return "is a directory"
    if not path.exists():
        return "there is no such file"
    return None if os.access(path, os.R_OK) else "cannot be read"


async def _publish_whole(queue: "Client", options: Namespace) -> int:
    for body in [os.fsencode(text) for text in options.m or ()]:
        await _publish_one(queue, body, options)
    # Here, and not on top: a help needs no anyio.
    from miniqueue_py.cli.standard_input import Source  # noqa: PLC0415

    for name in options.files or (() if options.m else (_STDIN,)):
        with Source.open(name) as source:
            if source.is_terminal:
                note("type the message, and end it with Ctrl-D")
            body = await source.read_all(_LONGEST_BYTES)
        await _publish_one(queue, body, options)
    return OK


async def _publish_one(queue: "Client", body: bytes, options: Namespace) -> None:
    receipt = await queue.publish(
        options.topic,
        body,
        delay=options.delay,
        ttl=options.ttl,
        priority=options.priority,
        key=options.key,
    )
    if options.json:
        print_json({"messageId": receipt.message_id, "duplicate": receipt.is_duplicate})
    else:
        print(receipt.message_id)
