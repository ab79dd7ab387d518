"""Telling the broker how a handler ended, and the log; the body is told to nobody."""

import logging
from typing import assert_never

from miniqueue_py.client.delivery import Delivery
from miniqueue_py.client.worker.handlers import Attempt
from miniqueue_py.client.worker.outcomes import Buried, Done, GivenBack, GivenUp, Outcome, SetAside
from miniqueue_py.client.worker.retries import Retries
from miniqueue_py.errors import SettlementError

log = logging.getLogger("miniqueue.worker")


async def settle(delivery: Delivery, attempt: Attempt, retries: Retries) -> None:
    """Settle a delivery by how its handler ended, unless the handler settled it itself."""
    if delivery.is_settled:
        _tell_settled(delivery, attempt)
        return
    outcome = await retries.outcome_of(delivery, attempt.raised)
    _tell(delivery, attempt, outcome)
    try:
        await _say(delivery, outcome)
    except SettlementError as error:
        log.warning("%s was handled in vain: %s", attempt.name, error)


async def _say(delivery: Delivery, outcome: Outcome) -> None:
    match outcome:
        case Done():
            await delivery.ack()
        case SetAside(seconds):
            await delivery.dack(seconds)
        case GivenBack() | GivenUp():
            await delivery.nack()
        case Buried():
            await delivery.dead()
        case _:
            assert_never(outcome)


def _tell_settled(delivery: Delivery, attempt: Attempt) -> None:
    if attempt.raised is None:
        _log(logging.DEBUG, "was settled by its handler", delivery, attempt)
    else:
        _log(logging.ERROR, "was settled by its handler, which failed", delivery, attempt)


def _tell(delivery: Delivery, attempt: Attempt, outcome: Outcome) -> None:
    level, words = _line_of(outcome)
    _log(level, words, delivery, attempt, outcome)


def _line_of(outcome: Outcome) -> tuple[int, str]:
    match outcome:
        case Done():
            line = logging.DEBUG, "was handled"
        case SetAside(seconds, has_failed=True):
            line = logging.ERROR, f"failed, and is set aside for {seconds:.1f} s"
        case SetAside(seconds):
            line = logging.INFO, f"is to be retried, and is set aside for {seconds:.1f} s"
        case GivenBack(seconds, has_failed=True):
            line = logging.ERROR, f"failed, and comes again in some {seconds:.1f} s"
        case GivenBack(seconds):
            line = logging.INFO, f"is to be retried, and comes again in some {seconds:.1f} s"
        case GivenUp():
            line = logging.ERROR, "failed for the last time, and is made a dead letter"
        case Buried(why):
            line = logging.WARNING, f"is made a dead letter: {why}"
        case _:
            assert_never(outcome)
    return line


def _log(
    level: int,
    words: str,
    delivery: Delivery,
    attempt: Attempt,
    outcome: Outcome | None = None,
) -> None:
    """Say it; beside the words is what they are made of, for who renders them otherwise."""
    raised = attempt.raised if level == logging.ERROR else None
    facts = {"delivery": delivery, "attempt": attempt, "outcome": outcome}
    log.log(level, "%s %s", attempt.name, words, exc_info=raised, extra=facts)
