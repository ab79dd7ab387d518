"""A message as pages show it."""

from miniqueue_py.broker.message import PLAIN, Message
from miniqueue_py.protocol.lines import page_object, received_object


def as_object(message: Message, receipt: str | None = None, due_ms: int | None = None) -> bytes:
    """Return its JSON; with a receipt if it is handed out, and not only looked at.

    And with when it is due, if it is set aside.
    """
    extras, published_ms = message.extras, message.published_ms
    if extras is PLAIN and receipt is not None and published_ms is not None:
        return received_object(message.body, receipt, *message.id, published_ms)
    return page_object(
        message.body,
        *message.id,
        receipt=receipt,
        attempt=message.attempt,
        dack_count=extras.dack_count,
        priority=extras.priority,
        published_ms=published_ms,
        origin=extras.origin,
        due_ms=due_ms,
    )
