"""What a move makes of a message: the same on every engine."""

import math
from collections.abc import Iterator

from miniqueue_py.broker.delivery import Bury, Redrive
from miniqueue_py.broker.message import PLAIN, Extras, Message, MessageId, Origin, Publication

LAST_MOMENT_MS = (1 << 64) - 1


def extras_of(publication: Publication, now: float) -> Extras:
    """Return what its messages have beside a body."""
    if publication.priority == 0 and publication.ttl_seconds is None:
        return PLAIN
    expires_ms = (
        None
        if publication.ttl_seconds is None
        else math.ceil((now + publication.ttl_seconds) * 1000)
    )
    return Extras(priority=publication.priority, expires_ms=expires_ms)


def messages_of(publication: Publication, first: MessageId, now: float) -> Iterator[Message]:
    """Yield its messages, numbered from `first` on."""
    extras = extras_of(publication, now)
    topic, sequence = first
    for number, body in enumerate(publication.bodies, sequence):
        yield Message(body, (topic, number), int(now * 1000), extras)


def attempted(message: Message) -> Message:
    """Return it as it is after an attempt that failed."""
    extras = message.extras
    return message._replace(extras=extras._replace(attempts=extras.attempts + 1))


def delayed(message: Message, *, is_dack: bool) -> Message:
    """Return it as it is after an attempt that put it off."""
    extras = message.extras
    return message._replace(
        extras=extras._replace(attempts=extras.attempts + 1, dack_count=extras.dack_count + is_dack)
    )


def buried(message: Message, topic: str, bury: Bury) -> Message:
    """Return it as a dead letter from `topic`."""
    before = message.extras.origin
    first = None if before is None else before.first or before
    origin = Origin(topic, bury.reason, message.attempt, bury.at_ms, first)
    return message._replace(
        extras=Extras(priority=message.extras.priority, expires_ms=bury.expires_ms, origin=origin)
    )


def redriven(message: Message, redrive: Redrive) -> tuple[str, Message] | None:
    """Return where a dead letter goes, as it was before its first attempt there.

    None for what is no dead letter.
    """
    origin = message.extras.origin
    if origin is None:
        return None
    topic, left = origin.topic, origin.first
    if redrive.topic is not None:
        topic, left = redrive.topic, None
    elif redrive.to_first and origin.first is not None:
        topic, left = origin.first.topic, None
    priority = message.extras.priority
    extras = Extras(priority=priority, origin=left) if priority or left else PLAIN
    return topic, message._replace(extras=extras)


def due_ms(message: Message, until: float) -> int:
    """Return when a message put aside comes up again: an end of its life is not slept over."""
    due = math.ceil(min(until * 1000, LAST_MOMENT_MS))
    expires_ms = message.extras.expires_ms
    return due if expires_ms is None else min(due, expires_ms)
