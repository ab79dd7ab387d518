"""`miniqueue bench`: how fast a broker is from here, measured on a topic of its own."""

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from secrets import token_hex
from typing import TYPE_CHECKING

from miniqueue_py.cli.connection import add_connection_options
from miniqueue_py.cli.legible import counted, legible
from miniqueue_py.cli.output import FAILED, OK, note, print_facts, print_json, size_in_words
from miniqueue_py.cli.parser import CommandParser, duration, whole_number
from miniqueue_py.cli.running import Interruption, run
from miniqueue_py.errors import BadSetting, Contradiction, TopicNotFound

if TYPE_CHECKING:
    from miniqueue_py.cli.bench_phases import Measured, Results
    from miniqueue_py.client import Client

_MOST_MESSAGES = 10_000_000
_LARGEST_SIZE = 256 << 20
_MOST_BYTES = 4 << 30
_MOST_CREDIT = 10_000
_LONGEST_SECONDS = 3600.0

DELETING_SECONDS = 3.0


def bench(words: Sequence[str]) -> int:
    options = parser().parse_args(words)
    if options.messages * options.size > _MOST_BYTES:
        size = size_in_words(options.messages * options.size)
        most = size_in_words(_MOST_BYTES)
        raise BadSetting("bench", f"that is {size} on the broker's disk, and {most} is the most")
    if not 0 < options.limit <= _LONGEST_SECONDS:
        raise BadSetting("bench", "--limit is longer than 0, and at most 1h")
    return run(options, lambda queue, interruption: _work(queue, interruption, options))


def parser() -> ArgumentParser:
    parser = CommandParser(
        "bench",
        "[--messages N] [--size BYTES] [--credit N] [--json]",
        "Publish to a new topic, consume it, measure, and delete it.",
    )
    for flag, least, most, default, what in (
        ("--messages", 1, _MOST_MESSAGES, 100_000, "how many"),
        ("--size", 1, _LARGEST_SIZE, 100, "bytes of each"),
        ("--credit", 1, _MOST_CREDIT, 1000, "in flight to the consumer"),
    ):
        parser.add_argument(
            flag,
            type=whole_number(least, most),
            default=default,
            metavar="N",
            help=f"{what} ({default})",
        )
    parser.add_argument(
        "--limit",
        type=duration,
        default=60.0,
        metavar="TIME",
        help="stop publishing, consuming, or both then (1m)",
    )
    parser.add_argument("--topic", metavar="TOPIC", help="a name that is not in use")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_connection_options(parser)
    return parser


async def _work(queue: "Client", interruption: Interruption, options: Namespace) -> int:
    # Here, and not on top: a help needs no event loop.
    import anyio  # noqa: PLC0415

    from miniqueue_py.cli.bench_phases import Bounds, Phases, Results  # noqa: PLC0415

    topic = options.topic or f"bench-{token_hex(4)}"
    await _check_is_new(queue, topic)
    results = Results()
    is_deleted = False
    with interruption.ends_in_order():
        try:
            phases = Phases(queue, topic, Bounds(interruption, options.limit), results)
            await phases.run(options.messages, options.size, options.credit)
        finally:
            with anyio.move_on_after(DELETING_SECONDS, shield=True):
                await queue.delete(topic)
                is_deleted = True
            if not is_deleted:
                note(f"miniqueue: topic {legible(topic)!r} could not be deleted; delete it later")
    if interruption.signal is None:
        if not results.is_whole:
            note(f"miniqueue: stopped after {options.limit:g} s; --limit allows more")
        _report(queue.url, topic, results, options)
    return OK if results.is_whole else FAILED


async def _check_is_new(queue: "Client", topic: str) -> None:
    try:
        await queue.topic(topic)
    except TopicNotFound:
        return
    raise Contradiction(
        f"there is a topic {legible(topic)!r}, and it would be deleted: name one that is not in use"
    )


def _report(url: str, topic: str, results: "Results", options: Namespace) -> None:
    if options.json:
        print_json(_as_json(url, topic, results, options))
        return
    facts = {"broker": legible(url), "message": f"{size_in_words(options.size)} bytes"}
    facts |= {
        name: _in_words(measured, options.size)
        for name, measured in (("published", results.published), ("consumed", results.consumed))
        if measured.messages
    }
    low, high = results.latency(0.5), results.latency(0.99)
    if low is not None and high is not None:
        count = counted(len(results.latencies), "message")
        facts["latency"] = (
            f"p50 {1000 * low:.2f} ms, p99 {1000 * high:.2f} ms; {count}, one at a time"
        )
    print_facts(facts)


def _in_words(measured: "Measured", size: int) -> str:
    speed = size_in_words(round(measured.per_second * size))
    messages = counted(measured.messages, "message")
    return f"{measured.per_second:,.0f}/s, {speed}B/s; {messages} in {measured.seconds:.2f} s"


def _as_json(url: str, topic: str, results: "Results", options: Namespace) -> dict[str, object]:
    return {
        "url": url,
        "topic": topic,
        "size": options.size,
        "credit": options.credit,
        "published": _measured_as_json(results.published),
        "consumed": _measured_as_json(results.consumed),
        "latency": {
            "messages": len(results.latencies),
            "p50Seconds": _rounded(results.latency(0.5)),
            "p99Seconds": _rounded(results.latency(0.99)),
        },
        "complete": results.is_whole,
    }


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 6)


def _measured_as_json(measured: "Measured") -> dict[str, float]:
    return {
        "messages": measured.messages,
        "seconds": round(measured.seconds, 3),
        "perSecond": round(measured.per_second, 1),
    }
