"""What becomes of a message when its handler is done: decided here, and nothing is done here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from random import random
from typing import Any

from miniqueue_py.errors import BadParameter
from miniqueue_py.protocol.commands import LONGEST_DELAY_SECONDS


class Retry(Exception):
    """Raised by a handler: not now, hand the message out again `after` so many seconds.

    The broker counts whole seconds: a part of one is rounded up. Without `after`
    it waits as long as after a failure.
    """

    def __init__(self, *, after: float | None = None) -> None:
        if after is not None and not 0 <= after <= LONGEST_DELAY_SECONDS:
            raise BadParameter("after", f"is {after} s, not 0 to {LONGEST_DELAY_SECONDS}")
        super().__init__("later" if after is None else f"after {after:g} s")
        self.after = None if after is None else float(after)


class Reject(Exception):
    """Raised by a handler: never, make the message a dead letter. Why goes to the log."""

    def __init__(self, why: str = "the handler gave no reason") -> None:
        super().__init__(why)
        self.why = why


class Unreadable(Exception):
    """A body is not what the handler is for, and never will be."""


@dataclass(frozen=True, slots=True)
class Done:
    """ACK."""


@dataclass(frozen=True, slots=True)
class SetAside:
    """DACK."""

    seconds: float
    has_failed: bool
    """The handler did not ask for it."""


@dataclass(frozen=True, slots=True)
class GivenBack:
    """NACK, for its topic's policy to set it aside."""

    seconds: float
    """As the policy says, give or take its jitter."""
    has_failed: bool


@dataclass(frozen=True, slots=True)
class GivenUp:
    """NACK too, and the policy allows no further attempt: a dead letter."""


@dataclass(frozen=True, slots=True)
class Buried:
    """DEAD."""

    why: str


Outcome = Done | SetAside | GivenBack | GivenUp | Buried


@dataclass(frozen=True, slots=True)
class Delays:
    """How long a message waits after each time that it failed: longer, and never all at once."""

    initial_seconds: float = 1.0
    factor: float = 2.0
    longest_seconds: float = 900.0
    chance: Callable[[], float] = random

    def __post_init__(self) -> None:
        if not 0 <= self.initial_seconds <= self.longest_seconds <= LONGEST_DELAY_SECONDS:
            problem = f"is {self.initial_seconds} s, not 0 to longest_backoff_seconds"
            raise BadParameter("backoff_seconds", f"{problem} ({self.longest_seconds})")
        if not self.factor >= 1:
            raise BadParameter("backoff_factor", f"is {self.factor}, not 1 or more")

    def seconds_after(self, failures: int) -> float:
        """Return the wait after one more failure; chance takes up to a half of it away."""
        try:
            seconds = min(self.initial_seconds * self.factor**failures, self.longest_seconds)
        except OverflowError:
            seconds = self.longest_seconds
        return seconds * (1 - self.chance() / 2)


def outcome_of(error: BaseException | None, dack_count: int, delays: Delays) -> Outcome:
    """Decide by how the handler ended, and by how often the message was set aside before.

    The count of DACKs is kept with the message. That of attempts is not without a
    policy, and has those in it that ended with a connection.
    """
    match cause_of(error):
        case None:
            return Done()
        case Retry(after=float() as seconds):
            return SetAside(seconds, has_failed=False)
        case Retry():
            return SetAside(delays.seconds_after(dack_count), has_failed=False)
        case Reject(why=why):
            return Buried(why)
        case Unreadable() as unreadable:
            return Buried(str(unreadable))
        case _:
            return SetAside(delays.seconds_after(dack_count), has_failed=True)


def under(
    policy: Mapping[str, Any], outcome: SetAside, error: BaseException | None, attempt: int
) -> Outcome:
    """Leave it to the topic's policy when a message is tried again, where that says so.

    It says nothing of a time that a handler asked for. Without a backoff the
    message would come again at once, for as long as it fails.
    """
    most, backoff = policy.get("maxDeliveries"), policy.get("backoff")
    if most is not None and attempt >= most:
        return GivenUp()
    match cause_of(error):
        case Retry(after=float()):
            return outcome
    if backoff is None:
        return outcome
    waits = Delays(backoff["initial"], backoff["factor"], backoff["max"], chance=lambda: 0.0)
    return GivenBack(waits.seconds_after(attempt - 1), outcome.has_failed)


def cause_of(error: BaseException | None) -> BaseException | None:
    """Return what a handler with a task group of its own raised, if it is one thing."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
