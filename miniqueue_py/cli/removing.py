"""What `purge` and `delete` have in common: they ask first, and there is no way back."""

import sys
from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from miniqueue_py.cli.connection import add_connection_options
from miniqueue_py.cli.legible import legible
from miniqueue_py.cli.output import FAILED, OK, complain, print_json
from miniqueue_py.cli.running import Interruption, run
from miniqueue_py.errors import BadSetting

if TYPE_CHECKING:
    from miniqueue_py.client import Client, Topic


def remove(
    command: str, options: Namespace, told: str, act: "Callable[[Client], Awaitable[object]]"
) -> int:
    """Do it if the topic is there and that is meant; `told` is what JSON calls it."""
    if not options.yes and not sys.stdin.isatty():
        raise BadSetting(command, "there is no terminal to ask on; --yes removes without asking")

    async def work(queue: "Client", _: Interruption) -> int:
        # The broker takes a DELETE of what is not there for done; people mistype names.
        topic = await queue.topic(options.topic)
        if not options.yes and not await _ask(topic, options.what):
            return complain("nothing was removed", FAILED)
        await act(queue)
        if options.json:
            print_json({told: options.topic})
        return OK

    return run(options, work)


def add_options(parser: ArgumentParser, *, what: str) -> None:
    parser.add_argument("topic", metavar="TOPIC")
    parser.add_argument("--yes", action="store_true", help="do not ask; a script has to say so")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(what=what)
    add_connection_options(parser)


async def _ask(topic: "Topic", what: str) -> bool:
    # Here, and not on top: a help needs no anyio.
    from miniqueue_py.cli.standard_input import STDIN, Source  # noqa: PLC0415

    counts = f"{topic.ready:,} ready, {topic.in_flight:,} in flight, {topic.delayed:,} delayed"
    question = f"{legible(topic.name)} has {counts}. Remove {what}? Type its name, or nothing: "
    print(question, end="", file=sys.stderr, flush=True)
    with Source.open(STDIN) as terminal:
        return (await terminal.read()).rstrip(b"\n") == topic.name.encode()
