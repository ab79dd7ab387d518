"""`miniqueue stats`: everything that the broker tells of one topic."""

import json
from argparse import ArgumentParser
from collections.abc import Sequence
from typing import TYPE_CHECKING

from miniqueue_py.cli.connection import add_connection_options
from miniqueue_py.cli.legible import legible
from miniqueue_py.cli.output import (
    OK,
    age_in_words,
    print_facts,
    print_json,
    size_in_words,
)
from miniqueue_py.cli.parser import CommandParser
from miniqueue_py.cli.running import Interruption, run

if TYPE_CHECKING:
    from miniqueue_py.client import Client, Topic


def stats(words: Sequence[str]) -> int:
    options = parser().parse_args(words)

    async def work(queue: "Client", _: Interruption) -> int:
        topic = await queue.topic(options.topic)
        if options.json:
            print_json(topic.as_json())
        else:
            print_facts(_facts(topic))
        return OK

    return run(options, work)


def parser() -> ArgumentParser:
    parser = CommandParser("stats", "[options] TOPIC", "Tell what is in a topic, and its policy.")
    parser.add_argument("topic", metavar="TOPIC")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    add_connection_options(parser)
    return parser


def _facts(topic: "Topic") -> dict[str, str]:
    """Return what is there now, what was since the beginning, and the rules."""
    counts = {
        "ready": topic.ready,
        "in flight": topic.in_flight,
        "delayed": topic.delayed,
        "consumers": topic.consumers,
        "published": topic.published,
        "delivered": topic.delivered,
        "acknowledged": topic.acknowledged,
        "expired": topic.expired,
        "dead-lettered": topic.dead_lettered,
    }
    facts = {
        "topic": legible(topic.name) + (", paused" if topic.paused else ""),
        "size": size_in_words(topic.bytes),
        "oldest": age_in_words(topic.oldest_age_seconds) or "-",
        **{name: f"{count:,}" for name, count in counts.items()},
        "dead letters to": legible(topic.dead_letter_topic),
    }
    rules = {name: rule for name, rule in topic.policy.items() if rule is not None}
    facts["policy"] = ", ".join(f"{name} {json.dumps(rule)}" for name, rule in rules.items())
    return facts
