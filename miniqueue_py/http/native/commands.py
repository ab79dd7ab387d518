"""What a subscription's commands do, and what its deliveries look like.

Words of the wire become verbs of the broker here, and what the broker says
becomes lines; nothing is awaited.
"""

from collections.abc import Iterable, Sequence

from miniqueue_py.broker.clock import Clock
from miniqueue_py.broker.delivery import Delivery
from miniqueue_py.broker.message import PLAIN, Message
from miniqueue_py.broker.settling import Decision
from miniqueue_py.broker.subscriber import Subscriber
from miniqueue_py.errors import BadRequest, MiniqueueError, SettlementError
from miniqueue_py.protocol.commands import Command, Credit, Init, Settle, Verb
from miniqueue_py.protocol.lines import (
    credit_line,
    delivery_line,
    full_credit_line,
)

_DECISIONS = {
    Verb.ACK: Decision.ACK,
    Verb.NACK: Decision.NACK,
    Verb.BACK: Decision.BACK,
    Verb.DACK: Decision.DACK,
    Verb.DEAD: Decision.DEAD,
    Verb.RELEASE: Decision.RELEASE,
}

_TOUCH = Verb.TOUCH
"""Python 3.11 looks up a member of an enum by calls."""


def obey(
    subscriber: Subscriber, clock: Clock, command: Init | Credit | Settle
) -> Sequence[MiniqueueError]:
    """Carry out a command; return what was wrong with it."""
    try:
        if isinstance(command, Settle):
            verb, ids, up_to, seconds = command
            if verb is _TOUCH:
                return subscriber.touch(clock.monotonic(), verb, ids, up_to)
            return subscriber.settle(_DECISIONS[verb], verb, ids, up_to, seconds)
        if isinstance(command, Init):
            subscriber.start(command.credit)
        else:
            subscriber.set_credit(command.credit)
    except (SettlementError, BadRequest) as error:
        return (error,)
    return ()


def work_of(subscriber: Subscriber, command: Command) -> int:
    """Return how many deliveries a command that is to be carried out looks at; at least 1."""
    if not isinstance(command, Settle):
        return 1
    if command.up_to is None:
        return max(1, len(command.ids))
    return max(1, subscriber.in_flight.count_looked_at(command.up_to))


def delivery_lines(subscriber: Subscriber, deliveries: Iterable[tuple[int, Delivery]]) -> bytes:
    """Return the lines that hand deliveries to a client."""
    lines = []
    if not subscriber.has_credit:
        for _, delivery in deliveries:
            body, _, _, extras = delivery.message
            lines.append(delivery_line(body, extras.dack_count))
        return b"".join(lines)
    for number, delivery in deliveries:
        body, (topic, sequence), published_ms, extras = message = delivery.message
        if extras is PLAIN and published_ms is not None:
            lines.append(credit_line(body, number, topic, sequence, published_ms))
        else:
            lines.append(_full_line(number, message))
    return b"".join(lines)


def _full_line(number: int, message: Message) -> bytes:
    extras = message.extras
    return full_credit_line(
        message.body,
        number,
        *message.id,
        attempt=message.attempt,
        dack_count=extras.dack_count,
        priority=extras.priority,
        published_ms=message.published_ms,
        origin=extras.origin,
    )
