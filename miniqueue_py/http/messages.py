"""A message as pages show it."""

from miniqueue_py.broker.message import Message
from miniqueue_py.protocol.lines import page_object


def as_object(message: Message, receipt: str | None = None) -> bytes:
    """Return its JSON; with a receipt if it is handed out, and not only looked at."""
    extras = message.extras
    return page_object(
        message.body,
        *message.id,
        receipt=receipt,
        attempt=message.attempt,
        dack_count=extras.dack_count,
        priority=extras.priority,
        published_ms=message.published_ms,
        origin=extras.origin,
    )
