"""The broker's facts as log lines."""

from collections.abc import Mapping, Sequence

import structlog

from miniqueue_py.broker.delivery import Bury
from miniqueue_py.broker.events import (
    Buried,
    ClockStepped,
    Deleted,
    Delivered,
    Event,
    Expired,
    Listener,
    Loaded,
    Observer,
    PolicySet,
    Published,
    Purged,
    Redriven,
    Restored,
    Settled,
    StorageDamaged,
    StorageFailed,
    StorageRecovered,
)
from miniqueue_py.broker.message import id_text
from miniqueue_py.broker.policy import policy_as_json

log = structlog.get_logger("miniqueue")

_RARE = (
    Deleted,
    Purged,
    Loaded,
    PolicySet,
    Redriven,
    Buried,
    ClockStepped,
    StorageFailed,
    StorageRecovered,
    StorageDamaged,
)
_EACH = (Published, Delivered, Settled, Restored, Expired)


def log_events(level: str) -> Sequence[Observer]:
    """Return who writes the lines of that level; what happens per message is for debug."""
    if level == "disabled":
        return ()
    rare, each = Listener(_log_rare, _RARE), Listener(_log_each, _EACH)
    return (rare, each) if level == "debug" else (rare,)


def log_access(event: str, facts: Mapping[str, object]) -> None:
    """Write a line of who may do what, as the doors tell it."""
    match event:
        case "access.refused":
            log.warning("access.refused", **facts)
        case "access.admin":
            log.info("access.admin", **facts)
        case "access.login":
            log.info("access.login", **facts)
        case "access.streams_ended":
            log.info("access.streams_ended", **facts)
        case "access.reloaded":
            log.info("access.reloaded", **facts)
        case "access.not_reloaded":
            log.warning("access.not_reloaded", **facts)
        case _:
            raise ValueError(event)


def _log_rare(event: Event) -> None:  # noqa: C901  a table, one row a kind
    match event:
        case Deleted(topic):
            log.info("topic.deleted", topic=topic)
        case Purged(topic, messages):
            log.info("topic.purged", topic=topic, messages=messages)
        case Loaded(topic, messages):
            log.info("topic.loaded", topic=topic, messages=messages)
        case PolicySet(topic, policy):
            rules = policy_as_json(policy).items()
            told = {key: value for key, value in rules if value is not None}
            log.info("topic.policy_set", topic=topic, paused=policy.is_paused, policy=told)
        case Redriven(topic, messages):
            log.info("topic.redriven", topic=topic, messages=messages)
        case Settled(topic, _, Bury(dead_letter, reason), deliveries):
            log.info(
                "messages.buried",
                topic=topic,
                dead_letter=dead_letter,
                reason=reason,
                messages=len(deliveries),
            )
        case ClockStepped(seconds):
            log.warning("clock.stepped", by_s=round(seconds, 3))
        case StorageFailed(cause):
            log.error("storage.failed", cause=cause, publishing="refused")
        case StorageDamaged(what):
            log.error("storage.damaged", what=what)
        case StorageRecovered():
            log.info("storage.recovered")
        case _:
            return


def _log_each(event: Event) -> None:
    match event:
        case Published(topic, messages, size, duplicates):
            log.debug(
                "message.published",
                topic=topic,
                messages=messages,
                bytes=size,
                duplicates=duplicates,
            )
        case Delivered(topic, deliveries):
            for delivery in deliveries:
                log.debug(
                    "message.delivered",
                    topic=topic,
                    message=id_text(delivery.message.id),
                    attempt=delivery.message.attempt,
                )
        case Settled(topic, decision, _, deliveries):
            for delivery in deliveries:
                log.debug(
                    "delivery.settled",
                    topic=topic,
                    decision=decision,
                    message=id_text(delivery.message.id),
                    attempt=delivery.message.attempt,
                )
        case Restored(messages):
            log.debug("messages.restored", messages=messages)
        case Expired(messages):
            log.debug("messages.expired", messages=messages)
        case _:
            return
