"""The broker's facts as log lines."""

from collections.abc import Sequence

import structlog

from miniqueue_py.broker.delivery import Ack, Delay, Outcome, Requeue
from miniqueue_py.broker.events import (
    Delivered,
    Event,
    Observer,
    Published,
    Purged,
    Restored,
    Settled,
    StorageFailed,
    StorageRecovered,
)

log = structlog.get_logger("miniqueue")


def log_events(level: str) -> Sequence[Observer]:
    """Return who writes the lines of that level; what happens per message is for debug."""
    if level == "disabled":
        return ()
    return (_log_rare, _log_each) if level == "debug" else (_log_rare,)


def _log_rare(event: Event) -> None:
    match event:
        case Purged(topic):
            log.info("topic.deleted", topic=topic)
        case StorageFailed(cause):
            log.error("storage.failed", cause=cause, publishing="refused")
        case StorageRecovered():
            log.info("storage.recovered")
        case _:
            return


def _log_each(event: Event) -> None:
    match event:
        case Published(topic, messages, size):
            log.debug("message.published", topic=topic, messages=messages, bytes=size)
        case Delivered(topic, dack_count):
            log.debug("message.delivered", topic=topic, dack_count=dack_count)
        case Settled(topic, outcome):
            log.debug("delivery.settled", topic=topic, outcome=_word(outcome))
        case Restored(messages):
            log.debug("messages.restored", messages=messages)
        case _:
            return


def _word(outcome: Outcome) -> str:
    match outcome:
        case Ack():
            return "ack"
        case Requeue(front):
            return "nack" if front else "back"
        case Delay():
            return "dack"
