"""Messages as rows: what a message has beside its body, in columns."""

import json
from collections.abc import Sequence
from typing import Any

from miniqueue_py.broker.message import PLAIN, Extras, Message, Origin
from miniqueue_py.storage.shared.store import Taken
from miniqueue_py.storage.shared.writes import Place, Range


def encode_origin(origin: Origin | None) -> str | None:
    """Return where a dead letter came from, as JSON."""
    return None if origin is None else json.dumps(origin, ensure_ascii=False)


def decode_origin(text: str | None) -> Origin | None:
    """Return what was encoded."""
    if text is None:
        return None
    topic, reason, attempts, at_ms, first = json.loads(text)
    return Origin(topic, reason, attempts, at_ms, None if first is None else Origin(*first))


def message_of(row: Sequence[Any]) -> Message:
    """Return a message of what comes from `_topic` on, less the two ends of a range."""
    topic, priority, position, body, published, id_topic, sequence, *more = row
    expires, attempts, dacks, origin = more
    message_id = (topic, position) if id_topic is None else (id_topic, sequence)
    if not (priority or attempts or dacks or expires is not None or origin):
        return Message(body, message_id, published, PLAIN)
    extras = Extras(dacks, attempts, priority, expires, decode_origin(origin))
    return Message(body, message_id, published, extras)


def taken_of(rows: Sequence[Sequence[Any]]) -> Taken | None:
    """Return what was claimed; None if the topic is unknown."""
    if not rows:
        return None
    ranges: dict[Place, Range] = {}
    messages: list[tuple[Place, Place, Message]] = []
    number = expired = 0
    has_more = False
    for row in rows:
        if row[5] is None:  # no body: it tells of the whole
            number, expired, has_more = row[0], row[4], bool(row[3])
            continue
        priority, first, position = row[1], row[2], row[4]
        place = (priority, first)
        if place not in ranges:
            ranges[place] = Range(priority, first, row[3])
        message = message_of((row[0], priority, *row[4:]))
        messages.append((place, (priority, position), message))
    return Taken(number, list(ranges.values()), messages, expired, has_more)
