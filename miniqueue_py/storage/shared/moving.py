"""What the end of a delivery makes of its message, where it does not stay in its place."""

from collections.abc import Sequence
from typing import assert_never

from miniqueue_py.broker.delivery import Ack, Bury, Delay, Outcome, Redrive, Requeue
from miniqueue_py.broker.message import Message
from miniqueue_py.storage import fates
from miniqueue_py.storage.shared.claims import Claim, Held
from miniqueue_py.storage.shared.presence import Presence
from miniqueue_py.storage.shared.writes import Carry, SetAside


def move(
    held: Held,
    these: Sequence[tuple[Claim, int, Message]],
    outcome: Outcome,
    presence: Presence,
) -> None:
    """Move messages to where the outcome says, other than to their old place."""
    gone = [(claim, position) for claim, position, _ in these]
    places = [(claim.priority, position) for claim, position in gone]
    messages = [message for _, _, message in these]
    name = presence.shown(held.name)
    match outcome:
        case Requeue():
            if outcome.is_counted:
                messages = list(map(fates.attempted, messages))
            back = list(zip(places, messages, strict=True))
            held.carry(gone, Carry(held.number, held.name, back, is_buried=False))
        case Delay(until, is_dack):
            until = presence.at(until)
            later = [fates.delayed(message, is_dack=is_dack) for message in messages]
            dues = [fates.due_ms(message, until) for message in messages]
            aside = list(zip(places, later, dues, strict=True))
            held.carry(gone, SetAside(held.number, aside))
        case Bury(target):
            dead = [fates.buried(message, name, outcome) for message in messages]
            letters = list(zip(places, dead, strict=True))
            carry = Carry(held.number, presence.name(target), letters, is_buried=True)
            held.carry(gone, carry)
        case Redrive():
            for where, place, message in zip(gone, places, messages, strict=True):
                redriven = fates.redriven(message, outcome)
                if redriven is not None:
                    to, fresh = presence.name(redriven[0]), redriven[1]
                    held.carry([where], Carry(held.number, to, [(place, fresh)], False))
        case Ack():
            raise AssertionError(outcome)
        case _:
            assert_never(outcome)
