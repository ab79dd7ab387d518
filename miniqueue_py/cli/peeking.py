"""Printing what a topic would deliver next, and leaving all as it is.

Nothing is leased, no attempt is counted, and no other consumer notices. What is
behind the broker's one page is not seen.
"""

import json
import sys
from argparse import Namespace
from binascii import b2a_base64
from typing import TYPE_CHECKING

from miniqueue_py.cli.legible import screen_text
from miniqueue_py.cli.output import OK, note
from miniqueue_py.client.operations import MOST_PEEKED

if TYPE_CHECKING:
    from miniqueue_py.client import Client, Message
    from miniqueue_py.client.delivery import Origin


async def peek(queue: "Client", options: Namespace) -> int:
    """Print up to `-n` messages, and say if there are more."""
    wanted = options.n or MOST_PEEKED
    state = getattr(options, "state", "ready")  # `subscribe --peek` looks at no other
    messages = await queue.peek(options.topic, min(wanted, MOST_PEEKED), state=state)
    is_shown = sys.stdout.isatty()
    for message in messages:
        if options.json:
            sys.stdout.buffer.write(message_line(message))
        elif options.raw:
            sys.stdout.buffer.write(message.body)
        else:
            text = screen_text(message.body) if is_shown else message.body
            sys.stdout.buffer.write(text + b"\n")
    # Fewer than were asked for, or as many as ever come: there may be more.
    if len(messages) < wanted or len(messages) == MOST_PEEKED:
        topic = await queue.topic(options.topic)
        there = topic.as_json()[state]
        if there > len(messages):
            note(f"miniqueue: shown are {len(messages)} of {there}")
    return OK


def message_line(message: "Message") -> bytes:
    """Return it as `subscribe` prints a delivery, without what a message has not."""
    value: dict[str, object] = {"msg": b2a_base64(message.body, newline=False).decode()}
    if message.dack_count:
        value["dackCount"] = message.dack_count
    value |= {"attempt": message.attempt, "messageId": message.message_id}
    if message.published_at is not None:
        value["publishedAt"] = round(message.published_at.timestamp() * 1000)
    if message.priority:
        value["priority"] = message.priority
    if message.due_at is not None:
        value["dueAt"] = round(message.due_at.timestamp() * 1000)
    origin = message.origin
    if origin is not None:
        value["dead"] = _death(origin)
    return json.dumps(value, separators=(",", ":")).encode() + b"\n"


def _death(origin: "Origin") -> dict[str, object]:
    value: dict[str, object] = {
        "topic": origin.topic,
        "reason": origin.reason,
        "attempts": origin.attempts,
        "at": round(origin.at.timestamp() * 1000),
    }
    return value if origin.first is None else value | {"first": _death(origin.first)}
