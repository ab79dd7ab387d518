"""`miniqueue top`: topics and their rates, live."""

import os
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING

from miniqueue_py.cli.connection import add_connection_options, make_client
from miniqueue_py.cli.legible import legible
from miniqueue_py.cli.output import OK, age_in_words, print_json, print_table
from miniqueue_py.cli.parser import CommandParser, duration
from miniqueue_py.cli.running import run
from miniqueue_py.cli.top_figures import Figures, Rates, Row

if TYPE_CHECKING:
    from miniqueue_py.client import Client

_SHORTEST_INTERVAL = 0.1
_LONGEST_INTERVAL = 3600.0


def top(words: Sequence[str]) -> int:
    options = parser().parse_args(words)
    return run(options, lambda queue, _: _work(queue, options))


def parser() -> ArgumentParser:
    parser = CommandParser(
        "top",
        "[--interval 1s] [--once] [--json] [--url URL]",
        "Show topics and their rates, the busiest first, until q or Ctrl-C.",
    )
    parser.add_argument(
        "-i",
        "--interval",
        type=_interval,
        default=1.0,
        metavar="TIME",
        help="between two looks at the broker (1s)",
    )
    parser.add_argument("--once", action="store_true", help="two looks and one table, as in a pipe")
    parser.add_argument("--json", action="store_true", help="a line of JSON for each look")
    add_connection_options(parser)
    return parser


def _interval(text: str) -> float:
    seconds = duration(text)
    if not _SHORTEST_INTERVAL <= seconds <= _LONGEST_INTERVAL:
        raise ArgumentTypeError(f"{text} is not from 0.1s to 1h")
    return seconds


async def _work(queue: "Client", options: Namespace) -> int:
    if not options.json and not options.once and _is_screen():
        # Here, and not on top: who has no screen does not wait for rich.
        from miniqueue_py.cli.top_live import watch  # noqa: PLC0415

        await watch(queue, options.interval, lambda: make_client(options))
    else:
        await _print(queue, options)
    return OK


def _is_screen() -> bool:
    return sys.stdout.isatty() and os.environ.get("TERM") not in {None, "", "dumb"}


async def _print(queue: "Client", options: Namespace) -> None:
    """Print each look as JSON, or one table."""
    import anyio  # noqa: PLC0415  a help needs no event loop

    figures = Figures()
    await figures.look(queue, anyio.current_time)
    while True:
        await anyio.sleep(options.interval)
        await figures.look(queue, anyio.current_time)
        if options.json:
            print_json(_as_json(queue.url, figures))
            sys.stdout.flush()
        else:
            print_table(_HEAD, [_cells(row) for row in figures.rows])
        if options.once or not options.json:
            return


_HEAD = (
    *("topic", "ready", "in flight", "delayed"),
    *("pub/s", "deliv/s", "ack/s", "dead/s"),
    *("oldest", "consumers", ""),
)


def _cells(row: Row) -> list[str]:
    topic = row.topic
    counts = [f"{count:,}" for count in (topic.ready, topic.in_flight, topic.delayed)]
    rates = [f"{rate:,.1f}".removesuffix(".0") for rate in row.rates or ()]
    age, consumers = age_in_words(topic.oldest_age_seconds), f"{topic.consumers:,}"
    mark = "paused" if topic.paused else ""
    return [legible(topic.name), *counts, *rates, age, consumers, mark]


def _as_json(url: str, figures: Figures) -> dict[str, object]:
    totals = figures.totals
    return {
        "url": url,
        "seconds": round(figures.seconds or 0.0, 3),
        "totals": {
            "topics": totals.topics,
            "ready": totals.ready,
            "inFlight": totals.in_flight,
            "delayed": totals.delayed,
            "consumers": totals.consumers,
            "rates": _rates_as_json(totals.rates),
        },
        "topics": [
            topic.as_json() | {"rates": _rates_as_json(rates)} for topic, rates in figures.rows
        ],
    }


def _rates_as_json(rates: Rates | None) -> dict[str, float]:
    rates = rates or Rates()
    return {
        "published": round(rates.published, 3),
        "delivered": round(rates.delivered, 3),
        "acknowledged": round(rates.acknowledged, 3),
        "deadLettered": round(rates.dead_lettered, 3),
    }
