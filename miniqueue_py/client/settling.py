"""Telling the broker how a handler ended, and the log; the body is told to nobody."""

import logging
from typing import assert_never

from miniqueue_py.client.delivery import Delivery
from miniqueue_py.client.outcomes import Buried, Delays, Done, Outcome, SetAside, outcome_of
from miniqueue_py.errors import SettlementError

log = logging.getLogger("miniqueue.worker")


async def settle(delivery: Delivery, raised: BaseException | None, delays: Delays) -> None:
    """Settle a delivery by what its handler raised, unless the handler settled it itself."""
    if delivery.is_settled:
        if raised is not None:
            log.error(
                "%s was settled by its handler, which failed", _named(delivery), exc_info=raised
            )
        return
    outcome = outcome_of(raised, delivery.dack_count, delays)
    _tell(delivery, outcome, raised)
    try:
        await _say(delivery, outcome)
    except SettlementError as error:
        log.warning("%s was handled in vain: %s", _named(delivery), error)


async def _say(delivery: Delivery, outcome: Outcome) -> None:
    match outcome:
        case Done():
            await delivery.ack()
        case SetAside(seconds):
            await delivery.dack(seconds)
        case Buried():
            await delivery.dead()
        case _:
            assert_never(outcome)


def _tell(delivery: Delivery, outcome: Outcome, raised: BaseException | None) -> None:
    name = _named(delivery)
    match outcome:
        case Done():
            log.debug("%s was handled", name)
        case SetAside(seconds, has_failed=True):
            log.error("%s failed, and is set aside for %.1f s", name, seconds, exc_info=raised)
        case SetAside(seconds):
            log.info("%s is to be retried, and is set aside for %.1f s", name, seconds)
        case Buried(why):
            log.warning("%s is made a dead letter: %s", name, why)
        case _:
            assert_never(outcome)


def _named(delivery: Delivery) -> str:
    return f"message {delivery.message_id} of {delivery.topic!r} (attempt {delivery.attempt})"
